package challenge

import (
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	deadline := time.Date(2026, 5, 1, 12, 0, 30, 0, time.UTC)
	good := evidence{received: deadline, deadline: deadline, solutions: true, signature: true, chain: chainMatches}
	with := func(change func(*evidence)) evidence { e := good; change(&e); return e }
	for name, c := range map[string]struct {
		evidence evidence
		result   Result
		reason   string
	}{
		"at the deadline":               {good, Valid, ""},
		"one millisecond after":         {with(func(e *evidence) { e.received = deadline.Add(time.Millisecond) }), Late, reasonDeadline},
		"late and wrong is late":        {with(func(e *evidence) { e.received = deadline.Add(1); e.solutions = false }), Late, reasonDeadline},
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
