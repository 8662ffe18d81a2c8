package payout_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"lucid.internal/coordinator/internal/audit"
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
	w, file := newWorld(t), filepath.Join(t.TempDir(), "data", "known-head.json")
	w.remember(file)
	id := w.only(w.waiting("node_a")).ID
	look := func(want int) {
		t.Helper()
		w.remember(file)
		if list := w.halts(); len(list) != want {
			t.Fatalf("halted by %+v; want %d reasons", list, want)
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
	w.lift()
	look(0)
	other := w.only(w.waiting("node_b")).ID
	refuse(t, fault.StateNotAllowed)(w.store().Complete(t.Context(), byTest, other, "ticket-2"))
	w.wantBalance(ledger.KindPayable, "node_a", 0)
	w.wantSound()
}

// Who restored a backup reads the log of what he started, once and not at every look.
func TestRestoredBackupIsToldInTheLog(t *testing.T) {
	w, file := newWorld(t), filepath.Join(t.TempDir(), "known-head.json")
	if err := os.WriteFile(file, []byte(`{"audit_entry_no":1000,"audit_hash":"AAAA"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	store := w.store(knownIn(file), func(c *payout.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	if err := errors.Join(store.Remember(t.Context()), store.Remember(t.Context())); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); strings.Count(text, "payouts are halted") != 1 || !strings.Contains(text, "level=ERROR") ||
		!strings.Contains(text, "docs/payouts.md") || !strings.Contains(text, "lucidctl payouts halts") {
		t.Errorf("the log says %q", text)
	}
}

// A file that says nothing of the database is no reason to pay: it halts, once,
// and is good again.
func TestUnreadableHeadHaltsPayouts(t *testing.T) {
	w := newWorld(t)
	id, file := w.only(w.waiting("node_a")).ID, filepath.Join(t.TempDir(), "known-head.json")
	w.remember(file)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "cut": string(whole[:len(whole)/2]), "of zeros": string(make([]byte, len(whole))), "no head": "{}", "not text": "null",
		"without a hash": `{"ledger_entry_no":7,"audit_entry_no":1}`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.remember(file)
		if list := w.halts(); len(list) != 1 || list[0].Reason != payout.HaltUnknown {
			t.Fatalf("%s: halted by %+v", name, list)
		}
		if _, err := w.take(1); !fault.Has(err, fault.StateNotAllowed) {
			t.Errorf("%s: paid: %v", name, err)
		}
		w.lift()
		w.remember(file)
		if list := w.halts(); len(list) != 0 {
			t.Errorf("%s: halted again, by %+v", name, list)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.remember(file)
	if p := must(t)(w.store().Complete(t.Context(), byTest, id, "ticket-1")); p.Rail != payout.Manual { // it may have been paid
		t.Errorf("%+v", p)
	}
}

// A file that is gone is a first start only of a ledger that holds nothing: who
// lost it with the backup that he put back would pay twice.
func TestLostHeadHaltsPayoutsWhereTheLedgerIsNotEmpty(t *testing.T) {
	w, file := newWorld(t), filepath.Join(t.TempDir(), "known-head.json")
	w.remember(file)
	if list := w.halts(); len(list) != 0 {
		t.Fatalf("a first start is halted by %+v", list)
	}
	w.waiting("node_a")
	w.remember(file)
	backup := w.copied()
	w.wantTaken(1, "node_a")
	w.remember(file)
	w.pool = backup
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	w.remember(file)
	if list := w.halts(); len(list) != 1 || list[0].Reason != payout.HaltUnknown {
		t.Fatalf("halted by %+v", list)
	}
	if nodes, err := w.take(1); !fault.Has(err, fault.StateNotAllowed) {
		t.Errorf("paid again to %q: %v", nodes, err)
	}
	w.lift() // somebody has compared what left
	w.remember(file)
	w.wantTaken(1, "node_a")
}

// Recording a payment asks by itself what the database forgot: nobody has to look
// before.
func TestCompleteAsksWhatTheDatabaseForgot(t *testing.T) {
	w, file := newWorld(t), filepath.Join(t.TempDir(), "known-head.json")
	w.remember(file)
	id := w.only(w.waiting("node_a")).ID
	refuse(t, fault.StateNotAllowed)(w.store(knownIn(file)).Complete(t.Context(), byTest, id, "ticket-1"))
	backup := w.copied()
	must(t)(w.store(knownIn(file)).Start(t.Context(), byTest, id))
	w.pool = backup
	if p := must(t)(w.store(knownIn(file)).Complete(t.Context(), byTest, id, "ticket-1")); p.Status != payout.Completed {
		t.Errorf("%+v", p)
	}
	if list := w.halts(); len(list) != 1 || list[0].Reason != payout.HaltRestored {
		t.Errorf("halted by %+v", list)
	}
	w.wantSound()
}

// A command may know nothing of the database, as one that was given another data
// folder: what is being paid is recorded all the same, what is pending is not taken
// for paid, and nothing halts.
func TestCompleteThatKnowsNothingHaltsNothing(t *testing.T) {
	for name, text := range map[string]*string{"another folder": nil, "a broken file": new(string)} {
		t.Run(name, func(t *testing.T) {
			w, file := newWorld(t), filepath.Join(t.TempDir(), "known-head.json")
			if text != nil {
				if err := os.WriteFile(file, []byte(*text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			id := w.only(w.waiting("node_a")).ID
			refuse(t, fault.StateNotAllowed)(w.store(knownIn(file)).Complete(t.Context(), byTest, id, "ticket-1"))
			must(t)(w.store().Start(t.Context(), byTest, id))
			must(t)(w.store(knownIn(file)).Complete(t.Context(), byTest, id, "ticket-1"))
			if list := w.halts(); len(list) != 0 {
				t.Errorf("halted by %+v", list)
			}
		})
	}
}

// Who holds a payout writes into the audit log next, as approving does: who records
// a payment that the database forgot must not hold the log while he waits for it.
func TestCompleteWaitsForAPayoutWithoutTheAuditLog(t *testing.T) {
	w, file := newWorld(t), filepath.Join(t.TempDir(), "known-head.json")
	id := w.only(w.waiting("node_a")).ID
	if err := os.WriteFile(file, []byte(`{"audit_entry_no":1000,"audit_hash":"AAAA"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	tx, err := w.pool.Begin(t.Context())
	if err == nil {
		defer tx.Rollback(t.Context())
		_, err = tx.Exec(t.Context(), `SET LOCAL lock_timeout = '500ms'`) // before Postgres would end a circle of waits
	}
	if err == nil {
		_, err = tx.Exec(t.Context(), `SELECT FROM payout WHERE payout_id = $1 FOR UPDATE`, id)
	}
	if err != nil {
		t.Fatal(err)
	}
	completed := make(chan error, 1)
	go func() {
		_, err := w.store(knownIn(file)).Complete(t.Context(), byTest, id, "ticket-1")
		completed <- err
	}()
	for !query[bool](w, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid')`) && len(completed) == 0 {
		runtime.Gosched()
	}
	err = audit.Write(t.Context(), tx, byTest.Record("payout.approve", id, nil, nil).AtTime(w.now))
	if err = errors.Join(err, tx.Commit(t.Context())); err != nil {
		t.Error(err)
	}
	if err := <-completed; err != nil {
		t.Error(err)
	}
	if list := w.halts(); len(list) != 1 || list[0].Reason != payout.HaltRestored {
		t.Errorf("halted by %+v", list)
	}
}

// What begins to be paid by hand is remembered before it is told.
func TestStartIsRemembered(t *testing.T) {
	w, file := newWorld(t), filepath.Join(t.TempDir(), "known-head.json")
	w.remember(file)
	id := w.only(w.waiting("node_a")).ID
	backup := w.copied()
	must(t)(w.store(knownIn(file)).Start(t.Context(), byTest, id))
	w.pool = backup
	refuse(t, fault.StateNotAllowed)(w.store(knownIn(file)).Start(t.Context(), byTest, id))
	if list := w.halts(); len(list) != 1 || list[0].Reason != payout.HaltRestored {
		t.Errorf("halted by %+v", list)
	}
}

// A standby may hold all that was known before a payout began to be paid, and not
// that it did.
func TestStartThatTheDatabaseForgotIsRefused(t *testing.T) {
	for name, forget := range map[string]string{
		"that it began":                   `UPDATE payout SET status = 'pending', rail = NULL, processed_at = NULL`,
		"that it began, and cancelled it": `UPDATE payout SET status = 'cancelled', rail = NULL, processed_at = NULL`,
		"the payout too":                  `DELETE FROM payout`,
	} {
		t.Run(name, func(t *testing.T) {
			w, file := newWorld(t), filepath.Join(t.TempDir(), "known-head.json")
			w.remember(file)
			id := w.only(w.waiting("node_a")).ID
			w.pool = dbtest.Forgetting(t, w.pool, "name: HasChains", 2, forget+`; DELETE FROM audit_entry WHERE action = 'payout.processing'`)
			if p, err := w.store(knownIn(file)).Start(t.Context(), byTest, id); !fault.Has(err, fault.StateNotAllowed) || !strings.Contains(err.Error(), "do not pay it") {
				t.Errorf("%+v, %v", p, err)
			}
			if list := w.halts(); len(list) != 1 || list[0].Reason != payout.HaltRestored {
				t.Errorf("halted by %+v", list)
			}
		})
	}
}

// Somebody may be quicker to record a payment than who began it is to remember.
func TestStartThatWentOnMeanwhileHaltsNothing(t *testing.T) {
	for name, step := range map[string]string{
		"paid":   `UPDATE payout SET status = 'completed', transaction_hash = 'ticket-1', completed_at = now()`,
		"failed": `UPDATE payout SET status = 'failed', error_message = 'refused'`,
	} {
		t.Run(name, func(t *testing.T) {
			w, file := newWorld(t), filepath.Join(t.TempDir(), "known-head.json")
			w.remember(file)
			id := w.only(w.waiting("node_a")).ID
			w.pool = dbtest.Forgetting(t, w.pool, "name: HasChains", 2, step)
			must(t)(w.store(knownIn(file)).Start(t.Context(), byTest, id))
			if list := w.halts(); len(list) != 0 {
				t.Errorf("halted by %+v", list)
			}
		})
	}
}

func knownIn(file string) func(*payout.Config) {
	return func(c *payout.Config) { c.KnownHead = file }
}

func (w *world) remember(file string) {
	w.t.Helper()
	if err := w.store(knownIn(file)).Remember(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) halts() []payout.Stoppage {
	w.t.Helper()
	list, err := w.store().Stoppages(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// lift lifts all halts.
func (w *world) lift() {
	w.t.Helper()
	for _, h := range w.halts() {
		if err := w.store().Lift(w.t.Context(), byTest, h.No); err != nil {
			w.t.Fatal(err)
		}
	}
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
