package node

import (
	"context"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/node/sqlgen"
)

// SetStatus moves a node to a status and opens its interval, within the
// caller's transaction. The same status again changes nothing.
func SetStatus(ctx context.Context, tx db.Tx, nodeNo int32, status Status, reason string, at time.Time) error {
	q := sqlgen.New(tx)
	before, err := q.LockStatus(ctx, nodeNo)
	if err != nil || before.Status == string(status) {
		return err
	}
	from, err := q.CloseState(ctx, sqlgen.CloseStateParams{NodeNo: nodeNo, At: at})
	if err != nil {
		return err
	}
	if err := q.InsertState(ctx, sqlgen.InsertStateParams{NodeNo: nodeNo, Status: string(status), Reason: reason, FromAt: from}); err != nil {
		return err
	}
	err = q.UpdateStatus(ctx, sqlgen.UpdateStatusParams{NodeNo: nodeNo, Status: string(status), StatusReason: reason, UpdatedAt: at})
	if err != nil {
		return err
	}
	c := Changed{Change: changedStatus, Status: status, Reason: reason, Before: Status(before.Status), Online: before.Online}
	return event.Publish(ctx, tx, c.event(before.NodeID, before.PoolID, at))
}

// StatusOf reads a node's status and its reason and locks them within the
// caller's transaction.
func StatusOf(ctx context.Context, tx db.Tx, nodeNo int32) (status Status, reason string, err error) {
	row, err := sqlgen.New(tx).LockStatus(ctx, nodeNo)
	return Status(row.Status), row.StatusReason, err
}

// SetScore stores a node's score (1e9 = 100 points) within the caller's
// transaction.
func SetScore(ctx context.Context, tx db.Tx, nodeNo int32, scoreNano int64) error {
	return sqlgen.New(tx).SetScore(ctx, sqlgen.SetScoreParams{NodeNo: nodeNo, PootScore: scoreNano})
}

// SetPool stores which pool a node is in; nil for none.
func SetPool(ctx context.Context, tx db.Tx, nodeNo int32, poolNo *int32, at time.Time) error {
	return sqlgen.New(tx).SetPool(ctx, sqlgen.SetPoolParams{NodeNo: nodeNo, PoolNo: poolNo, UpdatedAt: at})
}
