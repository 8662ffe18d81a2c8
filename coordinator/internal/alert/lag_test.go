package alert

import (
	"fmt"
	"testing"
	"time"

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
	f.take(id, wire.Sample{AtMs: f.time.Add(off).UnixMilli(), CPU: &wire.CPU{Cores: 4, UsagePercent: &percent}})
}

// A clock that is wrong is told of, hides nothing while it is, and nothing
// once it has been set right, with or without a new start of the agent.
func TestWrongClockIsAnAlert(t *testing.T) {
	for _, c := range []struct {
		off      time.Duration // ahead of ours; beyond 10 minutes samples are refused
		severity string
	}{{9 * time.Minute, "warning"}, {-20 * time.Minute, "critical"}} {
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
				f.want("while it is wrong", f.told, "node_a cpu firing critical", "node_a clock_skew firing "+c.severity)
				f.told = nil
				turn()
				for range 2 {
					f.after(15 * time.Second)
					f.clocked("node_a", 0, 10)
				}
				f.run()
				f.want("set right", f.told, "node_a cpu resolved critical", "node_a clock_skew resolved "+c.severity)
			})
		}
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
