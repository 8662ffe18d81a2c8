package node

import (
	"context"
	"encoding/json"
	"fmt"

	"lucid.internal/coordinator/internal/node/sqlgen"
	"lucid.internal/shared/wire"
)

// SetInventory stores what a node's machine says it is.
func (s *Store) SetInventory(ctx context.Context, nodeNo int32, inv *wire.Inventory) error {
	body, err := json.Marshal(inv)
	if err != nil {
		return fmt.Errorf("inventory of node %d: %w", nodeNo, err)
	}
	return sqlgen.New(s.Pool).SetInventory(ctx, sqlgen.SetInventoryParams{
		NodeNo: nodeNo, Inventory: body, AgentVersion: inv.AgentVersion, UpdatedAt: s.Now(),
	})
}

// SetAgent stores what the live session's status message says; one of an older
// session changes nothing. The node reads its commands by now: one that waits
// for it is sent (again).
func (s *Store) SetAgent(ctx context.Context, nodeNo int32, session uint64, status *wire.Status) error {
	q := sqlgen.New(s.Pool)
	live, err := q.SetAgent(ctx, sqlgen.SetAgentParams{
		NodeNo: nodeNo, SessionNo: int64(session), AgentVersion: status.AgentVersion, BootID: status.BootID,
		AgentStopped: status.State == wire.StateStopped,
	})
	if err != nil || live == 0 || !status.Online {
		return err
	}
	waiting, err := q.SendAgain(ctx, nodeNo)
	if err != nil || waiting == 0 {
		return err
	}
	return s.sendCommands(ctx)
}
