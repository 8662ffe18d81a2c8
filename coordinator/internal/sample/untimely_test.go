package sample

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/wire"
)

// However many samples of a node are refused for their time, and however few of
// them are kept as dead letters, its newest one is known, in one row.
func TestNewestRefusalForItsTimeIsKnown(t *testing.T) {
	pool := dbtest.New(t)
	store := NewStore(Config{Pool: pool, Now: atNoon, DeadLetters: LetterLimits{NodePerMinute: 1}})
	in := run(t, IngestConfig{Store: store})
	ahead, behind, good := newNode(t, pool, "ahead"), newNode(t, pool, "behind"), newNode(t, pool, "good")
	send := func(node int32, seq uint64, at time.Time) {
		t.Helper()
		mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: wire.NewRunID(), Samples: []wire.Sample{sampleAt(seq, at)}}))
	}
	const year = 365 * 24 * time.Hour
	for second := range 50 {
		send(ahead, 1, noon.Add(year+time.Duration(second)*time.Second))
	}
	send(behind, 1, noon.Add(-year))
	send(good, 1, noon)
	mustStore(t, in, good, []byte("{"))
	if waiting := len(store.untimely.byNode); waiting > 2 {
		t.Errorf("%d refusals are held in memory, of 2 nodes", waiting)
	}
	in.flush(t.Context(), time.Minute)
	offOf := func(node int32) float64 {
		return value[float64](t, pool, "SELECT extract(epoch FROM at - received_at) FROM sample_untimely WHERE node_no = $1", node)
	}
	if a, b := offOf(ahead), offOf(behind); a != (year+49*time.Second).Seconds() || b != -year.Seconds() {
		t.Errorf("%v s ahead and %v s behind", a, -b)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM sample_untimely"); n != 2 {
		t.Errorf("%d nodes are said to be untimely, want 2", n)
	}
	wantCounts(t, pool, 1, 3)
}
