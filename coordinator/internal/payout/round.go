package payout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
)

// Round makes a pending payout for every node that has earned enough.
type Round struct {
	store *Store
	made  func(nodeID, payoutID string, gross, fee ledger.Amount)
}

// NewRound makes a Round of the store's payouts. made, if not nil, is told of
// every payout after its commit.
func NewRound(store *Store, made func(nodeID, payoutID string, gross, fee ledger.Amount)) *Round {
	if made == nil {
		made = func(string, string, ledger.Amount, ledger.Amount) {}
	}
	return &Round{store, made}
}

// errSpent: the standing budget does not cover the next payout.
var errSpent = errors.New("the standing budget of automatic payouts is spent, or none is approved")

// RunOnce looks at every node whose payable earnings have reached the
// threshold, and pays within the standing budget. One that has no valid
// address, a live payout, or is held gets no payout; its earnings stay where
// they are. A node that fails does not stop the others.
func (r *Round) RunOnce(ctx context.Context) error {
	plan, err := r.store.PlanRound(ctx)
	if err != nil {
		return err
	}
	log := r.store.cfg.Logger
	var errs []error
	for _, l := range plan.Lines {
		if l.Refused != nil {
			level := slog.LevelDebug
			if l.Refused.Code == fault.BadPayoutAddress && l.WalletAddress != "" { // which nobody but its owner can mend
				level = slog.LevelWarn
			}
			log.Log(ctx, level, "no automatic payout", "node_id", l.NodeID, "reason", l.Refused.Message)
			continue
		}
		if err = r.pay(ctx, l.NodeID); errors.Is(err, errSpent) {
			log.Warn("automatic payouts wait: approve a standing budget, or make them by hand", "node_id", l.NodeID, "usdt", l.Amount)
			break
		} else if err != nil {
			errs = append(errs, fmt.Errorf("make a payout for %s: %w", l.NodeID, err))
		}
	}
	return errors.Join(errs...)
}

// pay makes the payout and sets its money aside in one transaction, by what is
// true then.
func (r *Round) pay(ctx context.Context, nodeID string) error {
	s, at := r.store, r.store.cfg.Now()
	var made []Payout
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		made = nil
		if err := ledger.Lock(ctx, tx); err != nil {
			return err
		}
		lines, err := s.lines(ctx, tx, []Request{{NodeID: nodeID, all: true}}, at)
		if err != nil || lines[0].Refused != nil {
			return err // paid or changed meanwhile
		}
		budget, err := readBudget(ctx, tx, at)
		if err != nil {
			return err
		}
		if lines[0].Amount > budget.Left() {
			return errSpent
		}
		if made, err = s.insert(ctx, tx, audit.System, nil, lines, at); err != nil {
			return err
		}
		by := audit.By{Actor: audit.System}
		return audit.Write(ctx, tx, by.Record("payout.create", made[0].ID, nil, traceOf(made[0])).AtTime(at))
	})
	if err != nil {
		return err
	}
	for _, p := range made {
		s.cfg.Logger.Info("payout pending", "payout_id", p.ID, "node_id", p.NodeID, "gross_usdt", p.Amount, "fee_usdt", p.Fee)
		r.made(p.NodeID, p.ID, p.Amount, p.Fee)
	}
	return nil
}
