package sample

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/shared/wire"
)

func wantLatest(t *testing.T, s *Store, nodeNo int32, want wire.Sample, received time.Time) {
	t.Helper()
	got, at, err := s.Latest(t.Context(), nodeNo)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) || !at.Equal(received) {
		t.Errorf("newest sample is %d of %d ms, received %s; want %d of %d ms, %s", got.Seq, got.AtMs, at, want.Seq, want.AtMs, received)
	}
}

func TestLatest(t *testing.T) {
	pool := dbtest.New(t)
	in := run(t, IngestConfig{Store: newStore(pool)})
	node, id := newNode(t, pool, "latest"), wire.NewRunID()
	if _, _, err := in.store.Latest(t.Context(), node); !fault.Has(err, fault.OtherNotFound) {
		t.Errorf("newest sample of a silent node: %v", err)
	}
	one, two, late := sampleAt(1, noon.Add(-time.Minute)), sampleAt(2, noon), sampleAt(3, noon.Add(-time.Hour))
	for _, s := range []wire.Sample{one, two, late} { // the late one is newer by number, older by time
		mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: id, Samples: []wire.Sample{s}}))
	}
	wantLatest(t, in.store, node, two, noon)
	if err := in.store.FlushLatest(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantLatest(t, in.store, node, two, noon)
	// After a restart the table knows; an older sample that comes then must
	// neither be served nor overwrite it.
	again := run(t, IngestConfig{Store: newStore(pool)})
	wantLatest(t, again.store, node, two, noon)
	older := sampleAt(4, noon.Add(-2*time.Hour))
	mustStore(t, again, node, encode(t, wire.Metrics{V: 1, Run: id, Samples: []wire.Sample{older}}))
	wantLatest(t, again.store, node, two, noon)
	if err := again.store.FlushLatest(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantLatest(t, again.store, node, two, noon)
	wantLatest(t, newStore(pool), node, two, noon)
}

func TestLatestMemoryIsBoundedAndSurvivesFailure(t *testing.T) {
	pool := dbtest.New(t)
	now := noon
	store := NewStore(Config{Pool: pool, Now: func() time.Time { return now }})
	node := newNode(t, pool, "memory")
	s := sampleAt(1, noon)
	store.latest.put(node, entry{sample: s, received: noon, runNo: 1})
	exec(t, pool, "ALTER TABLE sample_latest RENAME TO away")
	if err := store.FlushLatest(t.Context()); err == nil {
		t.Fatal("flush without its table succeeded")
	}
	exec(t, pool, "ALTER TABLE away RENAME TO sample_latest")
	if err := store.FlushLatest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM sample_latest WHERE seq = 1"); n != 1 {
		t.Error("what a failed flush left is not written by the next")
	}
	if _, found := store.latest.get(node); !found {
		t.Error("a fresh sample is gone from memory")
	}
	now = noon.Add(memoryTime)
	if err := store.FlushLatest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, found := store.latest.get(node); found {
		t.Error("a sample that is written and old stays in memory")
	}
	wantLatest(t, store, node, s, noon)
}

// Behind a shared broker each node's messages go to all coordinators in turn,
// so that they write the same rows at the same time.
func TestCoordinatorsWriteTheSameNewestSamples(t *testing.T) {
	pool := dbtest.New(t)
	exec(t, pool, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''10ms''', current_database()); END $$`)
	pool.Reset()
	first, second := newStore(pool), newStore(pool)
	var nodes []int32
	for i := range 200 {
		nodes = append(nodes, newNode(t, pool, fmt.Sprintf("shared-%d", i)))
	}
	for round := range 20 {
		for _, node := range nodes {
			e := entry{sample: sampleAt(uint64(round+1), noon.Add(time.Duration(round)*time.Second)), received: noon, runNo: 1}
			first.latest.put(node, e)
			second.latest.put(node, e)
		}
		errs := make(chan error)
		for _, s := range []*Store{first, second} {
			go func() { errs <- s.FlushLatest(t.Context()) }()
		}
		if err := errors.Join(<-errs, <-errs); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}
