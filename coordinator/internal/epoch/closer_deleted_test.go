package epoch_test

import (
	"testing"

	"lucid.internal/coordinator/internal/ledger"
)

// The epoch in which a pool was deleted is paid like any other, and is its
// last: what comes later costs nothing.
func TestDeletedPoolClosesTheEpochsItLivedIn(t *testing.T) {
	w := newWorld(t)
	poolNo := w.addPool("pool_a", 2_000_000, at(5))
	node := w.addNode("node_a", poolNo, at(-60))
	w.exec(`UPDATE pool_membership SET to_at = $2 WHERE node_no = $1`, node, at(70))
	w.exec(`UPDATE node SET pool_no = NULL WHERE node_no = $1`, node)
	w.exec(`UPDATE pool SET node_count = 0, deleted_at = $2 WHERE pool_no = $1`, poolNo, at(80))
	closer := w.closer()

	w.setNow(at(600)) // hours later, so that several epochs would be due at once
	w.run(closer)
	w.run(closer)
	if n := w.count("epoch"); n != 2 {
		t.Errorf("%d epochs closed, want those from 10:00 and 11:00", n)
	}
	w.wantBalance(ledger.KindPayable, "node_a", 4_000_000)
	w.wantBalance(ledger.KindPoolExpense, "pool_a", -4_000_000)
	w.wantSound()
}

func TestPoolDeletedAtAnEpochsEndHasNoFurtherOne(t *testing.T) {
	w := newWorld(t)
	poolNo := w.addPool("pool_a", 5, at(0))
	w.exec(`UPDATE pool SET deleted_at = $2 WHERE pool_no = $1`, poolNo, at(60))
	w.setNow(at(600))
	w.run(w.closer())
	if n := w.count("epoch"); n != 1 {
		t.Errorf("%d epochs closed, want 1", n)
	}
}
