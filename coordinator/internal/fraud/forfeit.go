package fraud

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/fraud/sqlgen"
	"lucid.internal/coordinator/internal/ledger"
)

// A confirmed flag means for money: all that the node has goes back to the pools
// that it came from, and so does what comes to it later of the time before: payouts
// from before that fail, or are cancelled only later (TakeBack), and shares of an
// epoch that was not closed yet (forfeitLate). Until somebody starts the node again
// it is barred: Held counts it, so nothing is paid to it. What has left stays paid.
// What it earns once it was started is its own.

// Held tells to which of the nodes nothing is paid, within the caller's
// transaction: they are suspected, or barred.
func Held(ctx context.Context, tx db.Tx, nodeNos []int32) (map[int32]bool, error) {
	if len(nodeNos) == 0 {
		return nil, nil
	}
	q, held := sqlgen.New(tx), make(map[int32]bool)
	suspected, err := q.Held(ctx, nodeNos)
	if err != nil {
		return nil, fmt.Errorf("read who is held: %w", err)
	}
	for _, no := range suspected {
		held[no] = true
	}
	barred, err := q.Barred(ctx, nodeNos)
	if err != nil {
		return nil, fmt.Errorf("read whose fraud is confirmed: %w", err)
	}
	for _, b := range barred {
		held[b.NodeNo] = true
	}
	return held, nil
}

// TakeBack takes what a payout gave back to its node from it, within the caller's
// transaction: the node's fraud was confirmed after the payout was made.
func TakeBack(ctx context.Context, tx db.Tx, nodeNo int32, nodeID, ref string, amount ledger.Amount, made, at time.Time) error {
	return forfeit(ctx, tx, nodeNo, nodeID, ref, amount, 0, made, at)
}

// forfeitAll takes all that a node has, and gives its sum.
func forfeitAll(ctx context.Context, tx db.Tx, nodeNo int32, nodeID, ref string, at time.Time) (ledger.Amount, error) {
	balances, err := ledger.Balances(ctx, tx, nodeID)
	if err != nil {
		return 0, err
	}
	payable, held := balances[ledger.KindPayable], balances[ledger.KindHeld]
	if payable+held == 0 {
		return 0, nil
	}
	return payable + held, forfeit(ctx, tx, nodeNo, nodeID, ref, payable, held, at, at)
}

// forfeit returns money of a node to the pools that it was earned in until a
// time, the newest earnings first.
func forfeit(ctx context.Context, tx db.Tx, nodeNo int32, nodeID, ref string, payable, held ledger.Amount, earnedUntil, at time.Time) error {
	q := sqlgen.New(tx)
	rows, err := q.Earned(ctx, sqlgen.EarnedParams{NodeNo: nodeNo, At: earnedUntil})
	if err != nil {
		return err
	}
	earned := make([]ledger.Returned, len(rows))
	for i, r := range rows {
		earned[i] = ledger.Returned{PoolID: r.PoolID, Amount: ledger.Amount(r.Share)}
	}
	last, err := q.LastPool(ctx, nodeNo)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	pools := origins(payable+held, earned, last)
	if pools == nil {
		return fault.New(fault.StateNotAllowed, "%s has %s USDT and was never in a pool that they could go back to", nodeID, payable+held)
	}
	_, err = ledger.Post(ctx, tx, ledger.Forfeit(ref, at, nodeID, payable, held, pools))
	return err
}

// forfeitLate takes what barred nodes have: shares of epochs that were closed,
// or being closed, when their fraud was confirmed. Payouts that wait are left to
// payout.Store.CancelForfeited, which knows them also of nodes that work again.
func (s *Store) forfeitLate(ctx context.Context) error {
	barred, err := sqlgen.New(s.cfg.Pool).Barred(ctx, []int32{})
	if err != nil {
		return fmt.Errorf("read whose fraud is confirmed: %w", err)
	}
	var failed error
	for _, b := range barred {
		if b.Has == 0 {
			continue
		}
		if err := s.forfeitOf(ctx, b.NodeNo); err != nil {
			failed = errors.Join(failed, fmt.Errorf("take back what %s earned before its fraud was confirmed: %w", b.NodeID, err))
		}
	}
	return failed
}

func (s *Store) forfeitOf(ctx context.Context, nodeNo int32) error {
	now := s.cfg.Now()
	return db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		if err := ledger.Lock(ctx, tx); err != nil {
			return err
		}
		barred, err := sqlgen.New(tx).Barred(ctx, []int32{nodeNo})
		if err != nil || len(barred) == 0 {
			return err // somebody started it meanwhile
		}
		nodeID := barred[0].NodeID
		moved, err := forfeitAll(ctx, tx, nodeNo, nodeID, nodeID+"/"+now.UTC().Format(time.RFC3339Nano), now)
		if err != nil || moved == 0 {
			return err
		}
		by := audit.By{Actor: audit.System}
		return audit.Write(ctx, tx, by.Record("fraud.forfeit", nodeID, nil, map[string]any{"moved": moved}).AtTime(now))
	})
}
