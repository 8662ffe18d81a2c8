package manual

import (
	"context"
	"fmt"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/manual/sqlgen"
	"lucid.internal/coordinator/internal/payout"
)

// Reconciliation is the wallet's list against ours.
type Reconciliation struct {
	Matches []Match // in the order of the transfers
	Unpaid  []Line  // being paid, and no transfer of the list pays them
}

// mostTransfers bounds one list.
const mostTransfers = 10_000

// Reconcile holds the wallet's outgoing transfers against the payouts. With
// record it also records each that pays one, in a transaction of its own: what
// is recorded stands, also when a later one cannot be.
func (s *Store) Reconcile(ctx context.Context, by audit.By, transfers []Transfer, record bool) (Reconciliation, error) {
	if len(transfers) > mostTransfers {
		return Reconciliation{}, fault.New(fault.Validation, "a list holds at most %d transfers, not %d", mostTransfers, len(transfers)).
			WithFields(fault.Field{Name: "transfers", Reason: "is too long"})
	}
	transfers, err := named(transfers)
	if err != nil {
		return Reconciliation{}, err
	}
	q := sqlgen.New(s.cfg.Pool)
	rows, err := q.Open(ctx, payout.MaybePaid())
	if err != nil {
		return Reconciliation{}, fmt.Errorf("list what is being paid: %w", err)
	}
	open := make([]Line, len(rows))
	for i, r := range rows {
		open[i] = Line{PayoutID: r.PayoutID, NodeID: r.NodeID, WalletAddress: r.WalletAddress, NetAmount: ledger.Amount(r.NetAmount)}
	}
	hashes := make([]string, len(transfers))
	for i, t := range transfers {
		hashes[i] = payout.SameTransaction(t.TransactionHash)
	}
	paid, err := q.Paid(ctx, hashes)
	if err != nil {
		return Reconciliation{}, fmt.Errorf("list what was paid: %w", err)
	}
	onRecord := make(map[string]Line, len(paid))
	for _, p := range paid {
		onRecord[p.Same] = Line{PayoutID: p.PayoutID, WalletAddress: p.WalletAddress, NetAmount: ledger.Amount(p.NetAmount)}
	}
	var r Reconciliation
	r.Matches, r.Unpaid = match(transfers, open, onRecord)
	if !record {
		return r, nil
	}
	for i, m := range r.Matches {
		if m.Result != Matched {
			continue
		}
		if _, err := s.cfg.Payouts.Complete(ctx, by, m.PayoutID, m.TransactionHash); err != nil {
			return r, fmt.Errorf("record transaction %s of %s: %w", m.TransactionHash, m.PayoutID, err)
		}
		r.Matches[i].Result = Recorded
	}
	return r, nil
}
