package payout_test

import (
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

// What was paid after a backup is pending again once that is restored: nothing
// begins to be paid then, and what was forgotten can be recorded, until somebody
// lifts it.
func TestRestoredBackupHaltsPayouts(t *testing.T) {
	w := newWorld(t)
	id, file := w.only(w.waiting("node_a")).ID, filepath.Join(t.TempDir(), "data", "known.json")
	look := func(want int) {
		t.Helper()
		if err := payout.NewMemory(w.store(), file).RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if list, err := w.store().Stoppages(t.Context()); err != nil || len(list) != want {
			t.Fatalf("halted by %+v, %v; want %d reasons", list, err, want)
		}
	}
	look(0)
	backup := w.copied()
	w.wantTaken(1, "node_a") // an export: no entry of the ledger tells of it
	look(0)
	w.pool = backup
	look(1)
	look(1)
	if _, err := w.take(1); !fault.Has(err, fault.StateNotAllowed) {
		t.Errorf("paid again: %v", err)
	}
	must(t)(w.store().Complete(t.Context(), byTest, id, "ticket-1"))
	if p := w.only(1); p.Status != payout.Completed || p.Rail != payout.Manual {
		t.Errorf("%+v", p)
	}
	list, err := w.store().Stoppages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store().Lift(t.Context(), byTest, list[0].No); err != nil {
		t.Fatal(err)
	}
	look(0)
	other := w.only(w.waiting("node_b")).ID
	refuse(t, fault.StateNotAllowed)(w.store().Complete(t.Context(), byTest, other, "ticket-2"))
	w.wantBalance(ledger.KindPayable, "node_a", 0)
	w.wantSound()
}

// copied is a copy of all data as they are now.
func (w *world) copied() *db.Pool {
	w.t.Helper()
	config := w.pool.Config()
	admin, err := pgxpool.New(w.t.Context(), dbtest.Empty(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	defer admin.Close()
	w.pool.Close() // a template has no sessions
	name := config.ConnConfig.Database
	if _, err := admin.Exec(w.t.Context(), "CREATE DATABASE "+name+"_copy TEMPLATE "+name); err != nil {
		w.t.Fatal(err)
	}
	open := func(name string) *db.Pool {
		c := config.Copy()
		c.ConnConfig.Database = name
		pool, err := pgxpool.NewWithConfig(w.t.Context(), c)
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(pool.Close)
		return pool
	}
	w.pool = open(name)
	return open(name + "_copy")
}
