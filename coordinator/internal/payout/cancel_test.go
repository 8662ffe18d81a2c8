package payout_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/fraud"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

// forgotten lets payouts be halted since the database may have forgotten what was paid.
func (w *suspicious) forgotten() {
	w.t.Helper()
	if err := w.Halt(w.t.Context(), byTest, payout.HaltRestored); err != nil {
		w.t.Fatal(err)
	}
}

func (w *suspicious) wantStatus(payoutID string, want payout.Status) {
	w.t.Helper()
	if p, err := w.Get(w.t.Context(), payoutID); err != nil || p.Status != want {
		w.t.Errorf("%s is %s, %v; want %s", payoutID, p.Status, err, want)
	}
}

// What may have been paid is not given back, neither by people nor by the judge: it
// would be paid a second time.
func TestWhatMayHaveBeenPaidIsNotGivenBack(t *testing.T) {
	for name, judge := range map[string]func(*suspicious, int32){
		"held":      func(w *suspicious, no int32) { w.suspect(no) },
		"confirmed": (*suspicious).confirm,
	} {
		t.Run(name, func(t *testing.T) {
			w := newSuspicious(t)
			no, id := w.member("node_a")
			must(t)(w.approveAs("user_ada", id))
			w.forgotten()
			if _, err := w.Cancel(t.Context(), byTest, id); !fault.Has(err, fault.NotCancellable) || !strings.Contains(err.Error(), "may have been paid") {
				t.Errorf("cancelled: %v", err)
			}
			judge(w, no)
			w.judged()
			w.wantStatus(id, payout.Pending)
			w.wantBalance(ledger.KindInFlight, "node_a", ledger.USDT(99))
			must(t)(w.Complete(t.Context(), byTest, id, "ticket-1"))
			w.lift()
			w.judged()
			w.wantBalance(ledger.KindPaidOut, "node_a", ledger.USDT(99))
			w.wantBalance(ledger.KindPayable, "node_a", 0)
			w.wantSound()
		})
	}
}

// Neither is it before anybody has noted that the database lacks what was known of it.
func TestWhatMayHaveBeenPaidIsNotGivenBackBeforeTheHalt(t *testing.T) {
	for name, judge := range map[string]func(*suspicious, int32){
		"held":      func(w *suspicious, no int32) { w.suspect(no) },
		"confirmed": (*suspicious).confirm,
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "known-head.json")
			w := newSuspicious(t, knownIn(file))
			no, id := w.member("node_a")
			if err := os.WriteFile(file, []byte(`{"audit_entry_no":1000,"audit_hash":"AAAA"}`), 0o600); err != nil {
				t.Fatal(err)
			}
			judge(w, no)
			w.judged()
			w.wantStatus(id, payout.Pending)
			if list := w.halts(); len(list) != 0 {
				t.Errorf("halted by %+v", list)
			}
			if err := w.CancelForfeited(t.Context()); err != nil { // it looks by itself, and halts
				t.Error(err)
			}
			w.remember(file)
			w.wantStatus(id, payout.Pending)
			w.wantBalance(ledger.KindInFlight, "node_a", ledger.USDT(99))
			if list := w.halts(); len(list) != 1 || list[0].Reason != payout.HaltRestored {
				t.Errorf("halted by %+v", list)
			}
		})
	}
}

// What was approved after the backup is to be approved again before it is recorded
// as paid.
func TestForgottenApprovalIsAskedForBeforeAPaymentIsRecorded(t *testing.T) {
	w := newSuspicious(t)
	_, id := w.member("node_a")
	w.forgotten()
	refuse(t, fault.StateNotAllowed)(w.Complete(t.Context(), byTest, id, "ticket-1"))
	must(t)(w.approveAs("user_ada", id))
	must(t)(w.Complete(t.Context(), byTest, id, "ticket-1"))
}

// Who cancels asks by himself what the database forgot.
func TestCancelAsksWhatTheDatabaseForgot(t *testing.T) {
	w, file := newWorld(t), filepath.Join(t.TempDir(), "known-head.json")
	id := w.only(w.waiting("node_a")).ID
	if err := os.WriteFile(file, []byte(`{"audit_entry_no":1000,"audit_hash":"AAAA"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	refuse(t, fault.NotCancellable)(w.store(knownIn(file)).Cancel(t.Context(), byTest, id))
	if list := w.halts(); len(list) != 1 || list[0].Reason != payout.HaltRestored {
		t.Errorf("halted by %+v", list)
	}
	w.lift()
	must(t)(w.store().Cancel(t.Context(), byTest, id))
}

// Once somebody has found that it was not paid, it ends as it would have without a
// halt.
func TestWhatWaitedForTheLiftEndsAsItsNodeStands(t *testing.T) {
	type ending struct {
		judge    func(*suspicious, int32)
		then     func(*suspicious, string)
		want     payout.Status
		pool     ledger.Amount
		withNode ledger.Amount
	}
	dismiss := func(w *suspicious, _ string) {
		flag := fraud.Flag{No: query[int64](w.world, `SELECT max(flag_no) FROM fraud_flag`)}.ID()
		if _, err := w.fraud.Decide(t.Context(), byTest, flag, fraud.Dismissed, "it was not"); err != nil {
			t.Fatal(err)
		}
	}
	cancelled := func(w *suspicious, id string) {
		w.judged() // takes what the node has, not what waits
		w.wantStatus(id, payout.Pending)
		if err := w.CancelForfeited(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.judged()
		if p := must(t)(w.Get(t.Context(), id)); p.ErrorMessage == nil || *p.ErrorMessage != "fraud was confirmed after it was made" {
			t.Errorf("cancelled because of %v", p.ErrorMessage)
		}
	}
	for name, e := range map[string]ending{
		"held":      {judge: func(w *suspicious, no int32) { w.suspect(no) }, want: payout.Pending},
		"dismissed": {judge: func(w *suspicious, no int32) { w.suspect(no) }, then: dismiss, want: payout.Processing, withNode: ledger.USDT(100)},
		"confirmed": {judge: (*suspicious).confirm, then: cancelled, want: payout.Cancelled, pool: ledger.USDT(200)},
		"confirmed and started again": {
			judge: func(w *suspicious, no int32) { w.confirm(no); w.startAgain(no) },
			then:  cancelled, want: payout.Cancelled, pool: ledger.USDT(200),
		},
		"confirmed by another clock, which is behind, and started again": {
			judge: func(w *suspicious, no int32) {
				w.now = w.now.Add(-2 * time.Second)
				w.confirm(no)
				w.now = w.now.Add(2 * time.Second)
				w.startAgain(no)
			},
			then: cancelled, want: payout.Cancelled, pool: ledger.USDT(200),
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSuspicious(t)
			no, id := w.member("node_a")
			must(t)(w.approveAs("user_ada", id))
			w.forgotten()
			e.judge(w, no)
			w.lift()
			take := func() {
				w.inTx(func(tx db.Tx) error {
					_, err := w.Take(t.Context(), tx, byTest, payout.Manual, 9)
					return err
				})
			}
			take()
			w.wantStatus(id, payout.Pending)
			if e.then != nil {
				e.then(w, id)
				take()
			}
			w.wantStatus(id, e.want)
			w.wantBalance(ledger.KindUnallocated, "pool_gift", e.pool)
			w.wantBalance(ledger.KindPayable, "node_a", e.withNode)
			w.wantSound()
		})
	}
}
