package coordinator

import (
	"testing"

	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/score"
)

// What follows for the node is node's rule; here stands what it is told.
func TestAVerdictIsToldToTheNode(t *testing.T) {
	good, low := score.Standing{}, score.Standing{LowTimeliness: true}
	lost := score.Standing{LowReputation: true, Disqualified: true}
	for name, c := range map[string]struct {
		result challenge.Result
		score  score.Standing
		want   node.Judged
	}{
		"valid":           {challenge.Valid, good, node.Judged{Valid: true}},
		"wrong":           {challenge.Invalid, good, node.Judged{}},
		"late":            {challenge.Late, good, node.Judged{}},
		"missed":          {challenge.Missed, good, node.Judged{}},
		"void":            {challenge.Void, good, node.Judged{}},
		"the score falls": {challenge.Missed, low, node.Judged{Suspended: true, Why: "low_timeliness"}},
		"for good":        {challenge.Invalid, lost, node.Judged{Suspended: true, Disqualified: true, Why: "reputation_lost"}},
		"valid too late":  {challenge.Valid, lost, node.Judged{Valid: true, Suspended: true, Disqualified: true, Why: "reputation_lost"}},
	} {
		if got := judged(c.result, c.score); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
