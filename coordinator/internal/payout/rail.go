package payout

import (
	"context"
	"fmt"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
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

// FailHeld fails a processing payout as Fail does if its node is held, and
// reports whether it did. The money becomes payable, and so the hold's. No hold
// begins or ends until the transaction does.
func (s *Store) FailHeld(ctx context.Context, tx db.Tx, by audit.By, payoutID string) (failed bool, err error) {
	if err := ledger.Lock(ctx, tx); err != nil { // before any other lock
		return false, err
	}
	at := s.cfg.Now()
	row, err := sqlgen.New(tx).LockPayout(ctx, sqlgen.LockPayoutParams{PayoutID: payoutID, At: at})
	if err != nil {
		return false, notFound(payoutID, err)
	}
	held, err := s.cfg.Held(ctx, tx, []int32{row.Payout.NodeNo})
	if err != nil {
		return false, fmt.Errorf("ask who is held: %w", err)
	}
	if !held[row.Payout.NodeNo] {
		return false, nil
	}
	_, err = Fail(ctx, tx, by, payoutID, "held for suspected fraud before it was sent", at)
	return err == nil, err
}
