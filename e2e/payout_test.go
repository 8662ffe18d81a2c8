package e2e

import (
	"context"
	"testing"

	"lucid.internal/e2e/harness"
)

// payoutAddress is a TRON address whose checksum holds.
const payoutAddress = "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ"

// TestPayout lets this machine earn 25 USDT an epoch: once its vetting is
// over and 10 USDT are payable, a payout of that gross amount stands pending,
// with a fee of exactly 1 %.
func TestPayout(t *testing.T) {
	l := start(t, harness.Options{Agent: true, Args: []string{
		"--epoch", "10s", "--poot-interval", "2s", "--reward", "25", "--payout-address", payoutAddress,
	}})
	ctx := within(t, manyWaits)
	id := l.awaitOnline(ctx)
	type payout struct {
		Amount        float64 `json:"amount"`
		Fee           float64 `json:"fee"`
		NetAmount     float64 `json:"net_amount"`
		Status        string  `json:"status"`
		WalletAddress string  `json:"wallet_address"`
	}
	var list struct {
		Payouts []payout `json:"payouts"`
	}
	l.await(ctx, "a payout", func(ctx context.Context) error {
		if err := l.GetJSON(ctx, "/api/v1/nodes/"+id+"/payouts", &list); err != nil {
			return err
		}
		return unless(len(list.Payouts) > 0, "no payouts")
	})
	if p := list.Payouts[0]; p.Status != "pending" || p.WalletAddress != payoutAddress || p.Amount < 10 {
		t.Errorf("payout %+v", p)
	}
	// Exact figures come from the database: JSON numbers are read as floats here.
	if n := l.count("SELECT count(*) FROM payout WHERE fee <> amount / 100 OR net_amount <> amount - fee OR amount < 10000000"); n != 0 {
		t.Errorf("%d payouts break the rule of fee and threshold", n)
	}
	// In one statement: the next payout may come between two.
	const unreserved = `SELECT (SELECT sum(amount) FROM payout WHERE status = 'pending')::bigint
		- (SELECT coalesce(sum(balance), 0) FROM account WHERE kind IN ('in_flight', 'fee_pending') AND balance > 0)::bigint`
	if n := l.count(unreserved); n != 0 {
		t.Errorf("pending payouts sum to %d micro-USDT more than is reserved", n)
	}
	if sum := l.count(ledgerSum); sum != 0 {
		t.Errorf("postings sum to %d, want 0", sum)
	}
	l.stopCleanly()
}
