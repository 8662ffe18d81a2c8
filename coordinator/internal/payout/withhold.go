package payout

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout/sqlgen"
)

// withheld says why a payout must not be paid, whatever its status; "" when it
// may. By it go approving, taking, signing, signing again and retrying. That money
// has left is recorded all the same.
func (s *Store) withheld(ctx context.Context, tx db.Tx, row sqlgen.LockPayoutRow) (why string, err error) {
	if row.Forfeited {
		return "fraud of " + row.NodeID + " was confirmed after " + row.Payout.PayoutID + " was made, whose amount goes back to the pools", nil
	}
	held, err := s.cfg.Held(ctx, tx, []int32{row.Payout.NodeNo})
	if err != nil {
		return "", fmt.Errorf("ask who is held: %w", err)
	}
	if held[row.Payout.NodeNo] {
		return row.NodeID + " is held: nothing is paid to it", nil
	}
	return "", nil
}

// mayPay is withheld as a refusal.
func (s *Store) mayPay(ctx context.Context, tx db.Tx, row sqlgen.LockPayoutRow) error {
	why, err := s.withheld(ctx, tx, row)
	if err == nil && why != "" {
		err = fault.New(fault.Held, "%s", why)
	}
	return err
}

// MayPay is fault.Held when a payout must not be paid, whatever its status. A rail
// asks within the transaction that writes down what it signed.
func (s *Store) MayPay(ctx context.Context, tx db.Tx, payoutID string) error {
	row, err := sqlgen.New(tx).LockPayout(ctx, sqlgen.LockPayoutParams{PayoutID: payoutID, At: s.cfg.Now()})
	if err != nil {
		return notFound(payoutID, err)
	}
	return s.mayPay(ctx, tx, row)
}

// FailWithheld fails a processing payout as Fail does if it must not be paid any
// more, and reports whether it did. No hold begins or ends until the transaction
// does.
func (s *Store) FailWithheld(ctx context.Context, tx db.Tx, by audit.By, payoutID string) (failed bool, err error) {
	if err := ledger.Lock(ctx, tx); err != nil { // before any other lock
		return false, err
	}
	at := s.cfg.Now()
	row, err := sqlgen.New(tx).LockPayout(ctx, sqlgen.LockPayoutParams{PayoutID: payoutID, At: at})
	if err != nil {
		return false, notFound(payoutID, err)
	}
	why, err := s.withheld(ctx, tx, row)
	if err != nil || why == "" {
		return false, err
	}
	_, err = s.Fail(ctx, tx, by, payoutID, "withheld before it was sent: "+why, at)
	return err == nil, err
}

// takeBack takes what a forfeited payout gave back to its node.
func (s *Store) takeBack(ctx context.Context, tx db.Tx, row sqlgen.LockPayoutRow, at time.Time) error {
	if !row.Forfeited {
		return nil
	}
	p := row.Payout
	return s.cfg.TakeBack(ctx, tx, p.NodeNo, row.NodeID, attemptRef(p.PayoutID, p.RetryCount), ledger.Amount(p.Amount), p.CreatedAt, at)
}
