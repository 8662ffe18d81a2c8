package node

import (
	"context"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/node/sqlgen"
)

// SetStatus moves a node to a status and opens its interval, within the
// caller's transaction. The same status for the same reason changes nothing, nor
// does any for a deleted node: it stays as it was deleted, whatever is found out
// of it later.
func SetStatus(ctx context.Context, tx db.Tx, nodeNo int32, status Status, reason string, at time.Time) error {
	before, err := sqlgen.New(tx).LockStatus(ctx, nodeNo)
	if err != nil || before.DeletedAt != nil || before.Status == string(status) && before.StatusReason == reason {
		return err
	}
	return enter(ctx, tx, nodeNo, before, standing{status, reason, nil}, at)
}

// standing is a status with why, and until when.
type standing struct {
	status Status
	reason string
	until  *time.Time // of a maintenance or suspension that lifts itself
}

// enter moves a locked node to a standing, also to another one of the same
// status.
func enter(ctx context.Context, tx db.Tx, nodeNo int32, before sqlgen.LockStatusRow, s standing, at time.Time) error {
	q := sqlgen.New(tx)
	from, err := q.CloseState(ctx, sqlgen.CloseStateParams{NodeNo: nodeNo, At: at})
	if err != nil {
		return err
	}
	if err := q.InsertState(ctx, sqlgen.InsertStateParams{NodeNo: nodeNo, Status: string(s.status), Reason: s.reason, FromAt: from}); err != nil {
		return err
	}
	err = q.UpdateStatus(ctx, sqlgen.UpdateStatusParams{
		NodeNo: nodeNo, Status: string(s.status), StatusReason: s.reason, UpdatedAt: at, StatusUntil: s.until,
	})
	if err != nil {
		return err
	}
	c := Changed{Change: changedStatus, Status: s.status, Reason: s.reason, Before: Status(before.Status), Online: before.Online}
	return event.Publish(ctx, tx, c.event(before.NodeID, before.PoolID, at))
}

// State is a node's status, why, and whether it is proven: it gave a valid
// proof under its present key, and no verdict took it out of work since.
type State struct {
	Status Status
	Reason string
	Proven bool
}

// StateOf reads a node's state and locks it within the caller's transaction.
func StateOf(ctx context.Context, tx db.Tx, nodeNo int32) (State, error) {
	row, err := sqlgen.New(tx).LockStatus(ctx, nodeNo)
	return State{Status(row.Status), row.StatusReason, row.Proven}, err
}

// SetProven stores whether a node is proven, within the caller's transaction.
func SetProven(ctx context.Context, tx db.Tx, nodeNo int32, proven bool) error {
	return sqlgen.New(tx).SetProven(ctx, sqlgen.SetProvenParams{NodeNo: nodeNo, Proven: proven})
}

// Park takes a locked node out of work for a reason, within the caller's
// transaction. A command that it had not confirmed is given up.
func Park(ctx context.Context, tx db.Tx, nodeNo int32, reason string, at time.Time) error {
	if err := sqlgen.New(tx).SupersedeCommands(ctx, sqlgen.SupersedeCommandsParams{NodeNo: nodeNo, At: at}); err != nil {
		return err
	}
	return SetStatus(ctx, tx, nodeNo, Inactive, reason, at)
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
