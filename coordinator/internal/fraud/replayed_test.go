package fraud

import (
	"slices"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/score"
)

// TestReplayedAnswersSuspend measures how soon nodes are suspended that send an old
// answer again: it names a challenge that is judged, so that the new one is missed
// when its validity ends. No rule is needed for them, and none speaks.
func TestReplayedAnswersSuspend(t *testing.T) {
	const replaying = 20
	honest, _ := size(150, 1, 500, 1)
	type end struct {
		after      time.Duration
		challenges int
	}
	var suspended []end
	counters := map[int32]score.Counters{}
	s := newSim(7, honest)
	s.joined(cheating{kind: "replay", nodes: replaying, cheat: cheat{
		answers: func(_ *sim, n *simNode, a *Answer, _ []*simNode) {
			*a = Answer{VerdictNo: a.VerdictNo, NodeNo: n.NodeNo, KeyEpoch: 1, ChallengeID: a.ChallengeID, Cohort: a.Cohort, Limit: a.Limit, Result: "missed", Took: 2 * time.Minute}
		},
		judged: func(n *simNode, a Answer) {
			before, known := counters[n.NodeNo]
			if !known {
				before = score.New()
			}
			after, err := score.Apply(before, score.Judged{Result: score.Result(a.Result), At: a.At})
			if err != nil {
				t.Fatal(err)
			}
			if counters[n.NodeNo] = after; after.Standing.Suspended() && !before.Standing.Suspended() {
				suspended = append(suspended, end{a.At.Sub(noon), n.challenges})
			}
		},
	}})
	for until := noon.AddDate(0, 0, 1); s.now.Before(until); {
		s.step()
	}
	if len(suspended) != replaying {
		t.Fatalf("%d of %d are suspended", len(suspended), replaying)
	}
	slices.SortFunc(suspended, func(a, b end) int { return int(a.after - b.after) })
	mid, last := suspended[(replaying-1)/2], suspended[replaying-1]
	t.Logf("%d of %d, median %.1f h and %d challenges, last %.1f h", replaying, replaying, mid.after.Hours(), mid.challenges, last.after.Hours())
	if last.after > 3*time.Hour {
		t.Errorf("the last one after %s", last.after)
	}
	for _, n := range s.nodes[honest:] {
		if flags := s.found[n.NodeNo]; len(flags) > 0 {
			t.Errorf("node %d: flags %v", n.NodeNo, flags)
		}
	}
}
