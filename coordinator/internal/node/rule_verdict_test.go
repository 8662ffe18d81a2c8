package node

import "testing"

func TestStatusFollowsTheVerdict(t *testing.T) {
	good, bad := Judged{Valid: true}, Judged{}
	low := Judged{Suspended: true, Why: "low_reputation"}
	lowYet := Judged{Valid: true, Suspended: true, Why: "low_reputation"}
	lost := Judged{Suspended: true, Disqualified: true, Why: "reputation_lost"}
	lostYet := Judged{Valid: true, Suspended: true, Disqualified: true, Why: "reputation_lost"}
	for name, c := range map[string]struct {
		status Status
		reason string
		judged Judged
		want   Status
		why    string
	}{
		"first valid proof":                    {Starting, "enrolled", good, Active, "proven"},
		"first proof is wrong, or missed":      {Starting, "enrolled", bad, Starting, "enrolled"},
		"goes on well":                         {Active, "proven", good, Active, "proven"},
		"score falls too low":                  {Active, "proven", low, Suspended, "score: low_reputation"},
		"score recovers":                       {Suspended, "score: low_reputation", good, Active, "score recovered"},
		"score stays low":                      {Suspended, "score: low_reputation", lowYet, Suspended, "score: low_reputation"},
		"disqualified at work":                 {Active, "proven", lost, Suspended, "disqualified: reputation_lost"},
		"falls from suspended to disqualified": {Suspended, "score: low_reputation", lost, Suspended, "disqualified: reputation_lost"},
		"disqualified stays so":                {Suspended, "disqualified: reputation_lost", lostYet, Suspended, "disqualified: reputation_lost"},
		"operator's suspension is not lifted":  {Suspended, "operator: looks odd", good, Suspended, "operator: looks odd"},
		"a node in maintenance is left alone":  {Maintenance, "new card", low, Maintenance, "new card"},
	} {
		if got, why := c.judged.Status(c.status, c.reason); got != c.want || why != c.why {
			t.Errorf("%s: %s (%s), want %s (%s)", name, got, why, c.want, c.why)
		}
	}
}

// What a verdict takes from a node is not given back by an operator: not while
// the node is set aside, and not by a start.
func TestOnlyAValidProofMakesProven(t *testing.T) {
	for name, c := range map[string]struct {
		before bool
		judged Judged
		want   bool
	}{
		"first valid proof":                {false, Judged{Valid: true}, true},
		"wrong or void before any proof":   {false, Judged{}, false},
		"missed once":                      {true, Judged{}, true},
		"missed too often":                 {true, Judged{Suspended: true}, false},
		"valid, and the score still low":   {false, Judged{Valid: true, Suspended: true}, false},
		"valid, and the score recovers":    {false, Judged{Valid: true}, true},
		"valid, and disqualified for good": {true, Judged{Valid: true, Disqualified: true}, false},
	} {
		if got := c.judged.Proven(c.before); got != c.want {
			t.Errorf("%s: proven %v, want %v", name, got, c.want)
		}
	}
}
