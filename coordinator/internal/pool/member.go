package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/pool/sqlgen"
)

// Bounds of a node's priority in its pool. The higher is activated first,
// parked and moved last.
const (
	MinPriority     = 1
	DefaultPriority = 50
	MaxPriority     = 100
)

// Seat is a node in a pool.
type Seat struct {
	NodeID       string
	Name         string
	NodeType     string
	Status       node.Status
	StatusReason string
	Online       bool
	ScoreNano    int64
	Priority     int
	JoinedAt     time.Time
}

// Join puts a node into a pool within the caller's transaction. A full pool is
// fault.PoolFull, a node that is in a pool already fault.NodeInPool.
func Join(ctx context.Context, tx db.Tx, poolNo, nodeNo int32, at time.Time) error {
	return join(ctx, tx, poolNo, nodeNo, DefaultPriority, "", at)
}

func join(ctx context.Context, tx db.Tx, poolNo, nodeNo int32, priority int, reason string, at time.Time) error {
	q := sqlgen.New(tx)
	p, err := q.TakePlace(ctx, sqlgen.TakePlaceParams{PoolNo: poolNo, UpdatedAt: at})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fault.New(fault.PoolNotFound, "the pool does not exist any more")
	case db.Constraint(err) == "pool_check":
		return fault.New(fault.PoolFull, "the pool is full")
	case err != nil:
		return err
	}
	err = q.InsertMembership(ctx, sqlgen.InsertMembershipParams{NodeNo: nodeNo, PoolNo: poolNo, Priority: int16(priority), FromAt: at})
	switch db.Constraint(err) {
	case "pool_membership_open", "pool_membership_pkey": // the second: it joined at this very instant
		return fault.New(fault.NodeInPool, "the node is in a pool already, so it cannot join %s", p.PoolID)
	}
	if err != nil {
		return err
	}
	if err := node.SetPool(ctx, tx, nodeNo, &poolNo, at); err != nil {
		return err
	}
	c := Changed{
		Change: changedJoined, Name: p.Name, MaxNodes: int(p.MaxNodes), NodeCount: int(p.NodeCount),
		RewardPerEpoch: ledger.Amount(p.RewardPerEpoch), Reason: reason,
	}
	return publishMember(ctx, tx, p.PoolID, nodeNo, c, at)
}

// Leave takes a node out of its pool within the caller's transaction; outside
// a pool it does nothing.
func Leave(ctx context.Context, tx db.Tx, nodeNo int32, at time.Time) error {
	_, err := leave(ctx, tx, nodeNo, "", at)
	return err
}

// leave gives the priority that the node had, 0 when it was in no pool.
func leave(ctx context.Context, tx db.Tx, nodeNo int32, reason string, at time.Time) (priority int, err error) {
	q := sqlgen.New(tx)
	seat, err := q.CloseMembership(ctx, sqlgen.CloseMembershipParams{NodeNo: nodeNo, At: at})
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	p, err := q.FreePlace(ctx, sqlgen.FreePlaceParams{PoolNo: seat.PoolNo, UpdatedAt: at})
	if err != nil {
		return 0, err
	}
	if err := node.SetPool(ctx, tx, nodeNo, nil, at); err != nil {
		return 0, err
	}
	c := Changed{
		Change: changedLeft, Name: p.Name, MaxNodes: int(p.MaxNodes), NodeCount: int(p.NodeCount),
		RewardPerEpoch: ledger.Amount(p.RewardPerEpoch), Reason: reason,
	}
	return int(seat.Priority), publishMember(ctx, tx, p.PoolID, nodeNo, c, at)
}

func publishMember(ctx context.Context, tx db.Tx, poolID string, nodeNo int32, c Changed, at time.Time) error {
	nodeID, err := sqlgen.New(tx).NodeID(ctx, nodeNo)
	if err != nil {
		return err
	}
	return publish(ctx, tx, poolID, nodeID, c, at)
}

// membership is what the audit log keeps of a node in a pool.
type membership struct {
	NodeID   string `json:"node_id"`
	Priority int    `json:"priority"`
}

// Add puts a node into a pool; priority 0 is the default. It answers
// PoolNotFound, NodeNotFound, PoolFull or NodeInPool.
func (s *Store) Add(ctx context.Context, by audit.By, poolID, nodeID string, priority int) error {
	if priority == 0 {
		priority = DefaultPriority
	}
	if priority < MinPriority || priority > MaxPriority {
		return fault.New(fault.Validation, "the node cannot be added like this").WithFields(
			fault.Field{Name: "priority", Reason: fmt.Sprintf("must be from %d to %d", MinPriority, MaxPriority)})
	}
	err := db.InTx(ctx, s.pool, func(tx db.Tx) error {
		// The node before the pool, as everywhere: two who want both wait for
		// each other instead of blocking each other.
		n, err := lockNode(ctx, tx, nodeID)
		if err != nil {
			return err
		}
		if n.PoolID != "" {
			return fault.New(fault.NodeInPool, "node %s is in pool %s already; take it out there first", nodeID, n.PoolID)
		}
		p, err := lockPool(ctx, tx, poolID)
		if err != nil {
			return err
		}
		if p.NodeCount >= p.MaxNodes {
			return fault.New(fault.PoolFull, "pool %s has all of its %d places taken", poolID, p.MaxNodes)
		}
		now := s.now()
		if err := join(ctx, tx, p.PoolNo, n.NodeNo, priority, "", now); err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("pool.add_node", poolID, nil, membership{nodeID, priority}).AtTime(now))
	})
	return about(err, "add node %s to pool %s", nodeID, poolID)
}

// Remove takes a node out of a pool. A node that is elsewhere is
// fault.NodeNotFound.
func (s *Store) Remove(ctx context.Context, by audit.By, poolID, nodeID string) error {
	err := db.InTx(ctx, s.pool, func(tx db.Tx) error {
		n, err := lockNode(ctx, tx, nodeID)
		if err != nil {
			return err
		}
		if _, err := lockPool(ctx, tx, poolID); err != nil {
			return err
		}
		if n.PoolID != poolID {
			return fault.New(fault.NodeNotFound, "node %s is not in pool %s", nodeID, poolID)
		}
		now := s.now()
		priority, err := leave(ctx, tx, n.NodeNo, "", now)
		if err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("pool.remove_node", poolID, membership{nodeID, priority}, nil).AtTime(now))
	})
	return about(err, "take node %s out of pool %s", nodeID, poolID)
}

func lockNode(ctx context.Context, tx db.Tx, nodeID string) (sqlgen.LockNodeRow, error) {
	n, err := sqlgen.New(tx).LockNode(ctx, nodeID)
	if errors.Is(err, pgx.ErrNoRows) {
		err = fault.New(fault.NodeNotFound, "no node %s", nodeID)
	}
	return n, err
}

func lockPool(ctx context.Context, tx db.Tx, poolID string) (sqlgen.LockPoolRow, error) {
	p, err := sqlgen.New(tx).LockPool(ctx, poolID)
	if errors.Is(err, pgx.ErrNoRows) {
		err = unknown(poolID)
	}
	return p, err
}

// about says of an error of ours what was tried; a fault says it itself.
func about(err error, format string, args ...any) error {
	if _, isFault := errors.AsType[*fault.Error](err); err == nil || isFault {
		return err
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// Members reads one page of a pool's nodes, those of the highest priority
// first, and how many there are in all.
func (s *Store) Members(ctx context.Context, poolID string, limit, offset int) ([]Seat, int, error) {
	q := sqlgen.New(s.pool)
	p, err := q.PoolNo(ctx, poolID)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, 0, unknown(poolID)
	} else if err != nil {
		return nil, 0, fmt.Errorf("read pool %s: %w", poolID, err)
	}
	rows, err := q.Members(ctx, sqlgen.MembersParams{PoolNo: p.PoolNo, Most: int32(limit), Skip: int32(offset)})
	if err != nil {
		return nil, 0, fmt.Errorf("read the nodes of pool %s: %w", poolID, err)
	}
	seats := make([]Seat, len(rows))
	for i, r := range rows {
		seats[i] = Seat{
			NodeID: r.NodeID, Name: r.Name, NodeType: r.NodeType, Status: node.Status(r.Status), StatusReason: r.StatusReason,
			Online: r.Online, ScoreNano: r.PootScore, Priority: int(r.Priority), JoinedAt: r.FromAt,
		}
	}
	return seats, int(p.NodeCount), nil
}
