package fraud

import (
	"reflect"
	"testing"
	"time"
)

// What the judge found is what a replay finds, before and after, and a replay
// leaves nothing behind.
func TestReplayShowsWhatTheJudgeFinds(t *testing.T) {
	w := newWorld(t)
	honest, clone, second := w.addNode(1, "pool_a"), w.addNode(2, "pool_a"), w.addNode(3, "pool_a")
	for i, no := range []int32{honest, second} {
		a := proven(i, "run", "boot"+string(rune('0'+i)), time.Hour)
		a.NodeNo, a.At, a.Network = no, w.clock.Add(-time.Minute), "198.51.100.7"
		w.verdicts(a)
	}
	w.exec(`INSERT INTO challenge_second_answer (challenge_id, node_no, at, response) SELECT challenge_id, node_no, at, '\x01' FROM verdict WHERE node_no = $1`, second)
	w.cheat(clone)
	replay := func(rule string) []Replayed {
		t.Helper()
		found, err := w.Replay(t.Context(), rule, w.clock.AddDate(0, 0, -7), w.clock)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for rule, nodeID := range map[string]string{supersededRun: "node_2", alternatingBoot: "node_2", secondAnswer: "node_3"} {
		if found := replay(rule); len(found) != 1 || found[0].NodeID != nodeID || found[0].Stored || found[0].Rule != rule {
			t.Errorf("%s before the judge: %+v", rule, found)
		}
	}
	if n := query[int](w, `SELECT (SELECT count(*) FROM fraud_flag) + (SELECT count(*) FROM fraud_memory)`); n != 0 {
		t.Errorf("a replay stored %d rows", n)
	}
	before := replay(supersededRun)
	w.run()
	w.wantFlags(clone, alternatingBoot, supersededRun)
	w.wantFlags(second, secondAnswer)
	after := replay(supersededRun)
	if len(after) != 1 || !after[0].Stored {
		t.Fatalf("after the judge: %+v", after)
	}
	if after[0].Stored = false; !reflect.DeepEqual(before, after) {
		t.Errorf("%+v, before the judge %+v", after, before)
	}
	if found := replay(bootTimeBack); len(found) != 0 {
		t.Errorf("a rule that found nothing: %+v", found)
	}
	if _, err := w.Replay(t.Context(), "no_such_rule", w.clock, w.clock); err == nil {
		t.Error("an unknown rule is taken")
	}
}
