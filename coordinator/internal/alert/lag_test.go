package alert

import (
	"fmt"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/wire"
)

// After a fault of ours of six hours the whole fleet comes back with what it
// measured meanwhile. That is no wrong clock, and how hot a processor was
// then is not how hot it is.
func TestBacklogIsNoAlert(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	hot, cold := 95.0, 40.0
	measure := func(at time.Time, celsius *float64) {
		f.take("node_a", wire.Sample{AtMs: at.UnixMilli(), CPU: &wire.CPU{Cores: 4, TemperatureCelsius: celsius}})
	}
	measure(f.time, &cold)
	f.run()
	measured := f.time
	f.time = f.time.Add(6 * time.Hour)
	for f.time.Sub(measured) > time.Minute { // an hour and a half to deliver six, and stalls in between
		measured = measured.Add(75 * time.Second)
		measure(measured, &hot)
		f.after(15 * time.Second)
		f.after(2 * time.Second)
	}
	f.want("told while the backlog comes", f.told)
	for range 50 {
		measure(f.time, &hot)
		f.after(15 * time.Second)
	}
	f.want("told of how it is", f.told, "node_a temperature firing critical")
}

// clocked is a node whose clock is off, ahead if that is positive.
func (f *fleet) clocked(id string, off time.Duration, percent float64) {
	f.t.Helper()
	f.deliver(id, wire.Sample{AtMs: f.time.Add(off).UnixMilli(), CPU: &wire.CPU{Cores: 4, UsagePercent: &percent}})
}

// A clock that is wrong is told of, hides nothing while samples are taken, and
// nothing once it has been set right, with or without a new start of the agent.
func TestWrongClockIsAnAlert(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for _, c := range []struct {
		off      time.Duration // ahead of ours
		refused  bool          // such samples are no data
		severity string
	}{
		{9 * time.Minute, false, "warning"}, {-20 * time.Minute, false, "critical"},
		{11 * time.Minute, true, "warning"}, {time.Hour, true, "critical"}, {year, true, "critical"}, {-year, true, "critical"},
	} {
		for _, restarted := range []bool{false, true} {
			t.Run(fmt.Sprint(c.off, " restarted ", restarted), func(t *testing.T) {
				f := newFleet(t)
				f.node("node_a")
				f.clocked("node_a", 0, 10)
				f.run()
				turn := func() {
					if restarted {
						f.begin("node_a")
					}
				}
				turn()
				for i := range 50 {
					late := time.Duration(i%3) * time.Second
					f.after(15*time.Second - late)
					f.clocked("node_a", c.off, 99)
					f.after(late)
				}
				tellsCPU := func(state string) (told []string) {
					if !c.refused {
						told = append(told, "node_a cpu "+state+" critical")
					}
					return told
				}
				f.want("while it is wrong", f.told, append(tellsCPU("firing"), "node_a clock_skew firing "+c.severity)...)
				if refused := len(f.letters()) > 0; refused != c.refused {
					t.Errorf("refused: %v", refused)
				}
				f.told = nil
				turn()
				for range 2 {
					f.after(15 * time.Second)
					f.clocked("node_a", 0, 10)
				}
				f.run()
				f.want("set right", f.told, append(tellsCPU("resolved"), "node_a clock_skew resolved "+c.severity)...)
			})
		}
	}
}

// What a node kept for longer than samples are kept for is refused like the
// samples of a clock that is behind. It is none: it shrinks as it comes in.
func TestRefusedBacklogIsNoWrongClock(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	f.clocked("node_a", 0, 10)
	f.run()
	const kept = 7 * 24 * time.Hour
	f.time = f.time.Add(kept + 24*time.Hour)
	measured := f.time.Add(-kept - 20*time.Hour)
	for f.time.Sub(measured) > kept {
		measured = measured.Add(10 * time.Minute)
		f.clocked("node_a", measured.Sub(f.time), 10)
		f.after(15 * time.Second)
	}
	f.want("told", f.told)
	if len(f.letters()) < 20 {
		t.Errorf("%d of the samples were refused", len(f.letters()))
	}
}

// A clock of ours that was ahead and is set right must not blind the watch
// until it gets there again, whether the nodes followed it or were right.
func TestOurOwnClockGoesBack(t *testing.T) {
	const ahead = 24 * time.Hour
	for name, off := range map[string]time.Duration{"nodes follow": 0, "nodes are right": -ahead} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			f.node("node_a")
			f.node("node_b")
			f.cpu("node_a", 99)
			for range 50 {
				f.after(15 * time.Second)
				f.cpu("node_a", 99)
			}
			f.want("before", f.told, "node_a cpu firing critical")
			f.time = f.time.Add(ahead)
			f.clocked("node_a", off, 99)
			f.clocked("node_b", off, 99)
			f.run()
			f.time = f.time.Add(-ahead)
			for range 50 {
				f.after(15 * time.Second)
				f.cpu("node_a", 10)
				f.cpu("node_b", 99)
			}
			f.run()
			f.want("after", f.told, "node_a cpu firing critical", "node_a cpu resolved critical", "node_b cpu firing critical")
		})
	}
}

// A node that left while our clock was ahead has been gone since that clock was
// found to be right, at the latest.
func TestDepartureInTheFutureIsAnAlert(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	f.time = start.Add(24 * time.Hour)
	f.leaves("node_a")
	f.time = start
	f.after(time.Hour)
	nodes := node.NewStore(node.Config{Pool: f.db, Now: func() time.Time { return f.time }})
	if err := nodes.RunOnceHeartbeats(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.after(4 * time.Minute)
	f.want("soon after", f.events())
	f.after(2 * time.Minute)
	f.want("later", f.events(), "node_a pool_home offline firing warning")
}
