package payout_test

import (
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

// pending is a store and the id of a pending payout of 10 USDT to node_a.
func pending(w *world) (store *payout.Store, nodeNo int32, id string) {
	w.t.Helper()
	nodeNo = w.addNode("node_a")
	w.earn("node_a", ledger.USDT(10))
	w.round()
	return w.store(), nodeNo, w.only(nodeNo).ID
}

// must takes the result of a step that is allowed.
func must(t *testing.T) func(payout.Payout, error) payout.Payout {
	return func(p payout.Payout, err error) payout.Payout {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

// refuse takes the result of a step that is not allowed.
func refuse(t *testing.T, code fault.Code) func(payout.Payout, error) {
	return func(_ payout.Payout, err error) {
		t.Helper()
		if !fault.Has(err, code) {
			t.Errorf("%v; want %s", err, code)
		}
	}
}

// fail tells that a payout failed, as a rail does.
func (w *world) fail(id, reason string) (p payout.Payout, err error) {
	err = db.InTx(w.t.Context(), w.pool, func(tx db.Tx) error {
		p, err = w.store().Fail(w.t.Context(), tx, byTest, id, reason, w.now)
		return err
	})
	return p, err
}

func TestCompletedPayout(t *testing.T) {
	w := newWorld(t)
	store, _, id := pending(w)
	ctx := t.Context()
	refuse(t, fault.PayoutNotFound)(store.Start(ctx, byTest, "payout_unknown"))
	refuse(t, fault.StateNotAllowed)(store.Complete(ctx, byTest, id, "c0ffee"))
	must(t)(store.Start(ctx, byTest, id))
	refuse(t, fault.NotCancellable)(store.Cancel(ctx, byTest, id))
	refuse(t, fault.Validation)(store.Complete(ctx, byTest, id, ""))
	p := must(t)(store.Complete(ctx, byTest, id, "c0ffee"))
	if p.Status != payout.Completed || *p.TransactionHash != "c0ffee" || p.CompletedAt == nil || p.ProcessedAt == nil {
		t.Errorf("%+v", p)
	}
	if again := must(t)(store.Get(ctx, id)); again.Status != payout.Completed || *again.TransactionHash != "c0ffee" || !again.CompletedAt.Equal(*p.CompletedAt) {
		t.Errorf("read again: %+v", again)
	}
	refuse(t, fault.StateNotAllowed)(w.fail(id, "late"))
	refuse(t, fault.StateNotAllowed)(store.Complete(ctx, byTest, id, "c0ffe2"))
	w.wantBalance(ledger.KindPaidOut, "node_a", 9_900_000)
	w.wantBalance(ledger.KindInFlight, "node_a", 0)
	w.wantBalance(ledger.KindPayable, "node_a", 0)
	w.wantBalance(ledger.KindFeeIncome, "", 100_000)
	w.wantBalance(ledger.KindFeePending, "", 0)
	w.wantSound()
}

func TestFailedPayoutIsRetriedThreeTimes(t *testing.T) {
	w := newWorld(t)
	store, no, id := pending(w)
	ctx := t.Context()
	refuse(t, fault.StateNotAllowed)(w.fail(id, "not even started"))
	refuse(t, fault.StateNotAllowed)(store.Retry(ctx, byTest, id))
	must(t)(store.Start(ctx, byTest, id))
	refuse(t, fault.Validation)(w.fail(id, ""))
	for try := range 3 {
		if p := must(t)(w.fail(id, "no energy")); *p.ErrorMessage != "no energy" || p.RetryCount != try {
			t.Errorf("%+v", p)
		}
		w.wantBalance(ledger.KindPayable, "node_a", ledger.USDT(10))
		w.wantBalance(ledger.KindFeePending, "", 0)
		if p := must(t)(store.Retry(ctx, byTest, id)); p.ErrorMessage != nil || p.Status != payout.Pending || p.ProcessedAt != nil {
			t.Errorf("%+v", p)
		}
		w.wantBalance(ledger.KindInFlight, "node_a", 9_900_000)
		must(t)(store.Start(ctx, byTest, id))
	}
	must(t)(w.fail(id, "no energy"))
	refuse(t, fault.StateNotAllowed)(store.Retry(ctx, byTest, id))
	w.round() // its money is free for another payout
	if live := w.listed(no, payout.Filter{Status: payout.Pending}); len(live) != 1 || live[0].ID == id {
		t.Errorf("%d live payouts", len(live))
	}
	w.wantSound()
}

func TestCancelledPayout(t *testing.T) {
	w := newWorld(t)
	store, _, id := pending(w)
	if p := must(t)(store.Cancel(t.Context(), byTest, id)); p.Status != payout.Cancelled {
		t.Errorf("%+v", p)
	}
	refuse(t, fault.NotCancellable)(store.Cancel(t.Context(), byTest, id))
	refuse(t, fault.StateNotAllowed)(store.Start(t.Context(), byTest, id))
	w.wantBalance(ledger.KindPayable, "node_a", ledger.USDT(10))
	w.wantBalance(ledger.KindInFlight, "node_a", 0)
	w.wantSound()
}

func TestRetryNeedsTheMoneyAndTheTurn(t *testing.T) {
	w := newWorld(t)
	store, _, id := pending(w)
	ctx := t.Context()
	must(t)(store.Start(ctx, byTest, id))
	must(t)(w.fail(id, "refused"))
	w.post(ledger.Hold("h", ten, "node_a", 1))
	refuse(t, fault.BalanceTooSmall)(store.Retry(ctx, byTest, id))
	w.post(ledger.Release("h", ten, "node_a", 1))
	w.round()
	if _, err := store.Retry(ctx, byTest, id); !fault.Has(err, fault.StateNotAllowed) || !strings.Contains(err.Error(), "another live payout") {
		t.Errorf("retry beside a live payout: %v", err)
	}
	w.wantSound()
}

// The database itself keeps a payout on its way.
func TestDatabaseRefusesOtherSteps(t *testing.T) {
	w := newWorld(t)
	w.addNode("node_a")
	w.earn("node_a", ledger.USDT(10))
	w.round()
	for sql, want := range map[string]string{
		`UPDATE payout SET status = 'completed', transaction_hash = 'x', completed_at = now()`: "from pending to completed",
		`UPDATE payout SET status = 'failed', error_message = 'x'`:                             "from pending to failed",
		`UPDATE payout SET amount = amount + 1, net_amount = net_amount + 1`:                   "never change",
		`UPDATE payout SET node_no = node_no + 1`:                                              "never change",
		`DELETE FROM payout`:                "append-only",
		`TRUNCATE payout CASCADE`:           "append-only",
		`UPDATE payout SET status = 'gone'`: "no allowed step",
		`INSERT INTO payout (payout_id, node_no, amount, fee, net_amount, wallet_address, created_at, updated_at)
			SELECT 'payout_2', node_no, 5, 1, 4, 'T', now(), now() FROM node`: "payout_live",
		`INSERT INTO payout (payout_id, node_no, amount, fee, net_amount, wallet_address, status, created_at, updated_at)
			SELECT 'payout_2', node_no, 5, 1, 4, 'T', 'failed', now(), now() FROM node`: "begins as pending",
		`INSERT INTO payout (payout_id, node_no, amount, fee, net_amount, wallet_address, created_at, updated_at)
			SELECT 'payout_2', node_no, 5, 1, 5, 'T', now(), now() FROM node`: "payout_check",
	} {
		if _, err := w.pool.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", sql, err, want)
		}
	}
}
