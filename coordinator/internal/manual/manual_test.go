package manual_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/manual"
	"lucid.internal/coordinator/internal/payout"
)

const (
	address      = "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ"
	otherAddress = "TGfzB9BJFByWHrMQeSnv7mxfbSycTukXBL"
)

var (
	ada = payout.Person{By: audit.By{Actor: "user_ada"}, Human: true}
	bob = payout.Person{By: audit.By{Actor: "user_bob"}, Human: true}
)

// world has pending payouts of nodes, in a database of its own.
type world struct {
	*testing.T
	*manual.Store
	payouts *payout.Store
	pool    *db.Pool
}

func newWorld(t *testing.T) *world {
	pool, now := dbtest.New(t), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	payouts, err := payout.NewStore(payout.Config{Pool: pool, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return &world{t, manual.NewStore(manual.Config{Pool: pool, Payouts: payouts, Now: func() time.Time { return now }}), payouts, pool}
}

// pending makes a node with a pending payout and gives the payout's id.
func (w *world) pending(nodeID, address string, usdt int64) string {
	w.Helper()
	err := db.InTx(w.Context(), w.pool, func(tx db.Tx) error {
		_, err := tx.Exec(w.Context(), `INSERT INTO node (node_id, name, status, payout_address) VALUES ($1, $1, 'active', $2)`, nodeID, address)
		if err == nil {
			_, err = ledger.Post(w.Context(), tx, ledger.Accrue("gift to "+nodeID, time.Now(), "pool_gift", []ledger.Share{{NodeID: nodeID, Amount: ledger.USDT(usdt)}}, 0))
		}
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	p, err := w.payouts.Create(w.Context(), ada.By, "of "+nodeID, payout.Request{NodeID: nodeID, Amount: ledger.USDT(usdt)})
	if err != nil {
		w.Fatal(err)
	}
	return p.ID
}

func (w *world) get(id string) payout.Payout {
	w.Helper()
	p, err := w.payouts.Get(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	return p
}

func (w *world) export(key string) manual.Export {
	w.Helper()
	e, err := w.Export(w.Context(), ada.By, key, 1000)
	if err != nil {
		w.Fatal(err)
	}
	return e
}

func (w *world) balance(kind ledger.Kind, owner string) ledger.Amount {
	w.Helper()
	amount, err := ledger.Balance(w.Context(), w.pool, ledger.Account{Kind: kind, Owner: owner})
	if err != nil {
		w.Fatal(err)
	}
	return amount
}

func TestExportGivesTheSameBytesAgain(t *testing.T) {
	w := newWorld(t)
	first, second := w.pending("node_a", address, 10), w.pending("node_b", otherAddress, 20)
	e := w.export("k")
	want := "payout_id,node_id,wallet_address,amount,currency,gross_amount,fee\n" +
		first + ",node_a," + address + ",9.9,USDT,10,0.1\n" + second + ",node_b," + otherAddress + ",19.8,USDT,20,0.2\n"
	if string(e.CSV()) != want {
		t.Errorf("%s\nwant\n%s", e.CSV(), want)
	}
	if p := w.get(first); p.Status != payout.Processing || p.Rail != payout.Manual {
		t.Errorf("%+v", p)
	}
	// Whatever happens to its payouts: one is paid, one fails and is exported again.
	if _, err := w.payouts.Complete(t.Context(), ada.By, first, "ticket-1"); err != nil {
		t.Fatal(err)
	}
	w.failed(second)
	if _, err := w.payouts.Retry(t.Context(), ada.By, second); err != nil {
		t.Fatal(err)
	}
	if _, err := w.pool.Exec(t.Context(), `UPDATE node SET payout_address = $1`, address); err != nil {
		t.Fatal(err)
	}
	if again := w.export("other"); len(again.Lines) != 1 || again.Lines[0].WalletAddress != address {
		t.Errorf("%s", again.CSV())
	}
	for name, read := range map[string]func() (manual.Export, error){
		"the same key": func() (manual.Export, error) { return w.Export(t.Context(), ada.By, "k", 1000) },
		"its id":       func() (manual.Export, error) { return w.Read(t.Context(), e.ID) },
	} {
		if again, err := read(); err != nil || string(again.CSV()) != want {
			t.Errorf("by %s: %v\n%s", name, err, again.CSV())
		}
	}
	for key, c := range map[string]struct {
		most int
		code fault.Code
	}{"k": {5, fault.IdempotencyReuse}, "none left": {5, fault.StateNotAllowed}, "none": {0, fault.Validation}, "many": {1001, fault.Validation}} {
		if _, err := w.Export(t.Context(), ada.By, key, c.most); !fault.Has(err, c.code) {
			t.Errorf("key %q, at most %d: %v, want %s", key, c.most, err, c.code)
		}
	}
	if _, err := w.Read(t.Context(), "export_none"); !fault.Has(err, fault.OtherNotFound) {
		t.Errorf("no export: %v", err)
	}
}

// An export of a program from before, which knew no gross, has its bytes still.
func TestExportFromBeforeGivesItsOwnBytes(t *testing.T) {
	w := newWorld(t)
	id := w.pending("node_a", address, 10)
	w.export("k")
	if _, err := w.pool.Exec(t.Context(), `WITH old AS (INSERT INTO payout_export (export_id, created_by, created_at) VALUES ('export_old', 'user_ada', now()))
		INSERT INTO payout_export_line (export_id, payout_no, retry_count, wallet_address, net_amount) SELECT 'export_old', payout_no, 1, wallet_address, net_amount FROM payout`); err != nil {
		t.Fatal(err)
	}
	e, err := w.Read(t.Context(), "export_old")
	if want := "payout_id,node_id,wallet_address,amount,currency\n" + id + ",node_a," + address + ",9.9,USDT\n"; err != nil || string(e.CSV()) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, e.CSV(), want)
	}
}

// failed lets two people say that a payout failed.
func (w *world) failed(id string) {
	w.Helper()
	if _, err := w.Report(w.Context(), ada.By, id, "the exchange refused it", "ticket 17"); err != nil {
		w.Fatal(err)
	}
	if _, err := w.Confirm(w.Context(), bob, id, w.reported(id)); err != nil {
		w.Fatal(err)
	}
}

// reported is the hash of what stands reported of a payout; "" for nothing.
func (w *world) reported(id string) string {
	w.Helper()
	f, err := w.Failure(w.Context(), id)
	if fault.Has(err, fault.OtherNotFound) {
		return ""
	} else if err != nil {
		w.Fatal(err)
	}
	return f.Hash()
}

// Between reading and confirming a report may be replaced by another one.
func TestConfirmedIsTheReportThatWasRead(t *testing.T) {
	w := newWorld(t)
	id, ctx := w.pending("node_a", address, 10), t.Context()
	w.export("k")
	if _, err := w.Failure(ctx, id); !fault.Has(err, fault.OtherNotFound) {
		t.Errorf("nothing is reported: %v", err)
	}
	report := func(by payout.Person, reason, proof string) string {
		t.Helper()
		if _, err := w.Report(ctx, by.By, id, reason, proof); err != nil {
			t.Fatal(err)
		}
		return w.reported(id)
	}
	eve := payout.Person{By: audit.By{Actor: "user_eve"}, Human: true}
	read := report(ada, "the exchange refused it", "ticket 17")
	for what, hash := range map[string]string{
		"another proof":  report(ada, "the exchange refused it", "none"),
		"another reason": report(ada, "timed out", "ticket 17"),
		"another person": report(eve, "the exchange refused it", "ticket 17"),
	} {
		if hash == read {
			t.Errorf("a report with %s has the same hash", what)
		}
	}
	for _, hash := range []string{read, "", strings.Repeat("0", 64)} {
		if _, err := w.Confirm(ctx, bob, id, hash); !fault.Has(err, fault.ChangedMeanwhile) {
			t.Errorf("confirmed %q, which is not what is reported: %v", hash, err)
		}
	}
	if p := w.get(id); p.Status != payout.Processing || w.balance(ledger.KindPayable, "node_a") != 0 {
		t.Errorf("%+v", p)
	}
	if p, err := w.Confirm(ctx, bob, id, w.reported(id)); err != nil || p.Status != payout.Failed {
		t.Errorf("%+v, %v", p, err)
	}
}

// A loss of others: a time-out was credited back, and then it was paid after
// all. So one person's word gives nothing back, nor does a word without proof.
func TestTimeOutIsNotCreditedBackOnOnePersonsWord(t *testing.T) {
	w := newWorld(t)
	id, ctx := w.pending("node_a", address, 10), t.Context()
	refused := func(what string, err error, code fault.Code) {
		t.Helper()
		if !fault.Has(err, code) {
			t.Errorf("%s: %v, want %s", what, err, code)
		}
		if got := w.balance(ledger.KindPayable, "node_a"); got != 0 {
			t.Errorf("%s: %s USDT were given back", what, got)
		}
	}
	_, err := w.Report(ctx, ada.By, id, "timed out", "screen shot")
	refused("reported before it was paid", err, fault.StateNotAllowed)
	w.export("k")
	_, err = w.Report(ctx, ada.By, id, "timed out", "")
	refused("without proof", err, fault.Validation)
	_, err = w.Report(ctx, ada.By, id, "", "screen shot")
	refused("without reason", err, fault.Validation)
	_, err = w.Confirm(ctx, bob, id, w.reported(id))
	refused("confirmed what nobody reported", err, fault.StateNotAllowed)
	if _, err = w.Report(ctx, ada.By, id, "timed out", "screen shot"); err != nil {
		t.Fatal(err)
	}
	_, err = w.Confirm(ctx, ada, id, w.reported(id))
	refused("by the same person", err, fault.RoleTooLow)
	_, err = w.Confirm(ctx, payout.Person{By: audit.By{Actor: "key_1"}}, id, w.reported(id))
	refused("by a key", err, fault.RoleTooLow)
	p, err := w.Confirm(ctx, bob, id, w.reported(id))
	if err != nil || p.Status != payout.Failed || *p.ErrorMessage != "timed out" || w.balance(ledger.KindPayable, "node_a") != ledger.USDT(10) {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := w.Confirm(ctx, bob, id, w.reported(id)); err == nil {
		t.Error("confirmed twice")
	}
	if _, err := w.payouts.Retry(ctx, ada.By, id); err != nil {
		t.Fatal(err)
	}
	w.export("again") // an earlier try's failure says nothing of this one
	if _, err = w.Confirm(ctx, bob, id, w.reported(id)); !fault.Has(err, fault.StateNotAllowed) {
		t.Errorf("the failure of an earlier try confirmed this one: %v", err)
	}
}

// The server ends our connection at each step of an export and of a
// confirmation, and at the commit itself. Nothing of the attempt stays, and the
// same call again does it once.
func TestKilledMidwayMovesNothingTwice(t *testing.T) {
	for name, trigger := range map[string]string{
		"payout":  "TRIGGER zz_kill AFTER UPDATE ON payout",
		"export":  "TRIGGER zz_kill AFTER INSERT ON payout_export",
		"line":    "TRIGGER zz_kill AFTER INSERT ON payout_export_line",
		"request": "TRIGGER zz_kill AFTER INSERT ON payout_request",
		"audit":   "TRIGGER zz_kill AFTER INSERT ON audit_entry",
		"failure": "TRIGGER zz_kill AFTER UPDATE ON payout_failure",
		"entry":   "TRIGGER zz_kill AFTER INSERT ON entry",
		"event":   "TRIGGER zz_kill AFTER INSERT ON event_outbox",
		"commit":  "CONSTRAINT TRIGGER zz_kill AFTER UPDATE ON payout DEFERRABLE INITIALLY DEFERRED",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id, ctx := w.pending("node_a", address, 10), t.Context()
			killed := func(run func() error) {
				t.Helper()
				exec(t, w, `CREATE FUNCTION kill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$`)
				exec(t, w, "CREATE "+trigger+" FOR EACH ROW EXECUTE FUNCTION kill()")
				before := w.get(id)
				if err := run(); err != nil && w.get(id).Status != before.Status {
					t.Errorf("a part of it stands: %s", w.get(id).Status)
				}
				exec(t, w, "DROP FUNCTION kill CASCADE")
				if err := run(); err != nil && !fault.Has(err, fault.StateNotAllowed) {
					t.Fatal(err)
				}
			}
			killed(func() error { _, err := w.Export(ctx, ada.By, "k", 10); return err })
			if _, err := w.Report(ctx, ada.By, id, "refused", "ticket"); err != nil {
				t.Fatal(err)
			}
			killed(func() error { _, err := w.Confirm(ctx, bob, id, w.reported(id)); return err })
			if p := w.get(id); p.Status != payout.Failed || w.balance(ledger.KindPayable, "node_a") != ledger.USDT(10) || w.balance(ledger.KindFeePending, "") != 0 {
				t.Errorf("%+v, payable %s", p, w.balance(ledger.KindPayable, "node_a"))
			}
			if a, err := ledger.Verify(ctx, w.pool); err != nil || a.Difference != "" || a.Entries != 3 {
				t.Errorf("the ledger: %+v, %v", a, err)
			}
		})
	}
}

func exec(t *testing.T, w *world, sql string) {
	t.Helper()
	if _, err := w.pool.Exec(context.WithoutCancel(t.Context()), sql); err != nil {
		t.Fatal(err)
	}
}
