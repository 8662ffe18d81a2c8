package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/node/sqlgen"
	"lucid.internal/shared/wire"
)

// SetInventory stores what a node's machine says it is. One that is another
// board than the node enrolled with, its card moved or copied, is told of when
// it first says so; a board without a serial number proves nothing.
func (s *Store) SetInventory(ctx context.Context, nodeNo int32, inv *wire.Inventory) error {
	body, err := json.Marshal(inv)
	if err != nil {
		return fmt.Errorf("inventory of node %d: %w", nodeNo, err)
	}
	return db.InTx(ctx, s.Pool, func(tx db.Tx) error {
		q, now := sqlgen.New(tx), s.Now()
		board, err := q.LockBoard(ctx, nodeNo)
		if err != nil {
			return err
		}
		err = q.SetInventory(ctx, sqlgen.SetInventoryParams{
			NodeNo: nodeNo, Inventory: body, AgentVersion: inv.AgentVersion, UpdatedAt: now,
		})
		if err != nil || !movedTo(inv.SerialHash, board.Enrolled, board.Told) {
			return err
		}
		return tellBoard(ctx, tx, nodeNo, inv.SerialHash, now)
	})
}

// tellBoard publishes that a node runs on another board, and whose it is.
func tellBoard(ctx context.Context, tx db.Tx, nodeNo int32, serialHash string, now time.Time) error {
	q := sqlgen.New(tx)
	n, err := q.LockStatus(ctx, nodeNo)
	if err != nil {
		return err
	}
	seen := "it runs on another board than it enrolled with"
	switch owner, err := q.NodeBySerial(ctx, sqlgen.NodeBySerialParams{SerialHash: serialHash, NodeNo: nodeNo}); {
	case err == nil:
		seen = "it runs on the board of " + owner.NodeID
	case !errors.Is(err, pgx.ErrNoRows):
		return err
	}
	c := Changed{Change: changedBoard, Status: Status(n.Status), Reason: seen, Online: n.Online}
	return event.Publish(ctx, tx, c.event(n.NodeID, n.PoolID, now))
}

// credible is a version that an agent claims to know, or 0 if none of ours can be
// so high: ours are times, and one that leaves none above it would use them up.
// Which clock they are of is not asked, since a machine that a backup is restored
// onto may have another.
func credible(version uint64) int64 {
	if version > wire.MaxVersion/2 {
		return 0
	}
	return int64(version)
}

// SetAgent stores what the live session's status message says; one of an older
// session changes nothing. The node reads its commands by now: one that waits
// for it is sent (again).
func (s *Store) SetAgent(ctx context.Context, nodeNo int32, session uint64, status *wire.Status) error {
	q := sqlgen.New(s.Pool)
	newest, err := q.SetAgent(ctx, sqlgen.SetAgentParams{
		NodeNo: nodeNo, SessionNo: int64(session), AgentVersion: status.AgentVersion, BootID: status.BootID,
		AgentStopped: status.State == wire.StateStopped, AgentConfig: credible(status.ConfigVersion), AgentCommand: credible(status.CommandVersion),
		AtMs: s.Now().UnixMilli(),
	})
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !status.Online {
		return nil
	} else if err != nil {
		return err
	}
	if int64(status.KeyEpoch) > int64(newest) {
		if err := s.renewOldKey(ctx, nodeNo, status.KeyEpoch); err != nil {
			return err
		}
	}
	waiting, err := q.SendAgain(ctx, nodeNo)
	if err != nil || waiting == 0 {
		return err
	}
	// What another node was not sent is no trouble of this one; it is tried
	// again every second.
	_ = s.sendCommands(ctx)
	return nil
}
