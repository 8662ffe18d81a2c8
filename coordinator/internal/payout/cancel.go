package payout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout/sqlgen"
)

// While payouts are halted for what is MaybePaid, or will be as soon as somebody looks,
// no pending payout is cancelled: its amount would be paid a second time, and that it
// was paid could not be recorded any more. It waits for the lift; the gate keeps it
// until then.

// Cancel gives the money of a pending payout back to its node, or to the node's
// pools where its fraud was confirmed meanwhile.
func (s *Store) Cancel(ctx context.Context, by audit.By, payoutID string) (Payout, error) {
	return s.cancelFor(ctx, by, payoutID, "")
}

func (s *Store) cancelFor(ctx context.Context, by audit.By, payoutID, reason string) (Payout, error) {
	if err := s.look(ctx); err != nil {
		return Payout{}, err
	}
	return s.alone(ctx, func(tx db.Tx, at time.Time) (Payout, error) {
		if may, err := s.mayBePaid(ctx, tx); err != nil {
			return Payout{}, err
		} else if may {
			return Payout{}, fault.New(fault.NotCancellable, "payout %s may have been paid before the database forgot it: record that it was, or cancel it once "+
				"what halts payouts is lifted; docs/payouts.md says what to do", payoutID)
		}
		return cancel(ctx, tx, by, payoutID, reason, at, s.takeBack)
	})
}

// CancelForfeited gives what is still pending from before fraud of its node was
// confirmed to the node's pools, one by one: it could not be cancelled then, and
// whoever has started the node again would wait behind it. Until then every gate
// refuses it (withheld). While it may have been paid, it waits on.
func (s *Store) CancelForfeited(ctx context.Context) error {
	ids, failed := sqlgen.New(s.cfg.Pool).ForfeitedPending(ctx)
	for _, id := range ids {
		if _, err := s.cancelFor(ctx, audit.By{Actor: audit.System}, id, "fraud was confirmed after it was made"); err != nil && !fault.Has(err, fault.NotCancellable) {
			failed = errors.Join(failed, fmt.Errorf("cancel %s, made before fraud was confirmed: %w", id, err))
		}
	}
	return failed
}

// CancelPending cancels what a node has pending within the caller's
// transaction; what is processing goes on. What it gives back is the node's.
func (s *Store) CancelPending(ctx context.Context, tx db.Tx, by audit.By, nodeNo int32, reason string, at time.Time) error {
	if err := ledger.Lock(ctx, tx); err != nil {
		return err
	}
	if may, err := s.mayBePaid(ctx, tx); err != nil || may {
		return err
	}
	ids, err := sqlgen.New(tx).PendingOf(ctx, nodeNo)
	for _, id := range ids {
		if err == nil {
			_, err = cancel(ctx, tx, by, id, reason, at, nil)
		}
		if fault.Has(err, fault.NotCancellable) { // it was taken meanwhile
			err = nil
		}
	}
	return err
}

// cancel is the step; reason may be empty.
func cancel(ctx context.Context, tx db.Tx, by audit.By, payoutID, reason string, at time.Time, then follow) (Payout, error) {
	return move(ctx, tx, by, payoutID, step{from: Pending, to: Cancelled, refusal: fault.NotCancellable, flow: ledger.Void, then: then}, at, func(p *sqlgen.Payout) error {
		if reason != "" {
			p.ErrorMessage = &reason
		}
		return nil
	})
}
