package payout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/payout/sqlgen"
)

// Rail is a way by which money leaves.
type Rail string

// Rails.
const (
	Manual Rail = "manual" // an operator pays elsewhere and records it
	TRON   Rail = "tron"
)

// Take moves the next payouts of the queue, at most so many, from pending to
// processing within the caller's transaction, and fixes the address that each
// is paid to: the node's effective one now. They are the rail's from then on; it
// settles or fails each.
//
// Left pending is what is scheduled for later, what belongs to a node that is
// held or has no address now, what was approved for another address, and what was
// made before fraud of its node was confirmed. While payouts are halted, Take is
// fault.StateNotAllowed.
func (s *Store) Take(ctx context.Context, tx db.Tx, by audit.By, rail Rail, most int) ([]Payout, error) {
	if err := passGate(ctx, tx); err != nil {
		return nil, err
	}
	at := s.cfg.Now()
	rows, err := s.lockPayable(ctx, tx, most, at)
	if err != nil {
		return nil, fmt.Errorf("take payouts: %w", err)
	}
	taken := make([]Payout, len(rows))
	for i, row := range rows {
		if taken[i], err = begin(ctx, tx, row.Payout, row.NodeID, row.Address, rail, at); err != nil {
			return nil, fmt.Errorf("take %s: %w", row.Payout.PayoutID, err)
		}
	}
	for i, p := range taken { // last: the log's turn is taken once
		if err := record(ctx, tx, by, payoutOf(rows[i].Payout, rows[i].NodeID), p); err != nil {
			return nil, err
		}
	}
	return taken, nil
}

// lockPayable locks the first payouts of the queue that can be paid now. Nodes
// that cannot are few, so asking again without them ends soon.
func (s *Store) lockPayable(ctx context.Context, tx db.Tx, most int, at time.Time) ([]sqlgen.LockQueueRow, error) {
	leftOut := []int32{}
	for {
		rows, err := sqlgen.New(tx).LockQueue(ctx, sqlgen.LockQueueParams{At: at, LeftOut: leftOut, Most: int32(most)})
		if err != nil {
			return nil, err
		}
		nodeNos := make([]int32, len(rows))
		for i, row := range rows {
			nodeNos[i] = row.Payout.NodeNo
		}
		held, err := s.cfg.Held(ctx, tx, nodeNos)
		if err != nil {
			return nil, fmt.Errorf("ask who is held: %w", err)
		}
		known := len(leftOut)
		for _, row := range rows {
			if held[row.Payout.NodeNo] || row.Forfeited || s.cfg.checkPayee(row.Payout, row.Address) != nil {
				leftOut = append(leftOut, row.Payout.NodeNo)
			}
		}
		if len(leftOut) == known {
			return rows, nil
		}
	}
}

// TakeOne takes one payout as Take does, wherever it stands in the queue.
func (s *Store) TakeOne(ctx context.Context, tx db.Tx, by audit.By, rail Rail, payoutID string) (Payout, error) {
	if err := passGate(ctx, tx); err != nil {
		return Payout{}, err
	}
	at := s.cfg.Now()
	row, err := sqlgen.New(tx).LockPayout(ctx, sqlgen.LockPayoutParams{PayoutID: payoutID, At: at})
	if err != nil {
		return Payout{}, notFound(payoutID, err)
	}
	if err := s.mayStart(ctx, tx, row, at); err != nil {
		return Payout{}, err
	}
	after, err := begin(ctx, tx, row.Payout, row.NodeID, row.Address, rail, at)
	if err != nil {
		return Payout{}, err
	}
	return after, record(ctx, tx, by, payoutOf(row.Payout, row.NodeID), after)
}

// Start takes one payout for the manual rail, and gives it only when that is
// remembered.
func (s *Store) Start(ctx context.Context, by audit.By, payoutID string) (Payout, error) {
	if err := s.Remember(ctx); err != nil {
		return Payout{}, err
	}
	after, err := s.alone(ctx, func(tx db.Tx, _ time.Time) (Payout, error) { return s.TakeOne(ctx, tx, by, Manual, payoutID) })
	if err != nil {
		return Payout{}, err
	}
	err = s.RememberThat(ctx, "that "+payoutID+" began to be paid", func(ctx context.Context, tx db.Tx) (bool, error) { return began(ctx, tx, payoutID) })
	if fault.Has(err, fault.StateNotAllowed) {
		return Payout{}, err
	} else if err != nil {
		return Payout{}, fmt.Errorf("%s is %s, but do not pay it yet: %w; mend that, and wait until the coordinator is ready", payoutID, after.Status, err)
	}
	return after, nil
}

// began reports whether the database holds that a payout began to be paid,
// whatever became of it since.
func began(ctx context.Context, tx db.Tx, payoutID string) (bool, error) {
	row, err := sqlgen.New(tx).Payout(ctx, payoutID)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return row.Payout.ProcessedAt != nil, err
}

// mayStart says why a payout cannot begin to be paid now.
func (s *Store) mayStart(ctx context.Context, tx db.Tx, row sqlgen.LockPayoutRow, at time.Time) error {
	p := row.Payout
	switch {
	case Status(p.Status) != Pending:
		return fault.New(fault.StateNotAllowed, "payout %s is %s; only a pending one begins to be paid", p.PayoutID, p.Status)
	case p.NeedsApproval && p.ApprovedAt == nil:
		return fault.New(fault.StateNotAllowed, "payout %s waits for the approval of a second person", p.PayoutID)
	case p.ScheduledAt != nil && p.ScheduledAt.After(at):
		return fault.New(fault.StateNotAllowed, "payout %s is scheduled for %s", p.PayoutID, p.ScheduledAt.UTC().Format(time.RFC3339))
	}
	if err := s.cfg.checkPayee(p, row.Address); err != nil {
		return fault.Wrap(fault.BadPayoutAddress, err, "%s cannot be paid now: %s", row.NodeID, err)
	}
	return s.mayPay(ctx, tx, row)
}

// checkPayee tells why a payout is not paid to the address of its node. Who
// approved it saw an address, and that alone was approved.
func (t Terms) checkPayee(p sqlgen.Payout, address string) error {
	if p.NeedsApproval && address != p.WalletAddress {
		return fmt.Errorf("its payout was approved for %s, which is not the address of the node any more: cancel it and make another", p.WalletAddress)
	}
	return t.checkAddress(address)
}

// begin makes a pending payout processing.
func begin(ctx context.Context, tx db.Tx, p sqlgen.Payout, nodeID, address string, rail Rail, at time.Time) (Payout, error) {
	by := string(rail)
	p.Status, p.Rail, p.WalletAddress, p.ProcessedAt, p.UpdatedAt = string(Processing), &by, address, &at, at
	return store(ctx, tx, p, nodeID)
}
