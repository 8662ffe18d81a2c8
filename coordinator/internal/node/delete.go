package node

import (
	"context"
	"fmt"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node/sqlgen"
)

// Delete takes a node out of the fleet for good: its keys are revoked, its live
// connection is closed, its place and its name are free. What it proved, earned
// and was paid stays on record. Refused while money is on its way to it. ifVersions
// is as in Update.
func (s *Store) Delete(ctx context.Context, by audit.By, nodeID string, ifVersions []int64) error {
	err := db.InTx(ctx, s.Pool, func(tx db.Tx) error { return s.deleteTx(ctx, tx, by, nodeID, ifVersions) })
	if err != nil {
		return fmt.Errorf("delete %s: %w", nodeID, err)
	}
	s.Disconnect(nodeID, "deleted")
	return nil
}

func (s *Store) deleteTx(ctx context.Context, tx db.Tx, by audit.By, nodeID string, ifVersions []int64) error {
	row, before, err := lock(ctx, tx, nodeID, ifVersions)
	if err != nil {
		return err
	}
	return s.retire(ctx, tx, row, before, by.Record("node.delete", nodeID, before, nil), "deleted")
}

// retire takes a locked node out of the fleet, and says in the log and to the
// feed why.
func (s *Store) retire(ctx context.Context, tx db.Tx, row sqlgen.LockNodeRow, before profile, record audit.Record, reason string) error {
	q, now := sqlgen.New(tx), s.Now()
	if err := moneyAtRest(ctx, tx, row); err != nil {
		return err
	}
	if before.PoolID != "" {
		if err := s.Leave(ctx, tx, row.NodeNo, now); err != nil {
			return err
		}
	}
	if err := q.RetireKeys(ctx, sqlgen.RetireKeysParams{NodeNo: row.NodeNo, At: now}); err != nil {
		return err
	}
	if err := q.DropTokens(ctx, &row.NodeNo); err != nil {
		return err
	}
	if err := q.SupersedeCommands(ctx, sqlgen.SupersedeCommandsParams{NodeNo: row.NodeNo, At: now}); err != nil {
		return err
	}
	status, err := q.LockStatus(ctx, row.NodeNo)
	if err != nil {
		return err
	}
	if err := enter(ctx, tx, row.NodeNo, status, standing{Inactive, reason, nil}, now); err != nil {
		return err
	}
	if err := q.MarkDeleted(ctx, sqlgen.MarkDeletedParams{NodeNo: row.NodeNo, At: &now}); err != nil {
		return err
	}
	c := Changed{Change: changedDeleted, Status: Inactive, Reason: reason, Online: row.Online}
	if err := event.Publish(ctx, tx, c.event(row.NodeID, before.PoolID, now)); err != nil {
		return err
	}
	return audit.Write(ctx, tx, record.AtTime(now))
}

// moneyAtRest refuses a node to which money is on its way: somebody has to see
// it arrive.
func moneyAtRest(ctx context.Context, tx db.Tx, row sqlgen.LockNodeRow) error {
	moving, err := sqlgen.New(tx).MoneyMoving(ctx, row.NodeNo)
	if err != nil {
		return err
	}
	balance, err := ledger.Balance(ctx, tx, ledger.Account{Kind: ledger.KindInFlight, Owner: row.NodeID})
	if err != nil {
		return err
	}
	if moving || balance != 0 {
		return fault.New(fault.StateNotAllowed, "money is on its way to %s: complete or cancel its payout first", row.NodeID)
	}
	return nil
}
