package rail

import (
	"testing"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

func TestPayoutIsPaidOnceAndBooked(t *testing.T) {
	w := newWorld(t, 1)
	id := w.owe(1, ledger.USDT(100))
	if err := w.run(20, 3); err != nil {
		t.Fatal(err)
	}
	w.wantStatus(id, payout.Completed)
	w.wantReceived(1, ledger.USDT(100))
	w.wantSound()
	w.wantEven()
	mined := w.chain.Mined()
	if len(mined) != 1 {
		t.Fatalf("%d transactions", len(mined))
	}
	if hash := query[string](w, `SELECT transaction_hash FROM payout WHERE payout_id = $1`, id); hash != mined[0].ID.String() {
		t.Errorf("transaction_hash %s, want %s", hash, mined[0].ID)
	}
	if fee := query[int64](w, `SELECT balance FROM account WHERE kind = 'trx_burnt'`); fee != mined[0].FeeSun || fee == 0 {
		t.Errorf("%d sun are booked as burnt, want %d", fee, mined[0].FeeSun)
	}
}
