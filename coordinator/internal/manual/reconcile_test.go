package manual_test

import (
	"errors"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/manual"
	"lucid.internal/coordinator/internal/payout"
)

func TestReconciliationRecordsWhatPaid(t *testing.T) {
	w := newWorld(t)
	a, b := w.pending("node_a", address, 10), w.pending("node_b", address, 10)
	c, d := w.pending("node_c", otherAddress, 20), w.pending("node_d", address, 30)
	w.export("k")
	if _, err := w.payouts.Complete(t.Context(), ada.By, d, "ticket-9"); err != nil {
		t.Fatal(err)
	}
	transfers := []manual.Transfer{
		{TransactionHash: "ticket-1", WalletAddress: address, Amount: 9_900_000}, {TransactionHash: "ticket-1", WalletAddress: address, Amount: 9_900_000},
		{TransactionHash: "ticket-2", WalletAddress: address, Amount: 9_900_000}, {TransactionHash: "ticket-3", WalletAddress: address, Amount: 9_900_000},
		{TransactionHash: "ticket-4", WalletAddress: otherAddress, Amount: 20_000_000}, {TransactionHash: "ticket-9", WalletAddress: address, Amount: 29_700_000},
	}
	results := func(r manual.Reconciliation) string {
		list := make([]string, len(r.Matches))
		for i, m := range r.Matches {
			list[i] = strings.TrimSpace(string(m.Result) + " " + map[string]string{a: "a", b: "b", c: "c", d: "d"}[m.PayoutID])
		}
		return strings.Join(list, ", ")
	}
	for _, step := range []struct {
		record bool
		want   string
		unpaid int
	}{
		{false, "matched a, repeated, matched b, unknown, unknown, recorded d", 1},
		{true, "recorded a, repeated, recorded b, unknown, unknown, recorded d", 1},
		{true, "recorded a, repeated, recorded b, unknown, unknown, recorded d", 1},
	} {
		r, err := w.Reconcile(t.Context(), ada.By, transfers, step.record)
		if err != nil || results(r) != step.want || len(r.Unpaid) != step.unpaid || r.Unpaid[0].PayoutID != c {
			t.Errorf("record %t: %s, %v, %+v; want %s", step.record, results(r), err, r.Unpaid, step.want)
		}
	}
	if p := w.get(b); p.Status != payout.Completed || *p.TransactionHash != "ticket-2" {
		t.Errorf("%+v", p)
	}
	r, err := w.Reconcile(t.Context(), ada.By, []manual.Transfer{{TransactionHash: "ticket-9", WalletAddress: otherAddress, Amount: 29_700_000}}, true)
	if err != nil || results(r) != "differs d" || !strings.Contains(r.Matches[0].Note, "29.7 USDT to "+address) {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := w.Reconcile(t.Context(), ada.By, make([]manual.Transfer, 10_001), false); !fault.Has(err, fault.Validation) {
		t.Errorf("too long a list: %v", err)
	}
}

// The wallet spells the id of a payment in its own way; a line that names none
// stops the whole list.
func TestReconciliationKnowsTransactionsInWhateverCase(t *testing.T) {
	w := newWorld(t)
	a, b := w.pending("node_a", address, 10), w.pending("node_b", address, 10)
	w.export("k")
	id := strings.Repeat("0a1B", 16)
	list := func(hashes ...string) (transfers []manual.Transfer) {
		for _, hash := range hashes {
			transfers = append(transfers, manual.Transfer{TransactionHash: hash, WalletAddress: address, Amount: 9_900_000})
		}
		return transfers
	}
	if _, err := w.payouts.Complete(t.Context(), ada.By, a, id); err != nil {
		t.Fatal(err)
	}
	if _, err := w.pool.Exec(t.Context(), `UPDATE payout SET transaction_hash = $2 WHERE payout_id = $1`, a, "0x"+strings.ToUpper(id)); err != nil { // as before they were parsed
		t.Fatal(err)
	}
	r, err := w.Reconcile(t.Context(), ada.By, list(strings.ToUpper(id), strings.ToLower(id)), true)
	if err != nil || r.Matches[0].Result != manual.Recorded || r.Matches[0].PayoutID != a || r.Matches[1].Result != manual.Repeated || len(r.Unpaid) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = w.Reconcile(t.Context(), ada.By, list("ticket-1", "paid", id[:63]), true)
	if refused, is := errors.AsType[*fault.Error](err); !is || refused.Code != fault.Validation || len(refused.Fields) != 2 || refused.Fields[1].Name != "transfers[2].transaction_hash" {
		t.Errorf("%v", err)
	}
	if p := w.get(b); p.Status != payout.Processing {
		t.Errorf("%+v", p)
	}
}

// What was paid after the backup that was restored is pending; the wallet's list
// still tells of it, and counts while payouts are halted for that.
func TestReconciliationRecordsWhatARestoreForgot(t *testing.T) {
	w := newWorld(t)
	id := w.pending("node_a", address, 10)
	paid := []manual.Transfer{{TransactionHash: "ticket-1", WalletAddress: address, Amount: 9_900_000}}
	reconciled := func(want manual.Result) {
		t.Helper()
		if r, err := w.Reconcile(t.Context(), ada.By, paid, true); err != nil || r.Matches[0].Result != want {
			t.Errorf("%+v, %v; want %s", r, err, want)
		}
	}
	if err := w.payouts.Halt(t.Context(), ada.By, "a drill"); err != nil {
		t.Fatal(err)
	}
	reconciled(manual.Unknown)
	if err := w.payouts.Halt(t.Context(), ada.By, payout.HaltRestored); err != nil {
		t.Fatal(err)
	}
	reconciled(manual.Recorded)
	if p := w.get(id); p.Status != payout.Completed || p.Rail != payout.Manual {
		t.Errorf("%+v", p)
	}
}
