package fraud

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/fraud/sqlgen"
	"lucid.internal/coordinator/internal/ledger"
)

// holdAll holds every node whose open flags ask for it, moves what a held node
// earned while its hold was made, and takes what a barred one has.
func (s *Store) holdAll(ctx context.Context) error {
	rows, err := sqlgen.New(s.cfg.Pool).Marks(ctx)
	if err != nil {
		return fmt.Errorf("read open flags: %w", err)
	}
	marks := map[int32][]mark{}
	var order []int32
	for _, r := range rows {
		if len(marks[r.NodeNo]) == 0 {
			order = append(order, r.NodeNo)
		}
		marks[r.NodeNo] = append(marks[r.NodeNo], mark{Layer(r.Layer), Severity(r.Severity), r.At})
	}
	var failed error
	for _, no := range order {
		if holds(marks[no]) {
			failed = errors.Join(failed, s.hold(ctx, no))
		}
	}
	escaped, err := sqlgen.New(s.cfg.Pool).Escaped(ctx)
	if err != nil {
		return errors.Join(failed, fmt.Errorf("read who is held and was paid meanwhile: %w", err))
	}
	for _, no := range escaped {
		failed = errors.Join(failed, s.holdEscaped(ctx, no))
	}
	return errors.Join(failed, s.forfeitLate(ctx))
}

// hold puts a node's money out of reach: pending payouts are cancelled, and
// what is payable becomes held, in one transaction.
func (s *Store) hold(ctx context.Context, nodeNo int32) error {
	now := s.cfg.Now()
	var moved ledger.Amount
	var nodeID string
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		if err := ledger.Lock(ctx, tx); err != nil { // before everything else, as all do who move money
			return err
		}
		q := sqlgen.New(tx)
		open, err := marksOf(ctx, q, nodeNo)
		if err != nil || !holds(open) {
			return err // decided meanwhile
		}
		holdNo, err := q.OpenHold(ctx, sqlgen.OpenHoldParams{NodeNo: nodeNo, At: now})
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		if err := s.cfg.CancelPayouts(ctx, tx, audit.By{Actor: audit.System}, nodeNo, "held for suspected fraud", now); err != nil {
			return err
		}
		names, err := namesOf(ctx, q, []int32{nodeNo})
		if err != nil {
			return err
		}
		nodeID = names[nodeNo].nodeID
		if moved, err = moveToHeld(ctx, tx, holdNo, nodeID, now); err != nil {
			return err
		}
		c := Changed{Change: changeHeld, Summary: fmt.Sprintf("%s USDT are held until its flags are decided", moved)}
		if err := event.Publish(ctx, tx, names[nodeNo].event(c, now)); err != nil {
			return err
		}
		by := audit.By{Actor: audit.System}
		return audit.Write(ctx, tx, by.Record("fraud.hold", nodeID, nil, map[string]any{"moved": moved}).AtTime(now))
	})
	if err != nil {
		return fmt.Errorf("hold node %d: %w", nodeNo, err)
	}
	if nodeID != "" {
		s.cfg.Logger.Warn("node held for suspected fraud", "node_id", nodeID, "usdt", moved)
	}
	return nil
}

func marksOf(ctx context.Context, q *sqlgen.Queries, nodeNo int32) ([]mark, error) {
	rows, err := q.MarksOf(ctx, nodeNo)
	marks := make([]mark, len(rows))
	for i, r := range rows {
		marks[i] = mark{Layer(r.Layer), Severity(r.Severity), r.At}
	}
	return marks, err
}

func moveToHeld(ctx context.Context, tx db.Tx, holdNo int64, nodeID string, at time.Time) (ledger.Amount, error) {
	payable, err := ledger.Balance(ctx, tx, ledger.Account{Kind: ledger.KindPayable, Owner: nodeID})
	if err != nil || payable == 0 {
		return 0, err
	}
	_, err = ledger.Post(ctx, tx, ledger.Hold(refOf(holdNo, at), at, nodeID, payable))
	return payable, err
}

// refOf names an entry of a hold, which may move money more than once.
func refOf(holdNo int64, at time.Time) string {
	return fmt.Sprintf("fraud_hold_%d/%s", holdNo, at.UTC().Format(time.RFC3339Nano))
}

// holdEscaped moves what became payable beside the hold: an epoch that was
// being closed, or a payout that failed.
func (s *Store) holdEscaped(ctx context.Context, nodeNo int32) error {
	now := s.cfg.Now()
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		if err := ledger.Lock(ctx, tx); err != nil {
			return err
		}
		q := sqlgen.New(tx)
		holdNo, err := q.LockHold(ctx, nodeNo)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // decided meanwhile
		} else if err != nil {
			return err
		}
		names, err := namesOf(ctx, q, []int32{nodeNo})
		if err != nil {
			return err
		}
		_, err = moveToHeld(ctx, tx, holdNo, names[nodeNo].nodeID, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("hold what node %d earned meanwhile: %w", nodeNo, err)
	}
	return nil
}
