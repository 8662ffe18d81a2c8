package payout

import (
	"context"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/payout/sqlgen"
)

// PassGate is fault.StateNotAllowed while payouts are halted, and keeps them
// from being halted until the transaction ends.
func PassGate(ctx context.Context, tx db.Tx) error { return passGate(ctx, tx) }

// TakePaid takes a pending payout of which it is proven that it was paid
// already, whatever else stands against paying it. A processing one is given
// back as it is.
func (s *Store) TakePaid(ctx context.Context, tx db.Tx, by audit.By, rail Rail, payoutID, address string) (Payout, error) {
	at := s.cfg.Now()
	row, err := sqlgen.New(tx).LockPayout(ctx, sqlgen.LockPayoutParams{PayoutID: payoutID, At: at})
	if err != nil {
		return Payout{}, notFound(payoutID, err)
	}
	before := payoutOf(row.Payout, row.NodeID)
	switch before.Status {
	case Processing:
		return before, nil
	case Pending:
	default:
		return Payout{}, fault.New(fault.StateNotAllowed, "payout %s is %s; only a pending or processing one can have been paid", payoutID, before.Status)
	}
	after, err := begin(ctx, tx, row.Payout, row.NodeID, address, rail, at)
	if err != nil {
		return Payout{}, err
	}
	return after, record(ctx, tx, by, before, after)
}
