package rail

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain/chaintest"
)

// remembered is the newest entry of the audit log that the file beside the
// database knows.
func (w *world) remembered() (auditNo int64) {
	w.t.Helper()
	var h struct {
		AuditNo int64 `json:"audit_entry_no"`
	}
	text, err := os.ReadFile(w.head)
	if err == nil {
		err = json.Unmarshal(text, &h)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return h.AuditNo
}

// A standby that takes over without the last seconds, or a snapshot that is put
// back, must not sign again what was sent: that it was signed is known beside the
// database when the first byte of it leaves.
func TestASignatureIsRememberedBeforeItLeaves(t *testing.T) {
	w := newFunded(t)
	beside, err := pgxpool.New(t.Context(), w.owner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(beside.Close)
	sent := 0
	w.full.Faults = func(path string) chaintest.Answer {
		if strings.HasSuffix(path, "broadcasthex") {
			sent++
			var signed int64
			if err := beside.QueryRow(t.Context(), `SELECT max(entry_no) FROM audit_entry WHERE action = 'rail.sign'`).Scan(&signed); err != nil {
				t.Error(err)
			}
			if known := w.remembered(); known < signed {
				t.Errorf("sent: what is known ends at %d, the signature is %d", known, signed)
			}
		}
		return chaintest.Truth
	}
	id := w.owe(1, ledger.USDT(100))
	w.run(1, 0)
	if sent == 0 || query[int](w, `SELECT count(*) FROM audit_entry e JOIN rail_attempt a ON e.target = encode(a.tx_id, 'hex') WHERE e.action = 'rail.sign'`) != 1 {
		t.Errorf("%d transactions sent; the audit log does not name what was signed", sent)
	}
	w.run(20, 3)
	w.wantStatus(id, payout.Completed)
	w.wantSound()
}

// A database that lacks what it once knew signs nothing, by whatever it was
// restored.
func TestAForgetfulDatabaseSignsNothing(t *testing.T) {
	for name, known := range map[string]string{"older than the file": `{"audit_entry_no":1000,"audit_hash":"AAAA"}`, "without a file": ""} {
		t.Run(name, func(t *testing.T) {
			w := newFunded(t)
			id := w.owe(1, ledger.USDT(100))
			if err := os.Remove(w.head); err != nil {
				t.Fatal(err)
			}
			if known != "" {
				if err := os.WriteFile(w.head, []byte(known), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			w.run(3, 1)
			w.wantStatus(id, payout.Pending)
			w.wantKeptBackUntilLifted(id)
		})
	}
}

// spoiling does something while it signs.
type spoiling struct {
	testSigner
	meanwhile func()
}

func (s spoiling) Sign(ctx context.Context, raw []byte) (tron.Signature, error) {
	s.meanwhile()
	return s.testSigner.Sign(ctx, raw)
}

// What was signed and cannot be remembered stays here until it can.
func TestASignatureThatIsNotRememberedIsKeptBack(t *testing.T) {
	w := newFunded(t)
	id := w.owe(1, ledger.USDT(100))
	w.runner.cfg.Signer = spoiling{w.signer, func() {
		if err := errors.Join(os.Remove(w.head), os.Mkdir(w.head, 0o700)); err != nil { // a folder cannot be replaced by a file
			t.Error(err)
		}
	}}
	if err := w.run(3, 1); err == nil {
		t.Error("nobody is told")
	}
	if n := query[int](w, `SELECT count(*) FROM rail_attempt WHERE state = 'live'`); n != 1 || len(w.chain.Sent()) != 0 {
		t.Errorf("%d transactions signed, %d sent; want one that is kept back", n, len(w.chain.Sent()))
	}
	if err := os.Remove(w.head); err != nil {
		t.Fatal(err)
	}
	w.run(3, 3) // now it is not known what the database forgot
	w.wantKeptBackUntilLifted(id)
}

// lift lifts the one halt that there is.
func (w *world) lift() {
	w.t.Helper()
	halts, err := w.payouts.Stoppages(w.t.Context())
	if err != nil || len(halts) != 1 {
		w.t.Fatalf("halted by %v, %v", halts, err)
	}
	if err := w.payouts.Lift(w.t.Context(), byAdmin, halts[0].No); err != nil {
		w.t.Fatal(err)
	}
}

// wantKeptBackUntilLifted wants nothing to have been sent, and the payout to be paid
// once the halt is lifted.
func (w *world) wantKeptBackUntilLifted(payoutID string) {
	w.t.Helper()
	if n := len(w.chain.Sent()); n != 0 {
		w.t.Errorf("%d transactions sent", n)
	}
	w.lift()
	w.wantPaidInTheEnd(payoutID)
}

// forget puts a newer end of the audit log beside the database than it has.
func (w *world) forget() {
	w.t.Helper()
	if err := os.WriteFile(w.head, []byte(`{"audit_entry_no":1000,"audit_hash":"AAAA"}`), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// A standby takes over while a transaction is signed, without what was sent
// before: the new one does not leave, also not later, and is dead when payouts go
// on.
func TestWhatIsSignedInAForgetfulDatabaseNeverLeaves(t *testing.T) {
	w := newFunded(t)
	id := w.owe(1, ledger.USDT(100))
	w.runner.cfg.Signer = spoiling{w.signer, w.forget}
	w.run(3, 10)
	first := query[[]byte](w, `SELECT tx_id FROM rail_attempt`)
	w.chain.Advance(400)
	w.run(3, 10)
	w.wantStatus(id, payout.Processing)
	w.runner.cfg.Signer = w.signer
	w.wantKeptBackUntilLifted(id)
	for _, sent := range w.chain.Sent() {
		if sent == tron.ID(first) {
			t.Error("the first one left")
		}
	}
}

// A standby may hold all that was known before a transaction was signed, and not the
// transaction: it would sign another one.
func TestASignatureThatTheDatabaseForgotNeverLeaves(t *testing.T) {
	w := newFunded(t)
	id := w.owe(1, ledger.USDT(100))
	beside, err := pgxpool.New(t.Context(), w.owner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(beside.Close)
	forgotten := int64(0)
	w.runner.cfg.Now = func() time.Time { // it is asked after the commit, too
		if forgotten == 0 {
			done, err := beside.Exec(t.Context(), `SET session_replication_role = replica; DELETE FROM audit_entry WHERE action = 'rail.sign'; DELETE FROM rail_attempt`)
			if forgotten = done.RowsAffected(); err != nil {
				t.Error(err)
			}
		}
		return w.clock()
	}
	if err := w.run(1, 0); err == nil || !strings.Contains(err.Error(), "do not pay it") || forgotten != 1 {
		t.Errorf("%d attempts forgotten, %v", forgotten, err)
	}
	w.run(3, 3)
	w.wantKeptBackUntilLifted(id)
}

// What failed could have been paid by a transaction that the database forgot: its
// amount is not given back before somebody has looked.
func TestAForgetfulDatabaseGivesNothingBack(t *testing.T) {
	w := newFunded(t)
	w.chain.Fate = func(tron.ID) chaintest.Fate { return chaintest.Reverted }
	id := w.owe(1, ledger.USDT(100))
	w.run(1, 30)
	w.forget()
	w.run(3, 3)
	w.wantStatus(id, payout.Processing)
	w.lift()
	w.run(3, 3)
	w.wantStatus(id, payout.Failed)
	w.wantSound()
}
