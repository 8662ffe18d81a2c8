package alert

import (
	"fmt"
	"testing"
	"time"

	"lucid.internal/shared/wire"
)

// sampleOf stores as newest what was measured at a time and came now.
func (f *fleet) sampleOf(id string, at time.Time, s wire.Sample) {
	f.t.Helper()
	f.sample(id, s)
	f.exec(`UPDATE sample_latest SET at = $2, body = jsonb_set(body::jsonb, '{at_ms}', to_jsonb($3::bigint))
		WHERE node_no = (SELECT node_no FROM node WHERE node_id = $1)`, id, at, at.UnixMilli())
}

// After a fault of ours of six hours the whole fleet comes back with what it
// measured meanwhile. That is no wrong clock, and how hot a processor was
// then is not how hot it is.
func TestBacklogIsNoAlert(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	hot, cold := 95.0, 40.0
	measure := func(at time.Time, celsius *float64) {
		f.sampleOf("node_a", at, wire.Sample{CPU: &wire.CPU{TemperatureCelsius: celsius}})
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

func TestWrongClockIsAnAlert(t *testing.T) {
	for _, behind := range []time.Duration{-20 * time.Minute, 20 * time.Minute} {
		t.Run(fmt.Sprint(behind), func(t *testing.T) {
			f := newFleet(t)
			f.node("node_a")
			f.sampleOf("node_a", f.time, wire.Sample{})
			f.run()
			for i := range 50 {
				late := time.Duration(i%3) * time.Second
				f.after(15*time.Second - late)
				f.sampleOf("node_a", f.time.Add(-behind), wire.Sample{})
				f.after(late)
			}
			f.want("told", f.told, "node_a clock_skew firing critical")
		})
	}
}

// A clock of ours that was ahead and is set right must not blind the watch
// until it gets there again.
func TestOurOwnClockGoesBack(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	f.node("node_b")
	f.cpu("node_a", 99)
	for range 50 {
		f.after(15 * time.Second)
		f.cpu("node_a", 99)
	}
	f.want("before", f.told, "node_a cpu firing critical")
	f.time = f.time.Add(24 * time.Hour)
	f.cpu("node_a", 99)
	f.cpu("node_b", 99)
	f.run()
	f.time = f.time.Add(-24 * time.Hour)
	for range 50 {
		f.cpu("node_a", 10)
		f.cpu("node_b", 99)
		f.after(15 * time.Second)
	}
	f.want("after", f.told, "node_a cpu firing critical", "node_a cpu resolved critical", "node_b cpu firing critical")
}
