package payout_test

import (
	"fmt"
	"testing"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

// thousand nodes with 30 USDT each to be paid, and a request for each.
func (w *world) thousand() []payout.Request {
	w.t.Helper()
	shares, requests := make([]ledger.Share, payout.MostInBatch), make([]payout.Request, payout.MostInBatch)
	for i := range shares {
		id := fmt.Sprintf("node_%d", i)
		shares[i], requests[i] = ledger.Share{NodeID: id, Amount: ledger.USDT(30)}, ask(id, 10)
	}
	w.exec(`INSERT INTO node (node_id, name, status, payout_address) SELECT 'node_' || n, 'node_' || n, 'active', $1 FROM generate_series(0, 999) n`, address)
	w.post(ledger.Accrue("gifts", ten, "pool_gift", shares, 0))
	return requests
}

// BenchmarkPlanOfThousand plans a full batch; BenchmarkReadOfThousand is what
// reading as many nodes and balances costs without any rule.
func BenchmarkPlanOfThousand(b *testing.B) {
	w := newWorld(b)
	requests, store := w.thousand(), w.store()
	for b.Loop() {
		if p, err := store.Plan(b.Context(), requests); err != nil || p.Payouts != len(requests) {
			b.Fatalf("%d payouts, %v", p.Payouts, err)
		}
	}
}

func BenchmarkReadOfThousand(b *testing.B) {
	w := newWorld(b)
	w.thousand()
	for b.Loop() {
		rows, err := w.pool.Query(b.Context(), `SELECT node_no, node_id, payout_address, balance FROM node JOIN account ON owner = node_id AND kind = 'payable'`)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for rows.Next() {
			n++
		}
		if rows.Close(); n != payout.MostInBatch {
			b.Fatal(n)
		}
	}
}

// A full batch is made in one transaction.
func TestThousandPayoutsInOneBatch(t *testing.T) {
	w := newWorld(t)
	batch, err := w.store().CreateBatch(t.Context(), byTest, "k", w.thousand())
	if err != nil || len(batch.Payouts) != 1000 || !batch.Payouts[0].NeedsApproval {
		t.Fatalf("%d payouts, %v", len(batch.Payouts), err)
	}
	w.wantBalance(ledger.KindFeePending, "", ledger.USDT(100))
	w.wantSound()
}
