package sample

import (
	"reflect"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/sample/sqlgen"
	"lucid.internal/shared/wire"
)

// Whoever starts a new run again and again, each over days, has his samples
// read once for it, not once a run.
func TestHoursAreAskedForOnceANode(t *testing.T) {
	runs := []sqlgen.ListChangedRow{{RunNo: 1, NodeNo: 7, MarkedSeq: 3, FromAt: at(1, 0), LastAt: at(2, 0)}}
	for no := range int64(maxRunsAround) {
		runs = append(runs, sqlgen.ListChangedRow{RunNo: 2 + no, NodeNo: 8, MarkedSeq: no, FromAt: at(4, int(no)), LastAt: at(9, int(no))})
	}
	narrow, ask, marked := closerLook(runs)
	if want := []changed{{7, at(1, 0), at(2, 0)}}; !reflect.DeepEqual(narrow, want) {
		t.Errorf("known without a look: %v, want %v", narrow, want)
	}
	want := sqlgen.ListHoursParams{
		NodeNos: []int32{8}, FirstRuns: []int64{2}, LastRuns: []int64{1 + maxRunsAround},
		FromAts: []time.Time{at(4, 0)}, LastAts: []time.Time{at(9, maxRunsAround-1)},
	}
	if !reflect.DeepEqual(ask, want) || len(marked) != maxRunsAround || marked[5] != 3 {
		t.Errorf("asks %+v with %d marks, want %+v", ask, len(marked), want)
	}
}

// Between runs that changed lies one that the rollups know whole: its hours are
// not due again, though its node's span covers them.
func TestWhatIsKnownIsNotDueAgain(t *testing.T) {
	pool := dbtest.New(t)
	store := newStore(pool)
	in := run(t, IngestConfig{Store: store})
	node := newNode(t, pool, "many")
	first, known, last := wire.NewRunID(), wire.NewRunID(), wire.NewRunID()
	send := func(run wire.RunID, seq uint64, times ...time.Time) {
		t.Helper()
		m := wire.Metrics{V: wire.ProtocolVersion, Run: run}
		for i, at := range times {
			m.Samples = append(m.Samples, sampleAt(seq+uint64(i), at))
		}
		mustStore(t, in, node, encode(t, m))
	}
	for _, id := range []wire.RunID{first, known, last} { // so that their rows are in this order
		send(id, 1, at(5, 0), at(5, 1))
	}
	rollUp(t, store)
	wantExact(t, pool, noon, "before")
	send(first, 3, at(1, 0), at(3, 30))
	send(last, 3, at(2, 10), at(7, 40))
	if err := store.markDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	due := value[string](t, pool, `SELECT string_agg(to_char(from_at AT TIME ZONE 'UTC', 'HH24:MI'), ' ' ORDER BY from_at) FROM sample_due WHERE seconds = 60`)
	if want := "01:00 02:10 03:30 07:40"; due != want {
		t.Errorf("due are %s, want %s", due, want)
	}
	rollUp(t, store)
	wantExact(t, pool, noon, "after")
}

// A run whose row is forgotten at the very moment at which a message of it comes
// is not taken for one of too many: the message is data.
func TestRunThatIsForgottenMeanwhileIsTaken(t *testing.T) {
	pool := dbtest.New(t)
	store := newStore(pool)
	node, id := newNode(t, pool, "late"), wire.NewRunID()
	mustStore(t, run(t, IngestConfig{Store: store}), node, payloadOf(t, id, 1, 1))
	for _, sql := range []string{
		"CREATE SEQUENCE forgotten",
		// Between the statement that makes rows and the one that locks them, once.
		`CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('forgotten') = 1 THEN DELETE FROM node_run; END IF; RETURN NULL; END $$`,
		"CREATE TRIGGER forget AFTER INSERT ON node_run FOR EACH STATEMENT EXECUTE FUNCTION forget()",
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	mustStore(t, run(t, IngestConfig{Store: newStore(pool)}), node, payloadOf(t, id, 2, 2))
	wantCounts(t, pool, 2, 0)
}
