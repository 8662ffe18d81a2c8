package coordinator

import (
	"testing"

	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/score"
)

func TestStatusFollowsTheVerdict(t *testing.T) {
	good := score.Standing{}
	low := score.Standing{LowReputation: true}
	lost := score.Standing{LowReputation: true, Disqualified: true}
	for name, c := range map[string]struct {
		status node.Status
		reason string
		result challenge.Result
		score  score.Standing
		want   node.Status
		why    string
	}{
		"first valid proof":                    {node.Starting, "enrolled", challenge.Valid, good, node.Active, "proven"},
		"first proof is wrong":                 {node.Starting, "enrolled", challenge.Invalid, good, node.Starting, "enrolled"},
		"first challenge missed":               {node.Starting, "enrolled", challenge.Missed, good, node.Starting, "enrolled"},
		"goes on well":                         {node.Active, "proven", challenge.Valid, good, node.Active, "proven"},
		"score falls too low":                  {node.Active, "proven", challenge.Invalid, low, node.Suspended, "score: low_reputation"},
		"score recovers":                       {node.Suspended, "score: low_reputation", challenge.Valid, good, node.Active, "score recovered"},
		"score stays low":                      {node.Suspended, "score: low_reputation", challenge.Valid, low, node.Suspended, "score: low_reputation"},
		"falls from suspended to disqualified": {node.Suspended, "score: low_reputation", challenge.Invalid, lost, node.Suspended, "disqualified: reputation_lost"},
		"disqualified stays so":                {node.Suspended, "disqualified: reputation_lost", challenge.Valid, lost, node.Suspended, "disqualified: reputation_lost"},
		"operator's suspension is not lifted":  {node.Suspended, "looks odd", challenge.Valid, good, node.Suspended, "looks odd"},
		"a node in maintenance is left alone":  {node.Maintenance, "new card", challenge.Missed, low, node.Maintenance, "new card"},
	} {
		if got, why := statusAfter(c.status, c.reason, c.result, c.score); got != c.want || why != c.why {
			t.Errorf("%s: %s (%s), want %s (%s)", name, got, why, c.want, c.why)
		}
	}
}

// What a verdict takes from a node is not given back by an operator: not while
// the node is set aside, and not by a start.
func TestOnlyAValidProofMakesProven(t *testing.T) {
	good, low, lost := score.Standing{}, score.Standing{LowTimeliness: true}, score.Standing{Disqualified: true}
	for name, c := range map[string]struct {
		proven bool
		result challenge.Result
		score  score.Standing
		want   bool
	}{
		"first valid proof":                {false, challenge.Valid, good, true},
		"wrong answer before any proof":    {false, challenge.Invalid, good, false},
		"void before any proof":            {false, challenge.Void, good, false},
		"missed once":                      {true, challenge.Missed, good, true},
		"missed too often":                 {true, challenge.Missed, low, false},
		"valid, and the score still low":   {false, challenge.Valid, low, false},
		"valid, and the score recovers":    {false, challenge.Valid, good, true},
		"void does not wash the score":     {true, challenge.Void, low, false},
		"valid, and disqualified for good": {true, challenge.Valid, lost, false},
	} {
		if got := provenAfter(c.proven, c.result, c.score); got != c.want {
			t.Errorf("%s: proven %v, want %v", name, got, c.want)
		}
	}
}
