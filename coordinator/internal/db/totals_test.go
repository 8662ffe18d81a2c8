package db_test

import (
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
)

const countSecrets = "SELECT count(*) FROM sealed_secret WHERE name LIKE $1"

func TestTotals(t *testing.T) {
	plain := dbtest.New(t)
	pool, sent := dbtest.Record(t, plain)
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	totals := db.NewTotals(pool, func() time.Time { return now })
	add := func(name string) {
		t.Helper()
		_, err := plain.Exec(t.Context(), "INSERT INTO sealed_secret (name, box) VALUES ($1, '')", name)
		must(t, err)
	}
	first := db.Page{Items: 1, More: true}
	for _, step := range []struct {
		name    string
		before  func()
		page    db.Page
		like    string
		want    int
		queries int
	}{
		{"the only page", nil, db.Page{Items: 2}, "%", 2, 0},
		{"an empty list", nil, db.Page{}, "%", 0, 0},
		{"the last page", nil, db.Page{Offset: 40, Items: 3}, "%", 43, 0},
		{"counted", func() { add("a"); add("b"); add("c") }, first, "%", 3, 1},
		{"told again", func() { add("d") }, first, "%", 3, 0},
		{"not denied by the page", nil, db.Page{Offset: 2, Items: 2, More: true}, "%", 5, 0},
		{"beyond the end", nil, db.Page{Offset: 100}, "%", 3, 0},
		{"by a cursor, at the end", nil, db.Page{Items: 1, Cursor: true}, "%", 3, 0},
		{"other arguments", nil, first, "a%", 2, 1}, // one, and the page says that more follow
		{"just before a second", func() { now = now.Add(time.Second - 1) }, first, "%", 3, 0},
		{"after a second", func() { now = now.Add(1) }, first, "%", 4, 1},
		{"a clock set back", func() { add("e"); now = now.Add(-time.Hour) }, first, "%", 5, 1},
	} {
		if step.before != nil {
			step.before()
		}
		sent.Take()
		got, err := totals.Of(t.Context(), step.page, countSecrets, step.like)
		if asked := len(sent.Take()); err != nil || got != step.want || asked != step.queries {
			t.Errorf("%s: %d by %d queries, %v; want %d by %d", step.name, got, asked, err, step.want, step.queries)
		}
	}
}

func TestTotalsAskedForAtOnce(t *testing.T) {
	pool, sent := dbtest.Record(t, dbtest.New(t))
	totals := db.NewTotals(pool, func() time.Time { return time.Unix(1, 0) })
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := totals.Of(t.Context(), db.Page{Items: 1, More: true}, countSecrets, "%"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if asked := len(sent.Take()); asked != 1 {
		t.Errorf("counted %d times, want once", asked)
	}
}
