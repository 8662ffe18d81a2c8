package sample

import (
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/wire"
)

// attached are a table's partitions, by name.
func attached(t *testing.T, pool *db.Pool, table string) (names []string) {
	t.Helper()
	all, err := partitionsOf(t.Context(), pool, table)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.Attached && !p.Pending {
			names = append(names, p.Name)
		}
	}
	return names
}

// daysOf are the days in March that single samples have partitions of.
func daysOf(t *testing.T, s *Store) string {
	t.Helper()
	return strings.ReplaceAll(strings.Join(attached(t, s.cfg.Pool, "sample"), " "), "sample_202603", "")
}

func maintain(t testing.TB, s *Store) {
	t.Helper()
	if err := s.RunOnceMaintain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestMaintainMakesAndDropsPartitions(t *testing.T) {
	pool := dbtest.New(t)
	now := noon
	store := NewStore(Config{Pool: pool, Now: func() time.Time { return now }, Retention: Retention{Raw: 48 * time.Hour}})
	maintain(t, store)
	maintain(t, store)
	if got := daysOf(t, store); got != "13 14 15 16" {
		t.Errorf("partitions of %s", got)
	}
	in := run(t, IngestConfig{Store: store})
	live := newNode(t, pool, "live") // what is kept is reckoned from what nodes send
	node, old, newer := newNode(t, pool, "kept"), wire.NewRunID(), wire.NewRunID()
	mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: old, Samples: []wire.Sample{sampleAt(1, noon.Add(-24*time.Hour))}}))
	now = noon.Add(36*time.Hour - time.Millisecond) // the 13th ends 48 h before in a millisecond
	heardAt(t, pool, live, now)
	maintain(t, store)
	if got := daysOf(t, store); got != "13 14 15 16 17" {
		t.Errorf("a day too early: partitions of %s", got)
	}
	now = noon.Add(36 * time.Hour)
	heardAt(t, pool, live, now)
	if err := store.RunOnceMaintain(t.Context()); err == nil || !strings.Contains(err.Error(), "not all of its samples are in the rollups") {
		t.Errorf("samples that no rollup has seen are dropped: %v", err)
	}
	rollUp(t, store)
	maintain(t, store)
	if got := daysOf(t, store); got != "14 15 16 17 18" {
		t.Errorf("partitions of %s", got)
	}
	wantCounts(t, pool, 0, 0)
	if n := value[int](t, pool, "SELECT samples FROM sample_1h"); n != 1 {
		t.Error("what is dropped is in no rollup")
	}
	if n := value[int](t, pool, "SELECT count(*) FROM node_run"); n != 1 {
		t.Error("the newest run of a node is forgotten, though the node may still be in it")
	}
	mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: newer, Samples: []wire.Sample{sampleAt(1, now)}}))
	rollUp(t, store)
	maintain(t, store)
	if n := value[int](t, pool, "SELECT count(*) FROM node_run"); n != 1 {
		t.Error("a run without samples and not the newest is kept")
	}
}

func TestPartitionsAreMadeByManyAtOnce(t *testing.T) {
	pool := dbtest.New(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if err := newStore(pool).RunOnceMaintain(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := daysOf(t, newStore(pool)); got != "13 14 15 16" {
		t.Errorf("partitions of %s", got)
	}
}

// A writer with an open transaction is not waited for when a partition is made.
func TestMakingAPartitionDoesNotWaitForWriters(t *testing.T) {
	pool := dbtest.New(t)
	store := newStore(pool)
	maintain(t, store)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), "INSERT INTO sample (at, seq, run_no, node_no) VALUES ($1, 1, 1, 1)", noon); err != nil {
		t.Fatal(err)
	}
	if err := store.makePartition(t.Context(), store.cfg.Pool, noon.AddDate(0, 0, 9)); err != nil {
		t.Error(err)
	}
}

// Each rollup has its retention, and its partitions are of a day or a month.
func TestRollupsAreKeptAsLongAsTheySay(t *testing.T) {
	pool := dbtest.New(t)
	now := noon
	store := NewStore(Config{Pool: pool, Now: func() time.Time { return now }, Retention: Retention{
		OneMinute: 8 * day, FiveMinutes: 20 * day, FifteenMinutes: 50 * day, OneHour: 400 * day,
	}})
	for ; now.Before(noon.AddDate(0, 3, 0)); now = now.Add(day) { // until 14 June
		maintain(t, store)
	}
	for table, want := range map[string]string{
		"sample_1m":  "20260605 20260606 20260607 20260608 20260609 20260610 20260611 20260612 20260613 20260614 20260615",
		"sample_5m":  "202605 202606",
		"sample_15m": "202604 202605 202606",
		"sample_1h":  "202603 202604 202605 202606",
	} {
		if got := strings.ReplaceAll(strings.Join(attached(t, pool, table), " "), table+"_", ""); got != want {
			t.Errorf("%s: %s, want %s", table, got, want)
		}
	}
}
