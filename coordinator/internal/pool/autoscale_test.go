package pool

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func situation(working, standby int, cpu float64) Situation {
	return Situation{
		Settings: Settings{MaxNodes: 20, AutoScaling: AutoScaling{
			TargetCPUPercent: 70, Policy: ScalingPolicy{ScaleUpThreshold: 80, ScaleDownThreshold: 30, MinNodes: 2, MaxNodes: 10, CooldownMinutes: 5},
		}},
		Working: working, Standby: standby, Measured: working, CPUPercent: &cpu,
	}
}

func justScaled(s *Situation) { s.LastScaledAt = &s.At }

func scaledBefore(d time.Duration) func(*Situation) {
	return func(s *Situation) { s.LastScaledAt = new(s.At.Add(-d)) }
}

func TestDecide(t *testing.T) {
	with := func(s Situation, change func(*Situation)) Situation { change(&s); return s }
	for _, c := range []struct {
		name string
		s    Situation
		want Decision
	}{
		{"neither busy nor idle", situation(4, 4, 60), Decision{Hold, 4, Within}},
		{"just below busy", situation(4, 4, 79.9), Decision{Hold, 4, Within}},
		{"busy", situation(4, 4, 80), Decision{Up, 5, BusyCPU}},
		{"very busy", situation(4, 6, 100), Decision{Up, 6, BusyCPU}},
		{"fewer on standby than wanted", situation(4, 1, 100), Decision{Up, 5, BusyCPU}},
		{"nobody on standby", situation(4, 0, 100), Decision{Hold, 4, NoStandby}},
		{"as many as allowed", situation(10, 5, 100), Decision{Hold, 10, AtMost}},
		{"no further than allowed", situation(9, 5, 100), Decision{Up, 10, BusyCPU}},
		{"busy but just scaled", with(situation(4, 4, 100), justScaled), Decision{Hold, 4, Cooling}},
		{"busy, and the cooldown is not quite over", with(situation(4, 4, 100), scaledBefore(5*time.Minute-1)), Decision{Hold, 4, Cooling}},
		{"busy, and the cooldown is over", with(situation(4, 4, 100), scaledBefore(5*time.Minute)), Decision{Up, 6, BusyCPU}},
		{"just above idle", situation(6, 0, 30.1), Decision{Hold, 6, Within}},
		{"idle", situation(6, 0, 30), Decision{Down, 3, IdleCPU}},
		{"no work at all", situation(6, 0, 0), Decision{Down, 2, IdleCPU}},
		{"idle but just scaled", with(situation(6, 0, 10), justScaled), Decision{Hold, 6, Cooling}},
		{"as few as allowed", situation(2, 5, 0), Decision{Hold, 2, AtLeast}},
		{"too few", situation(1, 5, 50), Decision{Up, 2, BelowLeast}},
		{"too few, cooling or not", with(situation(0, 5, 0), func(s *Situation) { justScaled(s); s.CPUPercent = nil }), Decision{Up, 2, BelowLeast}},
		{"too few on standby for the least", with(situation(0, 1, 0), func(s *Situation) { s.CPUPercent = nil }), Decision{Up, 1, BelowLeast}},
		{"too few and nobody on standby", situation(1, 0, 50), Decision{Hold, 1, NoStandby}},
		{"too many", with(situation(12, 0, 90), justScaled), Decision{Down, 10, AboveMost}},
		{"the pool's places bound it too", with(situation(8, 0, 90), func(s *Situation) { s.Settings.MaxNodes = 6 }), Decision{Down, 6, AboveMost}},
		{"nothing known", with(situation(4, 4, 0), func(s *Situation) { s.CPUPercent, s.Measured = nil, 0 }), Decision{Hold, 4, NotMeasured}},
		{"too little known", with(situation(5, 4, 100), func(s *Situation) { s.Measured = 2 }), Decision{Hold, 5, NotMeasured}},
		{"enough known", with(situation(4, 4, 100), func(s *Situation) { s.Measured = 2 }), Decision{Up, 6, BusyCPU}},
		{"one keeps working", with(situation(3, 0, 0), func(s *Situation) { s.Settings.AutoScaling.Policy.MinNodes = 0 }), Decision{Down, 1, IdleCPU}},
		{"one is woken", with(situation(0, 3, 0), func(s *Situation) { s.Settings.AutoScaling.Policy.MinNodes = 0 }), Decision{Up, 1, BelowLeast}},
		{"a target below idle is no reason to shrink", with(situation(4, 4, 30), func(s *Situation) { s.Settings.AutoScaling.TargetCPUPercent = 30 }), Decision{Hold, 4, Within}},
	} {
		if got := Decide(c.s); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Under a load that stays, a pool comes to rest, inside its bounds, and never
// grows after it has shrunk or the other way round.
func TestScalingComesToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		up := rapid.IntRange(50, 95).Draw(t, "up")
		policy := ScalingPolicy{ScaleUpThreshold: up, ScaleDownThreshold: rapid.IntRange(10, min(50, up-1)).Draw(t, "down")}
		policy.MaxNodes = rapid.IntRange(1, 40).Draw(t, "most")
		policy.MinNodes = rapid.IntRange(0, policy.MaxNodes).Draw(t, "least")
		nodes := rapid.IntRange(1, 40).Draw(t, "nodes")
		s := Situation{Settings: Settings{MaxNodes: 40, AutoScaling: AutoScaling{
			TargetCPUPercent: rapid.IntRange(30, 90).Draw(t, "target"), Policy: policy,
		}}}
		s.Working = rapid.IntRange(0, nodes).Draw(t, "working")
		load := rapid.Float64Range(0, 100*float64(nodes)).Draw(t, "load")
		var before Action
		for step := range 10 {
			s.Standby, s.Measured = nodes-s.Working, s.Working
			s.CPUPercent = nil
			if s.Working > 0 {
				cpu := min(100, load/float64(s.Working))
				s.CPUPercent = &cpu
			}
			d := Decide(s)
			moved := d.Action == Up && d.Target > s.Working && d.Target <= nodes || d.Action == Down && d.Target < s.Working || d.Action == Hold && d.Target == s.Working
			if !moved {
				t.Fatalf("%+v at %d working of %d", d, s.Working, nodes)
			}
			if d.Action == Hold {
				return
			}
			// Bounds are restored first, whatever the load says.
			if step > 0 && d.Action != before && before != "" && d.Reason != BelowLeast && d.Reason != AboveMost {
				t.Fatalf("step %d: %s after %s, %+v", step, d.Action, before, d)
			}
			if before = d.Action; d.Reason == BelowLeast || d.Reason == AboveMost {
				before = ""
			}
			s.Working = d.Target
		}
		t.Fatalf("still not at rest at %d working", s.Working)
	})
}
