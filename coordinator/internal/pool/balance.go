package pool

import (
	"context"
	"fmt"
	"slices"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/pool/sqlgen"
)

// Proposals tells which nodes should move, by what stands in the database now.
func (s *Store) Proposals(ctx context.Context, most int) ([]Move, error) {
	q := sqlgen.New(s.pool)
	now := s.now()
	rows, err := q.Loads(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the loads of the pools: %w", err)
	}
	members, err := q.LoadMembers(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the nodes of the pools: %w", err)
	}
	loads, index := make([]Load, len(rows)), map[int32]int{}
	for i, r := range rows {
		index[r.PoolNo] = i
		loads[i] = Load{
			Candidate: candidate(r.PoolNo, r.PoolID, r.NodeCount, r.MaxNodes, r.NodeTypes, r.Regions),
			State:     State(r.State), StateFor: now.Sub(r.StateSince),
		}
	}
	for _, m := range members {
		if i, known := index[m.PoolNo]; known {
			loads[i].Members = append(loads[i].Members, Member{
				ID: m.NodeID, Traits: Traits{m.NodeType, m.Country, m.Region}, Online: m.Online,
				Priority: int(m.Priority), MemberFor: now.Sub(m.FromAt),
			})
		}
	}
	return Plan(loads, s.limits.MinNodes, most), nil
}

// Moved is a move that was tried; Err is nil when it was made.
type Moved struct {
	Move
	Err error
}

// Apply makes the chosen moves, each in a transaction of its own that looks
// again whether it is still possible: the node where the move takes it from,
// and a pool with room that is meant for such nodes. A fault of one move does
// not stop the others; an error that is none stops them all.
func (s *Store) Apply(ctx context.Context, by audit.By, moves []Move) ([]Moved, error) {
	tried := make([]Moved, 0, len(moves))
	for _, m := range moves {
		err := db.InTx(ctx, s.pool, func(tx db.Tx) error { return s.move(ctx, tx, by, m) })
		if f := fault.As(err); err != nil && f.Code == fault.InternalError {
			return tried, fmt.Errorf("move node %s from pool %s to %s: %w", m.NodeID, m.From, m.To, err)
		}
		tried = append(tried, Moved{m, err})
	}
	return tried, nil
}

func (s *Store) move(ctx context.Context, tx db.Tx, by audit.By, m Move) error {
	if m.From == m.To {
		return fault.New(fault.NodeInPool, "node %s cannot move from pool %s to itself", m.NodeID, m.From)
	}
	n, err := lockNode(ctx, tx, m.NodeID)
	if err != nil {
		return err
	}
	pools, err := sqlgen.New(tx).LockPools(ctx, []string{m.From, m.To})
	if err != nil {
		return err
	}
	at := slices.IndexFunc(pools, func(p sqlgen.LockPoolsRow) bool { return p.PoolID == m.To })
	switch {
	case at < 0:
		return unknown(m.To)
	case len(pools) < 2:
		return unknown(m.From)
	case n.PoolID != m.From:
		return fault.New(fault.StateNotAllowed, "node %s is not in pool %s any more", m.NodeID, m.From)
	}
	to := pools[at]
	target := candidate(to.PoolNo, to.PoolID, to.NodeCount, to.MaxNodes, to.NodeTypes, to.Regions)
	switch {
	case target.room() <= 0:
		return fault.New(fault.PoolFull, "pool %s has all of its %d places taken", m.To, target.MaxNodes)
	case !target.Wanted.Fits(Traits{n.NodeType, n.Country, n.Region}):
		return fault.New(fault.StateNotAllowed, "pool %s is not meant for such a node as %s", m.To, m.NodeID)
	}
	now := s.now()
	priority, err := leave(ctx, tx, n.NodeNo, m.Reason, now)
	if err != nil {
		return err
	}
	if err := join(ctx, tx, to.PoolNo, n.NodeNo, priority, m.Reason, now); err != nil {
		return err
	}
	return audit.Write(ctx, tx, by.Record("pool.move_node", m.NodeID, map[string]string{"pool_id": m.From},
		map[string]string{"pool_id": m.To, "reason": m.Reason}).AtTime(now))
}
