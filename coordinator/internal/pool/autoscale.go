package pool

import (
	"math"
	"time"
)

// Action is what scaling does.
type Action string

// The actions.
const (
	Up   Action = "up"
	Down Action = "down"
	Hold Action = "hold"
)

// ScaleReason says in one word why a pool was scaled or was not.
type ScaleReason string

// Reasons of a scaling decision.
const (
	Requested   ScaleReason = "requested"         // an operator said how many
	BelowLeast  ScaleReason = "below_least"       // fewer at work than the policy allows
	AboveMost   ScaleReason = "above_most"        // more at work than it allows
	BusyCPU     ScaleReason = "cpu_high"          // at or above scale_up_threshold
	IdleCPU     ScaleReason = "cpu_low"           // at or below scale_down_threshold
	Within      ScaleReason = "within_thresholds" // or nothing would be won
	Cooling     ScaleReason = "cooldown"          // scaled too lately
	NotMeasured ScaleReason = "not_measured"      // the CPU of less than half of the nodes at work is known
	NoStandby   ScaleReason = "no_standby"        // more are wanted, but none is parked
	AtMost      ScaleReason = "at_most"           // busy, but the policy allows no more
	AtLeast     ScaleReason = "at_least"          // idle, but the policy allows no fewer
)

// Situation is all that a scaling decision is made by.
type Situation struct {
	At           time.Time
	Settings     Settings // only AutoScaling and MaxNodes are looked at
	Working      int
	Standby      int
	Measured     int        // nodes at work whose CPU is known
	CPUPercent   *float64   // mean of those; nil without any
	LastScaledAt *time.Time // from when the policy's cooldown counts; nil: not within what is kept
}

// cooled reports that the policy's cooldown has passed since the last scaling.
func (s Situation) cooled() bool {
	cooldown := time.Duration(s.Settings.AutoScaling.Policy.CooldownMinutes) * time.Minute
	return s.LastScaledAt == nil || !s.At.Before(s.LastScaledAt.Add(cooldown))
}

// Decision is how many nodes shall be at work, and why.
type Decision struct {
	Action Action
	Target int
	Reason ScaleReason
}

// Decide applies a pool's policy. A pool outside its bounds is brought back at
// once. Else the CPU decides, and not before the cooldown is over: at a
// threshold, as many nodes shall work as bring it to the target. At least one
// node keeps working, because without any there is nothing to measure.
func Decide(s Situation) Decision {
	low, high := s.Settings.WorkingBounds()
	low = max(low, 1)
	hold := func(reason ScaleReason) Decision { return Decision{Hold, s.Working, reason} }
	switch {
	case s.Working < low && s.Standby == 0:
		return hold(NoStandby)
	case s.Working < low:
		return Decision{Up, min(low, s.Working+s.Standby), BelowLeast}
	case s.Working > high:
		return Decision{Down, high, AboveMost}
	case s.CPUPercent == nil || s.Measured*2 < s.Working:
		return hold(NotMeasured)
	}
	policy, cpu := s.Settings.AutoScaling.Policy, *s.CPUPercent
	switch wanted := s.wanted(); {
	case cpu >= float64(policy.ScaleUpThreshold):
		return s.grow(min(wanted, high), high)
	case cpu <= float64(policy.ScaleDownThreshold) && s.Working <= low:
		return hold(AtLeast)
	case cpu <= float64(policy.ScaleDownThreshold) && wanted < s.Working:
		if !s.cooled() {
			return hold(Cooling)
		}
		return Decision{Down, max(wanted, low), IdleCPU}
	}
	return hold(Within)
}

func (s Situation) grow(wanted, high int) Decision {
	hold := func(reason ScaleReason) Decision { return Decision{Hold, s.Working, reason} }
	switch {
	case s.Working >= high:
		return hold(AtMost)
	case s.Standby == 0:
		return hold(NoStandby)
	case !s.cooled():
		return hold(Cooling)
	}
	return Decision{Up, min(wanted, s.Working+s.Standby), BusyCPU}
}

// wanted is how many nodes bring the CPU to the target, if the work is shared
// out evenly. The target counts only below scale_up_threshold: else a pool
// would grow again right after it has shrunk.
func (s Situation) wanted() int {
	a := s.Settings.AutoScaling
	target := float64(min(a.TargetCPUPercent, a.Policy.ScaleUpThreshold-1))
	return int(math.Ceil(float64(s.Working) * *s.CPUPercent / target))
}
