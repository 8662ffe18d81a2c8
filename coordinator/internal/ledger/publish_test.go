package ledger_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/ledger"
)

func published(t *testing.T, pool *db.Pool, now time.Time) ledger.Publication {
	t.Helper()
	p, err := ledger.Publish(t.Context(), pool, now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// An hour's head is recorded once, whoever asks, however often, and by whatever
// clock; and so is one before the first entry.
func TestAnHourHasOnePublication(t *testing.T) {
	pool := dbtest.New(t)
	hour := noon.Truncate(time.Hour)
	if p := published(t, pool, noon.Add(-time.Hour)); p.V != 1 || p.EntryNo != 0 || p.Hash != strings.Repeat("00", 32) || p.At != nil || !p.Hour.Equal(hour.Add(-time.Hour)) {
		t.Errorf("before the first entry %+v", p)
	}
	mustPost(t, pool, pay("node_a", 5))
	head, err := ledger.ReadHead(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	first := published(t, pool, noon)
	if first.EntryNo != 1 || first.Hash != head.Hash || first.At == nil || !first.At.Equal(head.At) || !first.Hour.Equal(hour) {
		t.Errorf("%+v, want %+v", first, head)
	}
	mustPost(t, pool, pay("node_b", 5))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if p, err := ledger.Publish(t.Context(), pool, hour.Add(59*time.Minute)); err != nil || p.Hash != first.Hash {
				t.Errorf("later in the hour %+v, %v; want %+v", p, err, first)
			}
		})
	}
	all.Wait()
	for range 8 {
		all.Go(func() {
			if p, err := ledger.Publish(t.Context(), pool, hour.Add(time.Hour)); err != nil || p.EntryNo != 2 {
				t.Errorf("an hour later %+v, %v", p, err)
			}
		})
	}
	all.Wait()
	if p := published(t, pool, noon.Add(-30*time.Minute)); p.EntryNo != 2 {
		t.Errorf("by a clock that is behind %+v", p)
	}
	var count int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM ledger_publication`).Scan(&count); err != nil || count != 3 {
		t.Errorf("%d publications, %v; want 3", count, err)
	}
	wantSound(t, pool, 2)
}

// Who owns the database can write the whole chain anew, so that every hash
// follows from the one before; then it no longer has the heads that were told.
func TestRewrittenChainShows(t *testing.T) {
	pool := dbtest.New(t)
	mustPost(t, pool, pay("node_a", 5))
	published(t, pool, noon)
	mustPost(t, pool, pay("node_b", 5))
	wantSound(t, pool, 2)
	if _, err := pool.Exec(t.Context(), `BEGIN; SET LOCAL session_replication_role = replica;
		DELETE FROM posting; DELETE FROM entry; DELETE FROM account; UPDATE ledger_head SET hash = decode(repeat('00', 32), 'hex'); COMMIT`); err != nil {
		t.Fatal(err)
	}
	mustPost(t, pool, pay("node_a", 4))
	mustPost(t, pool, pay("node_b", 6))
	audit, err := ledger.Verify(t.Context(), pool)
	if err != nil || !strings.Contains(audit.Difference, "at 2026-03-01T12:00:00Z entry_no 1 with hash ") || !strings.Contains(audit.Difference, "written anew") {
		t.Errorf("%q, %v", audit.Difference, err)
	}
}
