package sample

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/wire"
)

// keeper is a store whose partitions of the 13th to the 15th are to be dropped,
// by the role that url names, and an ingest beside it.
type keeper struct {
	*testing.T
	owner  *db.Pool
	store  *Store
	ingest *Ingest
	node   int32
	sent   int64
}

func newKeeper(t *testing.T, roleOf func(t testing.TB, owner string) string) *keeper {
	url := dbtest.URL(t)
	k := &keeper{T: t, owner: openURL(t, url)}
	now := noon
	k.store = NewStore(Config{Pool: openURL(t, roleOf(t, url)), Now: func() time.Time { return now }, Retention: Retention{Raw: day}})
	maintain(t, k.store)
	now = noon.Add(3 * day)
	k.ingest, k.node = run(t, IngestConfig{Store: k.store}), newNode(t, k.owner, "meanwhile")
	k.ingests()
	return k
}

func openURL(t *testing.T, url string) *db.Pool {
	t.Helper()
	pool, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func ownTables(_ testing.TB, owner string) string { return owner }

// ingests commits a sample, on a connection that waits for no lock.
func (k *keeper) ingests() {
	k.Helper()
	k.sent++
	mustStore(k, k.ingest, k.node, encode(k, wire.Metrics{V: 1, Run: wire.NewRunID(), Samples: []wire.Sample{sampleAt(1, k.store.cfg.Now())}}))
	wantCounts(k, k.owner, k.sent, 0)
}

// reads begins a transaction that holds what the statement locks, until end.
func (k *keeper) reads(statement string) (end func()) {
	k.Helper()
	tx, err := k.owner.Begin(k.Context())
	if err != nil {
		k.Fatal(err)
	}
	k.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	if _, err := tx.Exec(k.Context(), statement); err != nil {
		k.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(k.Context()); err != nil {
			k.Fatal(err)
		}
	}
}

// left are tables named as partitions are, of whatever state.
func (k *keeper) left() string {
	k.Helper()
	return value[string](k, k.owner, `SELECT coalesce(string_agg(substr(relname, 14), ' ' ORDER BY relname), '') FROM pg_class
		WHERE relkind = 'r' AND relname ~ '^sample_202603[0-9]{2}$'`)
}

const wantLeft = "16 17 18 19" // of the 16th a part is still kept

// A reader holds the oldest partitions, and the drop waits for it: samples are
// committed meanwhile, and the drop goes on when the reader ends.
func TestSamplesAreCommittedWhileADropWaits(t *testing.T) {
	k := newKeeper(t, ownTables)
	k.store.dropPatience = time.Minute // so that it still waits when the samples are in
	end := k.reads("SELECT count(*) FROM sample")
	maintained := make(chan error, 1)
	go func() { maintained <- k.store.RunOnceMaintain(t.Context()) }()
	const waits = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ~ 'DROP|drop|DETACH'`
	for value[int](t, k.owner, waits) == 0 {
	}
	for range 3 {
		k.ingests()
	}
	if value[int](t, k.owner, waits) != 1 {
		t.Error("the drop does not wait any more: what was committed beside it says nothing")
	}
	end()
	if err := <-maintained; err != nil {
		t.Error(err)
	}
	if got := k.left(); got != wantLeft {
		t.Errorf("partitions of %s, want %s", got, wantLeft)
	}
}

// A role that owns no table cannot detach: its wish to drop is refused at once
// where somebody holds the table, and so no insert stands behind it.
func TestAWishToDropIsNeverQueuedFor(t *testing.T) {
	k := newKeeper(t, dbtest.ProgramURL)
	k.store.dropPatience = time.Hour // who waited would wait for ever
	for _, holds := range []string{"SELECT count(*) FROM sample", "LOCK TABLE sample_20260313 IN ACCESS SHARE MODE", "LOCK TABLE sample IN ROW EXCLUSIVE MODE"} {
		end := k.reads(holds)
		if err := k.store.RunOnceMaintain(t.Context()); db.Code(err) != inUse {
			t.Errorf("beside %s: %v, want a lock that is not available", holds, err)
		}
		k.ingests()
		end()
	}
	maintain(t, k.store)
	if got := k.left(); got != wantLeft {
		t.Errorf("partitions of %s, want %s", got, wantLeft)
	}
}

// Ingest holds the table again and again. A role that owns none finds a moment in
// between.
func TestPartitionsAreDroppedAmidIngest(t *testing.T) {
	k := newKeeper(t, dbtest.ProgramURL)
	var senders errgroup.Group
	stopped := make(chan struct{})
	for i := range 4 {
		node, id := newNode(t, k.owner, fmt.Sprintf("sender%d", i)), wire.NewRunID()
		senders.Go(func() error {
			for seq := uint64(1); ; seq++ {
				select {
				case <-stopped:
					return nil
				default:
				}
				m := wire.Metrics{V: 1, Run: id, Samples: []wire.Sample{sampleAt(seq, k.store.cfg.Now())}}
				if err := k.ingest.Store(node, encode(t, m)); err != nil {
					return err
				}
			}
		})
	}
	err := k.store.RunOnceMaintain(t.Context())
	for db.Code(err) == inUse { // a busy machine: the next turn tries again
		err = k.store.RunOnceMaintain(t.Context())
	}
	close(stopped)
	if err := errors.Join(err, senders.Wait()); err != nil {
		t.Error(err)
	}
	if got := k.left(); got != wantLeft {
		t.Errorf("partitions of %s, want %s", got, wantLeft)
	}
}

// Readers that outlast the drop's patience leave a partition half detached, at
// either of the two points at which it waits. The next turn finishes that.
func TestAnInterruptedDropIsFinished(t *testing.T) {
	for name, holds := range map[string]string{
		"by who read the whole table": "SELECT count(*) FROM sample",
		"by who holds the partition":  "LOCK TABLE sample_20260313 IN ACCESS SHARE MODE",
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t, ownTables)
			end := k.reads(holds)
			for range 2 { // detaching, then finishing that
				if err := k.store.RunOnceMaintain(t.Context()); db.Code(err) != inUse {
					t.Errorf("%v, want a lock time-out", err)
				}
				if n := value[int](t, k.owner, "SELECT count(*) FROM pg_inherits WHERE inhdetachpending"); n != 1 {
					t.Errorf("%d partitions are half detached, want 1", n)
				}
				k.ingests()
			}
			end()
			k.store.cfg.Retention.Raw = 30 * day // what was begun is finished, also where it would be kept by now
			maintain(t, k.store)
			if got := k.left(); got != "14 15 "+wantLeft {
				t.Errorf("partitions of %s, want those of the 14th and 15th to be kept", got)
			}
		})
	}
}

// A crash between detaching and dropping leaves a table of its own.
func TestADetachedPartitionIsDroppedByTheNextTurn(t *testing.T) {
	k := newKeeper(t, ownTables)
	if _, err := k.owner.Exec(t.Context(), "ALTER TABLE sample DETACH PARTITION sample_20260313 CONCURRENTLY"); err != nil {
		t.Fatal(err)
	}
	maintain(t, k.store)
	if got := k.left(); got != wantLeft {
		t.Errorf("partitions of %s, want %s", got, wantLeft)
	}
}

// Two that both believe to lead do not trip over each other.
func TestPartitionsAreDroppedByManyAtOnce(t *testing.T) {
	k := newKeeper(t, ownTables)
	var turns errgroup.Group
	for range 4 {
		turns.Go(func() error { return k.store.RunOnceMaintain(t.Context()) })
	}
	if err := turns.Wait(); err != nil {
		t.Error(err)
	}
	maintain(t, k.store) // whoever found another at it has left it
	if got := k.left(); got != wantLeft {
		t.Errorf("partitions of %s, want %s", got, wantLeft)
	}
}

// Only what is named as a partition of samples can be dropped by the function.
func TestOnlyPartitionsOfSamplesAreDropped(t *testing.T) {
	pool := dbtest.New(t)
	for _, table := range []string{"sample", "sample_1m", "sample_latest", "sample_due", "node", "entry"} {
		if _, err := pool.Exec(t.Context(), "SELECT sample_partition_drop($1)", table); db.Code(err) != "P0001" {
			t.Errorf("dropping %s: %v", table, err)
		}
	}
}
