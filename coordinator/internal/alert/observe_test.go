package alert

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/span"
	"lucid.internal/shared/wire"
)

func ref[T any](v T) *T { return &v }

func TestObserve(t *testing.T) {
	s := &wire.Sample{
		AtMs:   start.Add(-200 * time.Second).UnixMilli(),
		CPU:    &wire.CPU{UsagePercent: ref(91.0), TemperatureCelsius: ref(83.5)},
		Memory: &wire.Memory{TotalBytes: 1000, AvailableBytes: 50},
		Disk: &wire.Disk{Filesystems: []wire.Filesystem{
			{Mount: "/boot", TotalBytes: 100, UsedBytes: 100, ReadOnly: true, ErrorsCount: ref(uint64(1))},
			{Mount: "/", TotalBytes: 1000, UsedBytes: 600, FreeBytes: 200, ErrorsCount: ref(uint64(3))}, // 200 are kept for root
			{Mount: "/data", TotalBytes: 1000, UsedBytes: 500, FreeBytes: 500},
		}},
		Throttle: &wire.Throttle{UnderVoltage: ref(true), Capped: ref(false), Throttled: ref(false), SoftLimit: ref(true)},
	}
	want := map[Kind]Observation{
		CPU: {start, 91, ""}, Temperature: {start, 83.5, ""}, Memory: {start, 95, ""}, Disk: {start, 75, "/"},
		UnderVoltage: {start, 1, ""}, Throttled: {start, 0, ""}, ClockSkew: {start, 200, "behind"}, SDErrors: {start, 4, "/"},
	}
	got := observe(s, start)
	for _, k := range Kinds() {
		o, ok := got[k]
		w, wanted := want[k]
		if ok != wanted || o != w {
			t.Errorf("%s: %+v (%t), want %+v (%t)", k, o, ok, w, wanted)
		}
	}
}

// What a machine does not tell is no observation: never a zero.
func TestObserveNothing(t *testing.T) {
	got := observe(&wire.Sample{AtMs: start.Add(30 * time.Second).UnixMilli(), CPU: &wire.CPU{}, Disk: &wire.Disk{},
		Throttle: &wire.Throttle{}, Memory: &wire.Memory{}}, start)
	if len(got) != 1 || got[ClockSkew] != (Observation{start, 30, "ahead"}) {
		t.Errorf("%+v", got)
	}
}

func TestOfflineFor(t *testing.T) {
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	fault := func(from, to int) span.Interval { return span.Interval{From: at(from), To: at(to)} }
	for name, c := range map[string]struct {
		left, now int
		faults    []span.Interval
		want      int
	}{
		"no fault":                                   {0, 20, nil, 20},
		"our fault took it away: not yet":            {0, 20, []span.Interval{fault(0, 10)}, 0},
		"not within the way back":                    {0, 25, []span.Interval{fault(0, 10)}, 0},
		"after the way back it is the node's":        {0, 30, []span.Interval{fault(0, 10)}, 5},
		"the next fault follows on the way back":     {0, 45, []span.Interval{fault(0, 10), fault(20, 30)}, 0},
		"a fault while it was gone already":          {0, 40, []span.Interval{fault(10, 20)}, 30},
		"a fault that stood when it left":            {5, 30, []span.Interval{fault(0, 10)}, 5},
		"a fault that was over before":               {11, 21, []span.Interval{fault(0, 10)}, 10},
		"the fault goes on":                          {0, 60, []span.Interval{fault(0, 60)}, 0},
		"gone by itself, then a fault until now":     {0, 60, []span.Interval{fault(30, 60)}, 30},
		"a fault right behind the node's departure":  {0, 30, []span.Interval{fault(1, 10)}, 21},
		"back to back faults around the departure":   {5, 40, []span.Interval{fault(0, 10), fault(10, 20)}, 5},
		"the departure is the very end of the fault": {10, 30, []span.Interval{fault(0, 10)}, 5},
	} {
		if got := offlineFor(at(c.left), at(c.now), span.Of(c.faults...)); got != time.Duration(c.want)*time.Minute {
			t.Errorf("%s: %s, want %d minutes", name, got, c.want)
		}
	}
}

func TestDefaultsAreAllowed(t *testing.T) {
	for _, k := range Kinds() {
		if th := Default(k); !th.Enabled || len(th.check(k)) > 0 {
			t.Errorf("%s: %+v, %v", k, th, th.check(k))
		}
		if text := describe(k, 12, 10, "/"); text == "" || text == describe("other", 12, 10, "/") {
			t.Errorf("%s is described as %q", k, text)
		}
	}
}

func TestThresholdCheck(t *testing.T) {
	level := func(v float64) *Level { return &Level{Value: v} }
	for name, c := range map[string]struct {
		threshold Threshold
		field     string
	}{
		"no level":                {Threshold{Enabled: true}, "cpu.warning"},
		"switched off needs none": {Threshold{}, ""},
		"above all percents":      {Threshold{Enabled: true, Warning: level(101)}, "cpu.warning"},
		"zero":                    {Threshold{Enabled: true, Critical: level(0)}, "cpu.critical"},
		"critical below warning":  {Threshold{Enabled: true, Warning: level(90), Critical: level(80)}, "cpu.critical"},
		"never left":              {Threshold{Enabled: true, Warning: level(5), Hysteresis: 5}, "cpu.hysteresis"},
		"below zero":              {Threshold{Enabled: true, Warning: level(5), Hysteresis: -1}, "cpu.hysteresis"},
		"a year":                  {Threshold{Enabled: true, Warning: &Level{5, 365 * 24 * time.Hour}}, "cpu.warning_for_seconds"},
		"good":                    {Threshold{Enabled: true, Warning: level(80), Critical: level(80), Hysteresis: 5}, ""},
	} {
		bad := c.threshold.check(CPU)
		switch {
		case c.field == "" && len(bad) > 0:
			t.Errorf("%s: %v", name, bad)
		case c.field != "" && (len(bad) != 1 || bad[0].Name != c.field):
			t.Errorf("%s: %v, want %s", name, bad, c.field)
		}
	}
}
