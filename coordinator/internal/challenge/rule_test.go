package challenge

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	deadline := time.Date(2026, 5, 1, 12, 0, 30, 0, time.UTC)
	good := evidence{received: deadline, deadline: deadline, named: true, solutions: true, signature: true, chain: chainMatches}
	with := func(change func(*evidence)) evidence { e := good; change(&e); return e }
	for name, c := range map[string]struct {
		evidence evidence
		result   Result
		reason   string
	}{
		"at the deadline":               {good, Valid, ""},
		"one millisecond after":         {with(func(e *evidence) { e.received = deadline.Add(time.Millisecond) }), Late, reasonDeadline},
		"late and wrong is late":        {with(func(e *evidence) { e.received = deadline.Add(1); e.solutions = false }), Late, reasonDeadline},
		"throttled":                     {with(func(e *evidence) { e.solutions, e.defers = false, true }), Deferred, reasonThrottled},
		"throttled to the last time":    {with(func(e *evidence) { e.solutions, e.defers, e.deferrals = false, true, 11 }), Deferred, reasonThrottled},
		"throttled once too often":      {with(func(e *evidence) { e.solutions, e.defers, e.deferrals = false, true, 12 }), Missed, reasonTooOften},
		"throttled, and late":           {with(func(e *evidence) { e.defers, e.received = true, deadline.Add(1) }), Late, reasonDeadline},
		"throttled, telemetry altered":  {with(func(e *evidence) { e.defers, e.chain = true, chainDiffers }), Invalid, reasonChain},
		"deferral of another challenge": {with(func(e *evidence) { e.defers, e.named = true, false }), Invalid, reasonSolution},
		"wrong solution":                {with(func(e *evidence) { e.solutions = false }), Invalid, reasonSolution},
		"not signed by the device":      {with(func(e *evidence) { e.signature = false }), Invalid, reasonSignature},
		"altered telemetry":             {with(func(e *evidence) { e.chain = chainDiffers }), Invalid, reasonChain},
		"telemetry that is not checked": {with(func(e *evidence) { e.chain = chainUnknown }), Valid, ""},
	} {
		if result, reason := judge(c.evidence); result != c.result || reason != c.reason {
			t.Errorf("%s: %s (%s), want %s (%s)", name, result, reason, c.result, c.reason)
		}
	}
}

func TestGapIsBounded(t *testing.T) {
	if got := gap(time.Minute, 0.5); got != 30*time.Second {
		t.Errorf("half a mean: %s", got)
	}
	if got := gap(time.Minute, 1e9); got != 10*time.Minute {
		t.Errorf("longest gap: %s", got)
	}
}

// Mean and deviation of exponential gaps are the same, which those of no other
// usual way to draw moments are. The bounds are some six standard errors.
func TestGapsAreExponential(t *testing.T) {
	const draws = 200_000
	dice := rand.New(rand.NewPCG(7, 11))
	var sum, squares float64
	for range draws {
		means := gap(time.Minute, dice.ExpFloat64()).Minutes()
		sum, squares = sum+means, squares+means*means
	}
	mean := sum / draws
	if variance := squares/draws - mean*mean; math.Abs(mean-1) > 0.015 || math.Abs(variance-1) > 0.04 {
		t.Errorf("gaps have mean %.4f and variance %.4f; want 1 and 1, in means and their square", mean, variance)
	}
}

func TestPromptness(t *testing.T) {
	const usual, deadline = 2 * time.Second, 30 * time.Second
	for _, c := range []struct {
		answered time.Duration
		want     int64
	}{
		{0, one}, {usual, one}, {16 * time.Second, one / 2}, {deadline, 0}, {time.Minute, 0},
	} {
		if got := promptness(c.answered, usual, deadline); got != c.want {
			t.Errorf("answered after %s: %d, want %d", c.answered, got, c.want)
		}
	}
	if got := promptness(time.Second, usual, time.Second); got != one { // a cohort's deadline is the usual time
		t.Errorf("within a short deadline: %d", got)
	}
	for age, want := range map[time.Duration]int64{time.Minute: one, 6 * time.Minute: one / 2, time.Hour: 0} {
		if got := completeness(age); got != want {
			t.Errorf("telemetry of %s: %d, want %d", age, got, want)
		}
	}
}
