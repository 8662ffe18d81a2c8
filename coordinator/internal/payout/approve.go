package payout

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout/sqlgen"
)

// Person is who decides about money: a user who logged in.
type Person struct {
	audit.By
	Human bool // false for API keys and whatever else is no user of ours
}

// CheckSecond refuses who may not decide beside another one: a program, and the
// same person, also by an API key of theirs, or one that such a key made.
func CheckSecond(ctx context.Context, tx db.Tx, second Person, first string) error {
	if !second.Human {
		return fault.New(fault.RoleTooLow, "an API key decides nothing about money: log in as a user")
	}
	makers, err := sqlgen.New(tx).Makers(ctx, first)
	if err != nil {
		return fmt.Errorf("read who made %s: %w", first, err)
	}
	if second.Actor == first || slices.Contains(makers, second.Actor) {
		return fault.New(fault.RoleTooLow, "%s asked for it, and so cannot approve it: a second person must", first)
	}
	return nil
}

// namesOf are all under which whoever stands behind an actor can ask for money:
// limits count them together, or a new API key would begin anew.
func namesOf(ctx context.Context, q *sqlgen.Queries, actor string) ([]string, error) {
	makers, err := q.Makers(ctx, actor)
	if err != nil {
		return nil, fmt.Errorf("read who made %s: %w", actor, err)
	}
	names, err := q.Made(ctx, makers)
	if err != nil {
		return nil, fmt.Errorf("read the API keys of %s: %w", actor, err)
	}
	return names, nil
}

// Approve lets a payout that needs it be paid. Approving it again changes nothing.
func (s *Store) Approve(ctx context.Context, by Person, payoutID string) (Payout, error) {
	return s.alone(ctx, func(tx db.Tx, at time.Time) (Payout, error) {
		row, err := sqlgen.New(tx).LockPayout(ctx, sqlgen.LockPayoutParams{PayoutID: payoutID, At: at})
		if err != nil {
			return Payout{}, notFound(payoutID, err)
		}
		if !waitsForApproval(row.Payout) {
			return Payout{}, fault.New(fault.StateNotAllowed, "payout %s is %s and waits for no approval", payoutID, row.Payout.Status)
		}
		return s.approve(ctx, tx, by, row, at)
	})
}

// ApproveBatch approves every payout of a batch that waits for it.
func (s *Store) ApproveBatch(ctx context.Context, by Person, batchID string) (b Batch, err error) {
	at := s.cfg.Now()
	err = db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		if err := ledger.Lock(ctx, tx); err != nil { // nothing is cancelled meanwhile
			return err
		}
		if b, err = readBatch(ctx, tx, batchID); err != nil {
			return err
		}
		waiting := 0
		for _, p := range b.Payouts {
			row, err := sqlgen.New(tx).LockPayout(ctx, sqlgen.LockPayoutParams{PayoutID: p.ID, At: at})
			if err != nil {
				return notFound(p.ID, err)
			}
			if !waitsForApproval(row.Payout) {
				continue
			}
			waiting++
			if _, err := s.approve(ctx, tx, by, row, at); err != nil {
				return err
			}
		}
		if waiting == 0 {
			return fault.New(fault.StateNotAllowed, "no payout of %s waits for approval", batchID)
		}
		b, err = readBatch(ctx, tx, batchID)
		return err
	})
	return b, err
}

func waitsForApproval(p sqlgen.Payout) bool { return Status(p.Status) == Pending && p.NeedsApproval }

func (s *Store) approve(ctx context.Context, tx db.Tx, by Person, row sqlgen.LockPayoutRow, at time.Time) (Payout, error) {
	p := payoutOf(row.Payout, row.NodeID)
	if err := CheckSecond(ctx, tx, by, p.CreatedBy); err != nil || p.ApprovedBy != nil {
		return p, err
	}
	if err := s.mayPay(ctx, tx, row); err != nil {
		return Payout{}, err
	}
	before := traceOf(p)
	p.ApprovedBy, p.ApprovedAt, p.UpdatedAt = &by.Actor, &at, at
	err := sqlgen.New(tx).Approve(ctx, sqlgen.ApproveParams{PayoutNo: p.No, ApprovedBy: p.ApprovedBy, ApprovedAt: p.ApprovedAt})
	if err != nil {
		return Payout{}, fmt.Errorf("approve %s: %w", p.ID, err)
	}
	return p, audit.Write(ctx, tx, by.Record("payout.approve", p.ID, before, traceOf(p)).AtTime(at))
}
