package sample

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
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
	one, two := sampleAt(1, noon.Add(9*time.Minute)), sampleAt(2, noon) // the clock was set right in between
	mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: id, Samples: []wire.Sample{one, two}}))
	wantLatest(t, in.store, node, two, noon)
	flush(t, in.store)
	wantLatest(t, in.store, node, two, noon)
	wantLatest(t, newStore(pool), node, two, noon) // after a restart the table knows
}

// What is newest follows from the numbers of runs and samples, so that a clock
// that is set right hides nothing: in the memory of who took the samples, in
// the table, and in that of another coordinator, which took only the last one.
func TestNewestWhateverTheClockSays(t *testing.T) {
	type taken struct {
		run uint64 // of the node's, in the order in which they began
		seq uint64
		off time.Duration // of its time, from when it comes
	}
	for _, c := range []struct {
		name   string
		taken  []taken // a second apart
		newest int     // of taken
	}{
		{"a clock that was ahead is set right", []taken{{0, 1, 9 * time.Minute}, {0, 2, 0}}, 1},
		{"and the agent starts anew", []taken{{0, 1, 9 * time.Minute}, {1, 1, 0}}, 1},
		{"a clock falls behind", []taken{{0, 1, 0}, {0, 2, -time.Hour}}, 1},
		{"a machine starts with a clock that is behind", []taken{{0, 9, 0}, {1, 1, -time.Hour}}, 1},
		{"a clock that was behind is set right", []taken{{0, 1, -time.Hour}, {0, 2, 0}}, 1},
		{"what an earlier run left comes late", []taken{{0, 1, -time.Hour}, {1, 1, 0}, {0, 2, -30 * time.Minute}}, 1},
		{"an earlier run goes on", []taken{{0, 1, 0}, {1, 1, 0}, {0, 2, 0}}, 2},
		{"it comes again", []taken{{0, 1, -time.Hour}, {0, 2, 9 * time.Minute}, {0, 3, 0}, {0, 2, 9*time.Minute - 2*time.Second}}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool, clock := dbtest.New(t), clockAt(noon)
			newIngest := func() *Ingest {
				return run(t, IngestConfig{Store: NewStore(Config{Pool: pool, Now: clock.now})})
			}
			one, other := newIngest(), newIngest()
			node, alone := newNode(t, pool, "node"), newNode(t, pool, "alone")
			runs := map[int32][]wire.RunID{node: {wire.NewRunID(), wire.NewRunID()}, alone: {wire.NewRunID(), wire.NewRunID()}}
			var want wire.Sample
			var received time.Time
			for i, s := range c.taken {
				clock.add(time.Second)
				is := sampleAt(s.seq, clock.now().Add(s.off))
				if i == c.newest {
					want, received = is, clock.now()
				}
				store := func(in *Ingest, node int32) {
					mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: runs[node][s.run], Samples: []wire.Sample{is}}))
				}
				store(one, alone) // all of whose samples come to one coordinator
				if i < len(c.taken)-1 {
					store(one, node)
				} else {
					store(other, node)
				}
				if i == len(c.taken)-2 {
					flush(t, one.store)
				}
			}
			wantLatest(t, one.store, alone, want, received)
			wantLatest(t, other.store, node, want, received)
			flush(t, one.store)
			flush(t, other.store)
			wantLatest(t, newStore(pool), alone, want, received)
			wantLatest(t, newStore(pool), node, want, received)
		})
	}
}

// The table keeps the same order as the memory, in SQL.
func TestTableSupersedesAsMemoryDoes(t *testing.T) {
	pool := dbtest.New(t)
	store := newStore(pool)
	var all []rank
	for n := range 27 {
		all = append(all, rank{runNo: int64(n / 9), seq: uint64(n / 3 % 3), atMs: int64(n % 3)})
	}
	write := func(side func(node int) rank) []int32 {
		part := make(map[int32]entry)
		for node := range len(all) * len(all) {
			r := side(node)
			part[int32(node+1)] = entry{sample: wire.Sample{Seq: r.seq, AtMs: r.atMs}, received: noon, runNo: r.runNo}
		}
		accepted, err := store.upsertLatest(t.Context(), part)
		if err != nil {
			t.Fatal(err)
		}
		return accepted
	}
	dbtest.Exec(t, pool, fmt.Sprintf("INSERT INTO node (node_id, name, status) SELECT 'node_' || n, 'node-' || n, 'active' FROM generate_series(1, %d) n ORDER BY n", len(all)*len(all)))
	before := func(node int) rank { return all[node/len(all)] }
	after := func(node int) rank { return all[node%len(all)] }
	write(before)
	accepted := write(after)
	for node := range len(all) * len(all) {
		if got, want := slices.Contains(accepted, int32(node+1)), after(node).supersedes(before(node)); got != want {
			t.Errorf("%+v after %+v: the table says %t, the memory %t", after(node), before(node), got, want)
		}
	}
}

func flush(t *testing.T, s *Store) {
	t.Helper()
	if err := s.FlushLatest(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestLatestMemoryIsBoundedAndSurvivesFailure(t *testing.T) {
	pool := dbtest.New(t)
	now := noon
	store := NewStore(Config{Pool: pool, Now: func() time.Time { return now }})
	node := newNode(t, pool, "memory")
	s := sampleAt(1, noon)
	store.latest.put(node, entry{sample: s, received: noon, runNo: 1})
	dbtest.Exec(t, pool, "ALTER TABLE sample_latest RENAME TO away")
	if err := store.FlushLatest(t.Context()); err == nil {
		t.Fatal("flush without its table succeeded")
	}
	dbtest.Exec(t, pool, "ALTER TABLE away RENAME TO sample_latest")
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

// What was taken while our clock was ahead is soon forgotten once it is right:
// another coordinator may have newer samples.
func TestLatestMemoryAfterOurClockWasAhead(t *testing.T) {
	pool := dbtest.New(t)
	clock := clockAt(noon.Add(day))
	one, other := NewStore(Config{Pool: pool, Now: clock.now}), NewStore(Config{Pool: pool, Now: clock.now})
	node := newNode(t, pool, "ahead")
	one.latest.put(node, entry{sample: sampleAt(1, clock.now()), received: clock.now(), runNo: 1})
	flush(t, one)
	clock.set(noon)
	newer := sampleAt(2, noon)
	other.latest.put(node, entry{sample: newer, received: noon, runNo: 1})
	flush(t, other)
	wantLatest(t, one, node, newer, noon)
	flush(t, one)
	if _, found := one.latest.get(node); found {
		t.Error("a sample that was received in the future stays in memory")
	}
}

// Behind a shared broker each node's messages go to all coordinators in turn,
// so that they write the same rows at the same time.
func TestCoordinatorsWriteTheSameNewestSamples(t *testing.T) {
	pool := dbtest.New(t)
	dbtest.Exec(t, pool, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''10ms''', current_database()); END $$`)
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
