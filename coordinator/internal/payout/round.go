package payout

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout/sqlgen"
	"lucid.internal/coordinator/internal/tron"
)

// Round makes a pending payout for every node that has earned enough.
type Round struct {
	cfg  Config
	made func(nodeID, payoutID string, gross, fee ledger.Amount)
}

// NewRound makes a Round of the store's payouts. made, if not nil, is told of
// every payout after its commit.
func NewRound(store *Store, made func(nodeID, payoutID string, gross, fee ledger.Amount)) *Round {
	if made == nil {
		made = func(string, string, ledger.Amount, ledger.Amount) {}
	}
	return &Round{store.cfg, made}
}

// RunOnce looks at every node whose payable earnings have reached the
// threshold. One that has no valid address, a live payout, or is held gets no
// payout; its earnings stay where they are. A node that fails does not stop
// the others.
func (r *Round) RunOnce(ctx context.Context) error {
	owners, err := ledger.OwnersAbove(ctx, r.cfg.Pool, ledger.KindPayable, r.cfg.Threshold)
	if err != nil || len(owners) == 0 {
		return err
	}
	payees, err := sqlgen.New(r.cfg.Pool).Payees(ctx, sqlgen.PayeesParams{NodeIds: owners, At: r.cfg.Now()})
	if err != nil {
		return fmt.Errorf("list nodes to pay: %w", err)
	}
	nodeNos := make([]int32, len(payees))
	for i, p := range payees {
		nodeNos[i] = p.NodeNo
	}
	var held map[int32]bool
	err = db.InTx(ctx, r.cfg.Pool, func(tx db.Tx) (err error) {
		held, err = r.cfg.Held(ctx, tx, nodeNos)
		return err
	})
	if err != nil {
		return fmt.Errorf("ask who is held: %w", err)
	}
	var errs []error
	for _, p := range payees {
		if held[p.NodeNo] {
			continue
		}
		if err := tron.CheckAddress(p.Address); err != nil {
			r.cfg.Logger.Warn("node cannot be paid", "node_id", p.NodeID, "error", err)
			continue
		}
		if err := r.pay(ctx, p.NodeNo, p.NodeID, p.Address); err != nil {
			errs = append(errs, fmt.Errorf("make a payout for %s: %w", p.NodeID, err))
		}
	}
	return errors.Join(errs...)
}

// pay makes the payout and sets its money aside in one transaction.
func (r *Round) pay(ctx context.Context, nodeNo int32, nodeID, address string) error {
	var made sqlgen.InsertPayoutParams
	err := db.InTx(ctx, r.cfg.Pool, func(tx db.Tx) error {
		made = sqlgen.InsertPayoutParams{}
		if err := ledger.Lock(ctx, tx); err != nil {
			return err
		}
		payable, err := ledger.Balance(ctx, tx, ledger.Account{Kind: ledger.KindPayable, Owner: nodeID})
		if err != nil || payable < r.cfg.Threshold {
			return err // paid meanwhile
		}
		gross, now := min(payable, r.cfg.MaxPayout), r.cfg.Now()
		fee := r.cfg.fee(gross)
		payout := sqlgen.InsertPayoutParams{
			PayoutID: "payout_" + strings.ToLower(rand.Text())[:20], NodeNo: nodeNo,
			Amount: int64(gross), Fee: int64(fee), NetAmount: int64(gross - fee), WalletAddress: address, At: now,
		}
		if _, err := sqlgen.New(tx).InsertPayout(ctx, payout); errors.Is(err, pgx.ErrNoRows) {
			return nil // another round was first
		} else if err != nil {
			return err
		}
		made = payout
		if _, err = ledger.Post(ctx, tx, ledger.Reserve(attemptRef(payout.PayoutID, 0), now, nodeID, gross-fee, fee)); err != nil {
			return err
		}
		return publishChange(ctx, tx, Payout{
			ID: payout.PayoutID, NodeID: nodeID, Status: Pending, Amount: gross, Fee: fee, NetAmount: gross - fee, UpdatedAt: now,
		})
	})
	if err == nil && made.PayoutID != "" {
		r.cfg.Logger.Info("payout pending", "payout_id", made.PayoutID, "node_id", nodeID,
			"gross_usdt", ledger.Amount(made.Amount), "fee_usdt", ledger.Amount(made.Fee))
		r.made(nodeID, made.PayoutID, ledger.Amount(made.Amount), ledger.Amount(made.Fee))
	}
	return err
}

// attemptRef names a try of a payout in the ledger: every retry reserves anew.
func attemptRef(payoutID string, retries int32) string {
	return fmt.Sprintf("%s/%d", payoutID, retries)
}
