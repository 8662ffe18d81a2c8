package pool

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/pool/sqlgen"
)

// Assign puts a new node into the pool with most room that fits its type and
// region, within the caller's transaction. A node that is in a pool stays there;
// when no pool fits, the node stays outside: an operator can still add it.
func Assign(ctx context.Context, tx db.Tx, nodeNo int32, at time.Time) error {
	q := sqlgen.New(tx)
	n, err := q.NewcomerTraits(ctx, nodeNo)
	if err != nil {
		return fmt.Errorf("read where node %d belongs: %w", nodeNo, err)
	}
	if n.PoolNo != nil {
		return nil
	}
	rows, err := q.PoolsWithRoom(ctx)
	if err != nil {
		return fmt.Errorf("read the pools with room: %w", err)
	}
	candidates := make([]Candidate, len(rows))
	for i, r := range rows {
		candidates[i] = candidate(r.PoolNo, r.PoolID, r.NodeCount, r.MaxNodes, r.NodeTypes, r.Regions)
	}
	for {
		chosen, reason, ok := Choose(Traits{n.NodeType, n.Country, n.Region}, candidates)
		if !ok {
			return nil
		}
		took, err := tryAssign(ctx, tx, chosen.No, nodeNo, reason, at)
		if err != nil {
			return fmt.Errorf("assign node %s to pool %s: %w", n.NodeID, chosen.ID, err)
		}
		if took {
			by := audit.By{Actor: audit.System}
			after := map[string]any{"node_id": n.NodeID, "reason": reason}
			return audit.Write(ctx, tx, by.Record("pool.assign_node", chosen.ID, nil, after).AtTime(at))
		}
		for i := range candidates { // it filled up or went away after it was read
			if candidates[i].No == chosen.No {
				candidates[i].MaxNodes = candidates[i].Nodes
			}
		}
	}
}

// tryAssign joins in a savepoint, so that a pool which has filled up meanwhile
// leaves the enrolment whole.
func tryAssign(ctx context.Context, tx db.Tx, poolNo, nodeNo int32, reason string, at time.Time) (bool, error) {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return false, err
	}
	err = join(ctx, inner, poolNo, nodeNo, DefaultPriority, reason, at)
	if err == nil {
		return true, inner.Commit(ctx)
	}
	if rollback := inner.Rollback(ctx); rollback != nil {
		return false, rollback
	}
	if fault.Has(err, fault.PoolFull) || fault.Has(err, fault.PoolNotFound) {
		return false, nil
	}
	return false, err
}

func candidate(no int32, id string, nodes, maxNodes int32, types, regions []string) Candidate {
	return Candidate{No: no, ID: id, Nodes: int(nodes), MaxNodes: int(maxNodes), Wanted: Wanted{NodeTypes: types, Regions: regions}}
}
