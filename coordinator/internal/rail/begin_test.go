package rail

import (
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

// A payout that was taken, and whose payee cannot be paid any more, holds up
// neither another that was taken nor the queue.
func TestOnePayeeThatCannotBePaidHoldsUpNoOther(t *testing.T) {
	w := newFunded(t)
	barred, taken, queued := w.owe(1, ledger.USDT(100)), w.owe(2, ledger.USDT(100)), w.owe(3, ledger.USDT(100))
	err := db.InTx(t.Context(), w.pool, func(tx db.Tx) error {
		if _, err := w.payouts.TakePaid(t.Context(), tx, By(), payout.TRON, barred, "T-barred"); err != nil {
			return err
		}
		_, err := w.payouts.TakeOne(t.Context(), tx, By(), payout.TRON, taken)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.runOnce(); err == nil || !strings.Contains(err.Error(), barred) {
		t.Errorf("what cannot be paid is not told: %v", err)
	}
	w.run(20, 3)
	w.wantStatus(barred, payout.Processing)
	w.wantStatus(taken, payout.Completed)
	w.wantStatus(queued, payout.Completed)
	w.wantSound()
}

// One that nobody has approved yet is not next, however little the wallet holds.
func TestUnapprovedPayoutHoldsUpNoOther(t *testing.T) {
	w := newFunded(t)
	big, small := w.oweOnceApproved(1, ledger.USDT(10_001), true), w.owe(2, ledger.USDT(100))
	w.run(20, 3)
	w.wantStatus(big, payout.Pending)
	w.wantStatus(small, payout.Completed)
	w.wantSound()
}

// A clock that jumps ahead makes no address count before its time: nothing is
// taken while ours and the chain's are apart, and the address before is paid then.
func TestAClockThatJumpedTakesNothing(t *testing.T) {
	for _, jump := range []time.Duration{80 * time.Hour, -80 * time.Hour, maxDrift + 10*time.Second} {
		t.Run(jump.String(), func(t *testing.T) {
			w := newFunded(t)
			id := w.owe(1, ledger.USDT(100))
			_, err := w.pool.Exec(t.Context(), `UPDATE node SET payout_address_before = payout_address, payout_address = $1, payout_address_due = $2`,
				addressOf(9).String(), w.chain.Now().Add(72*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			w.ahead = jump
			if err := w.run(3, 1); err == nil || !strings.Contains(err.Error(), "from our clock") {
				t.Errorf("nobody is told: %v", err)
			}
			w.wantStatus(id, payout.Pending)
			w.ahead = 0
			w.wantPaidInTheEnd(id)
			w.wantReceived(9, 0)
		})
	}
}
