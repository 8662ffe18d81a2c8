package alert

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// seen is a value so many seconds after the start.
type seen struct {
	second int
	value  float64
}

// cpu: a warning from 80 held for a minute, critical from 95 held for 30
// seconds, left 10 below.
func cpuThreshold() Threshold {
	return Threshold{Enabled: true, Warning: &Level{80, time.Minute}, Critical: &Level{95, 30 * time.Second}, Hysteresis: 10}
}

func TestTrack(t *testing.T) {
	atOnce := Threshold{Enabled: true, Warning: &Level{Value: 1}}
	for name, c := range map[string]struct {
		threshold Threshold
		seen      []seen
		want      []Change
		state     State
		severity  Severity
	}{
		"well":                              {cpuThreshold(), []seen{{0, 10}, {30, 79.9}}, []Change{"", ""}, Resolved, ""},
		"a breach is pending":               {cpuThreshold(), []seen{{0, 80}}, []Change{Began}, Pending, Warning},
		"a short breach is dismissed":       {cpuThreshold(), []seen{{0, 85}, {30, 85}, {59, 10}}, []Change{Began, "", Dismissed}, Resolved, ""},
		"a breach that lasts fires":         {cpuThreshold(), []seen{{0, 85}, {60, 85}}, []Change{Began, Fired}, Firing, Warning},
		"within the hysteresis it goes on":  {cpuThreshold(), []seen{{0, 85}, {60, 85}, {90, 70}}, []Change{Began, Fired, ""}, Firing, Warning},
		"below the hysteresis it ends":      {cpuThreshold(), []seen{{0, 85}, {60, 85}, {90, 69.9}}, []Change{Began, Fired, Ended}, Resolved, ""},
		"the hysteresis begins nothing":     {cpuThreshold(), []seen{{0, 75}, {60, 75}}, []Change{"", ""}, Resolved, ""},
		"it gets worse":                     {cpuThreshold(), []seen{{0, 85}, {60, 99}, {89, 99}, {90, 99}}, []Change{Began, Fired, "", Shifted}, Firing, Critical},
		"critical may come first":           {cpuThreshold(), []seen{{0, 99}, {30, 99}}, []Change{Began, Fired}, Firing, Critical},
		"it gets better":                    {cpuThreshold(), []seen{{0, 99}, {30, 99}, {60, 84}}, []Change{Began, Fired, Shifted}, Firing, Warning},
		"critical straight to well":         {cpuThreshold(), []seen{{0, 99}, {30, 99}, {60, 10}}, []Change{Began, Fired, Ended}, Resolved, ""},
		"no duration, at once":              {atOnce, []seen{{0, 1}, {10, 1}, {20, 0}}, []Change{Fired, "", Ended}, Resolved, ""},
		"what is older changes nothing":     {atOnce, []seen{{10, 1}, {10, 0}, {5, 0}}, []Change{Fired, "", ""}, Firing, Warning},
		"a gap begins a breach anew":        {cpuThreshold(), []seen{{0, 85}, {3600, 85}, {3659, 85}, {3660, 85}}, []Change{Began, "", "", Fired}, Firing, Warning},
		"a gap does not end what fires":     {cpuThreshold(), []seen{{0, 85}, {60, 85}, {36000, 85}}, []Change{Began, Fired, ""}, Firing, Warning},
		"switched off, it ends":             {Threshold{}, []seen{{0, 99}}, []Change{""}, Resolved, ""},
		"a gap that is short enough counts": {cpuThreshold(), []seen{{0, 85}, {600, 85}}, []Change{Began, Fired}, Firing, Warning},
	} {
		t.Run(name, func(t *testing.T) {
			var track Track
			for i, s := range c.seen {
				var change Change
				track, change = track.Next(c.threshold, Observation{At: start.Add(time.Duration(s.second) * time.Second), Value: s.value})
				if change != c.want[i] {
					t.Errorf("after %v: %q, want %q", s, change, c.want[i])
				}
			}
			if track.State() != c.state || track.Severity() != c.severity {
				t.Errorf("it is %s %q, want %s %q", track.State(), track.Severity(), c.state, c.severity)
			}
		})
	}
}

func TestTrackEndsUnobserved(t *testing.T) {
	firing := Track{WarningSince: start, Firing: Warning, ObservedAt: start}
	if track, change := firing.Close(); track != (Track{}) || change != Ended {
		t.Errorf("firing: %+v %q", track, change)
	}
	pending := Track{WarningSince: start, ObservedAt: start}
	if track, change := pending.Next(Threshold{}, Observation{At: start.Add(1), Value: 99}); track != (Track{}) || change != Dismissed {
		t.Errorf("pending, switched off: %+v %q", track, change)
	}
	if _, change := (Track{}).Close(); change != "" {
		t.Errorf("nothing: %q", change)
	}
}

// Whatever is observed: states follow each other only as they may, what fires
// was beyond its level for as long as it asks, and a stored track goes on as if
// nothing had happened.
func TestTrackLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		th := Threshold{Enabled: true, Hysteresis: float64(rapid.IntRange(0, 20).Draw(t, "hysteresis"))}
		th.Warning = &Level{50, time.Duration(rapid.IntRange(0, 300).Draw(t, "warning for")) * time.Second}
		th.Critical = &Level{80, time.Duration(rapid.IntRange(0, 300).Draw(t, "critical for")) * time.Second}
		at, track := start, Track{}
		open := false // an alert has begun
		for range rapid.IntRange(1, 40).Draw(t, "observations") {
			at = at.Add(time.Duration(rapid.IntRange(1, 900).Draw(t, "gap")) * time.Second)
			o := Observation{At: at, Value: float64(rapid.IntRange(0, 100).Draw(t, "value"))}
			next, change := track.Next(th, o)
			switch change {
			case Began:
				if open || next.State() != Pending {
					t.Fatalf("began from %+v", track)
				}
				open = true
			case Fired:
				if next.State() != Firing || track.Firing != "" {
					t.Fatalf("fired from %+v", track)
				}
				open = true
			case Ended, Dismissed:
				if !open || next.State() != Resolved || (change == Ended) != (track.Firing != "") {
					t.Fatalf("%s from %+v", change, track)
				}
				open = false
			}
			if next.Firing == Critical && o.Value < 80-th.Hysteresis || next.Firing != "" && o.Value < 50-th.Hysteresis {
				t.Fatalf("%s fires at %g", next.Firing, o.Value)
			}
			if change == Fired && next.Firing == Warning && at.Sub(next.WarningSince) < th.Warning.For {
				t.Fatalf("a warning fired after %s of %s", at.Sub(next.WarningSince), th.Warning.For)
			}
			if o.Value >= 80 && next.State() == Resolved {
				t.Fatalf("nothing is wrong at %g", o.Value)
			}
			if again, change := next.Next(th, o); again != next || change != "" {
				t.Fatalf("the same observation again gives %q", change)
			}
			track = next
		}
	})
}
