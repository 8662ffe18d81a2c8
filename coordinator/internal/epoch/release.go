package epoch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/epoch/sqlgen"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/ledger"
)

// release makes the held earnings of every node payable whose vetting has
// ended and that is under no suspicion.
func (c *Closer) release(ctx context.Context) error {
	owners, err := ledger.OwnersAbove(ctx, c.cfg.Pool, ledger.KindHeld, 1)
	if err != nil || len(owners) == 0 {
		return err
	}
	nodes, err := sqlgen.New(c.cfg.Pool).NodesByID(ctx, owners)
	if err != nil {
		return fmt.Errorf("list nodes with held earnings: %w", err)
	}
	nodeNos := make([]int32, len(nodes))
	for i, n := range nodes {
		nodeNos[i] = n.NodeNo
	}
	scores, err := c.cfg.scoresNow(ctx, nodeNos)
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range nodes {
		if score := scores[n.NodeNo]; !score.Vetted || score.Held {
			continue
		}
		var amount ledger.Amount
		err := db.InTx(ctx, c.cfg.Pool, func(tx db.Tx) (err error) {
			amount, err = releaseAll(ctx, tx, n.NodeID, c.cfg.Now())
			return err
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("release the held earnings of %s: %w", n.NodeID, err))
		} else if amount > 0 {
			c.cfg.Logger.Info("held earnings released", "node_id", n.NodeID, "usdt", amount)
		}
	}
	return errors.Join(errs...)
}

// releaseAll makes all held earnings of a node payable, within the caller's
// transaction, and gives their sum; 0 when there are none.
func releaseAll(ctx context.Context, tx db.Tx, nodeID string, at time.Time) (ledger.Amount, error) {
	if err := ledger.Lock(ctx, tx); err != nil {
		return 0, err
	}
	amount, err := ledger.Balance(ctx, tx, ledger.Account{Kind: ledger.KindHeld, Owner: nodeID})
	if err != nil || amount == 0 {
		return 0, err
	}
	if _, err = ledger.Post(ctx, tx, ledger.Release(nodeID+"/"+at.UTC().Format(time.RFC3339Nano), at, nodeID, amount)); err != nil {
		return 0, err
	}
	return amount, event.Publish(ctx, tx, event.Event{Kind: event.Payout, NodeID: nodeID, Body: Released{Change: "released", Amount: amount}, At: at})
}

func (c Config) scoresNow(ctx context.Context, nodeNos []int32) (scores map[int32]ScoreAt, err error) {
	err = db.InTx(ctx, c.Pool, func(tx db.Tx) error {
		scores, err = c.ScoreAsOf(ctx, tx, nodeNos, c.Now())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read scores: %w", err)
	}
	return scores, nil
}
