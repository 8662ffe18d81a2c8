package audit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
)

var start = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func write(t *testing.T, pool *db.Pool, records ...audit.Record) {
	t.Helper()
	for _, r := range records {
		err := db.InTx(t.Context(), pool, func(tx db.Tx) error { return audit.Write(t.Context(), tx, r) })
		if err != nil {
			t.Fatal(err)
		}
	}
}

// record is the i-th of a row of different records.
func record(i int) audit.Record {
	by := audit.By{Actor: []string{audit.CLI, "key_a"}[i%2], RequestID: fmt.Sprintf("request-%d", i)}
	r := by.Record([]string{"pool.create", "pool.update", "node.enrol"}[i%3], fmt.Sprintf("pool_%d", i), nil, map[string]int{"max_nodes": i})
	return r.AtTime(start.Add(time.Duration(i) * time.Minute))
}

func list(t *testing.T, pool *db.Pool, f audit.Filter) ([]audit.Entry, int64) {
	t.Helper()
	entries, next, err := audit.NewLog(pool).List(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return entries, next
}

func TestWriteKeepsWhatWasDone(t *testing.T) {
	pool := dbtest.New(t)
	by := audit.By{Actor: "key_a", RequestID: "r-1"}
	write(t, pool,
		by.Record("pool.update", "pool_a", map[string]any{"b": 1.50, "a": "<é\x00>"}, struct{ Name string }{"a"}).AtTime(start),
		by.Record("pool.delete", "pool_\x00\xff", nil, nil))
	entries, next := list(t, pool, audit.Filter{})
	if len(entries) != 2 || next != 0 {
		t.Fatalf("%d entries, next %d", len(entries), next)
	}
	deleted, updated := entries[0], entries[1]
	if updated.Actor != "key_a" || updated.Action != "pool.update" || updated.Target != "pool_a" || updated.RequestID != "r-1" ||
		!updated.At.Equal(start) || string(updated.Before) != `{"a":"\u003cé\u0000\u003e","b":1.5}` || string(updated.After) != `{"Name":"a"}` {
		t.Errorf("%+v", updated)
	}
	if deleted.Target != "pool_��" || deleted.Before != nil || deleted.After != nil || deleted.At.Before(start) || deleted.No <= updated.No {
		t.Errorf("%+v", deleted)
	}
}

func TestWriteBelongsToItsTransaction(t *testing.T) {
	pool, refused := dbtest.New(t), errors.New("refused")
	err := db.InTx(t.Context(), pool, func(tx db.Tx) error {
		return errors.Join(audit.Write(t.Context(), tx, record(1)), refused)
	})
	if !errors.Is(err, refused) {
		t.Fatal(err)
	}
	if entries, _ := list(t, pool, audit.Filter{}); len(entries) != 0 {
		t.Errorf("%d entries of a transaction that was rolled back", len(entries))
	}
	for _, r := range []audit.Record{{Action: "a"}, {Actor: audit.CLI}} {
		if err := db.InTx(t.Context(), pool, func(tx db.Tx) error { return audit.Write(t.Context(), tx, r) }); err == nil {
			t.Errorf("%+v was written", r)
		}
	}
}

func TestList(t *testing.T) {
	pool := dbtest.New(t)
	for i := range 12 {
		write(t, pool, record(i))
	}
	for _, c := range []struct {
		name   string
		filter audit.Filter
		want   string
	}{
		{"all", audit.Filter{}, "11 10 9 8 7 6 5 4 3 2 1 0"},
		{"actor", audit.Filter{Actor: "key_a"}, "11 9 7 5 3 1"},
		{"action", audit.Filter{Action: "node.enrol"}, "11 8 5 2"},
		{"target", audit.Filter{Target: "pool_3"}, "3"},
		{"since", audit.Filter{Since: start.Add(9 * time.Minute)}, "11 10 9"},
		{"until", audit.Filter{Until: start.Add(2 * time.Minute)}, "1 0"},
		{"together", audit.Filter{Actor: "key_a", Action: "node.enrol", Since: start.Add(6 * time.Minute)}, "11"},
		{"none", audit.Filter{Actor: "key_z"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, limit := range []int{1, 3, 100} {
				var got []string
				f := c.filter
				for f.Limit = limit; ; {
					entries, next := list(t, pool, f)
					for _, e := range entries {
						got = append(got, strings.TrimPrefix(e.Target, "pool_"))
					}
					if f.Before = next; next == 0 {
						break
					}
				}
				if strings.Join(got, " ") != c.want {
					t.Errorf("by %d: %v, want %s", limit, got, c.want)
				}
			}
		})
	}
}

func TestAppendOnly(t *testing.T) {
	pool := dbtest.New(t)
	write(t, pool, record(1))
	for _, statement := range []string{
		`UPDATE audit_entry SET actor = 'x'`, `DELETE FROM audit_entry`, `TRUNCATE audit_entry`,
		`UPDATE audit_head SET hash = decode(repeat('11', 32), 'hex')`, `DELETE FROM audit_head`, `TRUNCATE audit_head`,
		`INSERT INTO audit_entry (at, actor, action, target, request_id, prev_hash, hash)
			VALUES (now(), 'x', 'x', '', '', decode(repeat('00', 32), 'hex'), decode(repeat('11', 32), 'hex'))`,
	} {
		if _, err := pool.Exec(t.Context(), statement); err == nil {
			t.Errorf("%s went through", statement)
		}
	}
}

func TestConcurrentWritersMakeOneChain(t *testing.T) {
	pool := dbtest.New(t)
	var writers sync.WaitGroup
	for i := range 40 {
		writers.Go(func() {
			err := db.InTx(context.Background(), pool, func(tx db.Tx) error { return audit.Write(context.Background(), tx, record(i)) })
			if err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	if v := verify(t, pool); v.Entries != 40 || v.Difference != "" {
		t.Errorf("%+v", v)
	}
}

func verify(t *testing.T, pool *db.Pool) audit.Verdict {
	t.Helper()
	v, err := audit.NewLog(pool).Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Whoever owns the server can lift the triggers; the chain shows it.
func TestVerifyNamesTheFirstDifference(t *testing.T) {
	for _, c := range []struct {
		name, statement, want string
		entries               int64 // sound before the difference
	}{
		{"nothing", `SELECT`, "", 5},
		{"actor", `UPDATE audit_entry SET actor = 'key_b' WHERE target = 'pool_2'`, "entry 3 (node.enrol of pool_2 by key_b at 2026-05-04T12:02:00Z): its hash", 2},
		{"before", `UPDATE audit_entry SET before = '{}' WHERE target = 'pool_2'`, "entry 3 (", 2},
		{"document", `UPDATE audit_entry SET after = '{"max_nodes": 2}' WHERE target = 'pool_2'`, "entry 3 (", 2},
		{"time", `UPDATE audit_entry SET at = at + interval '1 microsecond' WHERE target = 'pool_2'`, "entry 3 (", 2},
		{"request", `UPDATE audit_entry SET request_id = '' WHERE target = 'pool_2'`, "entry 3 (", 2},
		{"text moved to its neighbour", `UPDATE audit_entry SET actor = actor || 'n', action = substr(action, 2) WHERE target = 'pool_2'`, "entry 3 (", 2},
		{"taken out", `DELETE FROM audit_entry WHERE target = 'pool_2'`, "entry 4 (pool.create of pool_3 by key_a at 2026-05-04T12:03:00Z): its previous hash", 2},
		{"first taken out", `DELETE FROM audit_entry WHERE target = 'pool_0'`, "entry 2 (", 0},
		{"last taken out", `DELETE FROM audit_entry WHERE target = 'pool_4'`, "the last entries are missing", 4},
		{"all taken out", `DELETE FROM audit_entry`, "the last entries are missing", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := dbtest.New(t)
			for i := range 5 {
				write(t, pool, record(i))
			}
			_, err := pool.Exec(t.Context(), `ALTER TABLE audit_entry DISABLE TRIGGER ALL;`+c.statement)
			if err != nil {
				t.Fatal(err)
			}
			v := verify(t, pool)
			if v.Entries != c.entries || (c.want == "") != (v.Difference == "") || !strings.Contains(v.Difference, c.want) {
				t.Errorf("%d entries, then %q; want %d, then %q", v.Entries, v.Difference, c.entries, c.want)
			}
		})
	}
}
