package pool

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/pool/sqlgen"
)

// Standby is the reason of an inactive node that scaling has parked. It stays
// connected, is not challenged and earns nothing until it is activated.
const Standby = "scaled"

// Scaled is what a scaling did.
type Scaled struct {
	Target    int      `json:"target_nodes"`
	Before    int      `json:"working_before"` // nodes starting or active
	After     int      `json:"working_after"`  // below Target when standby nodes were too few
	Activated []string `json:"activated"`      // node ids
	Parked    []string `json:"parked"`
	Reason    string   `json:"reason"`
}

// Scale brings the number of a pool's nodes at work to target: it activates
// standby nodes, those of the highest priority first, or parks working ones,
// those of the lowest priority first. target must lie within the bounds of the
// pool's scaling policy. Nodes that an operator, their score or an error took
// out of work are never touched.
func (s *Store) Scale(ctx context.Context, by audit.By, poolID string, target int, reason string) (Scaled, error) {
	var done Scaled
	err := db.InTx(ctx, s.pool, func(tx db.Tx) (err error) {
		done, err = s.scale(ctx, tx, by, poolID, target, reason)
		return err
	})
	return done, about(err, "scale pool %s", poolID)
}

func (s *Store) scale(ctx context.Context, tx db.Tx, by audit.By, poolID string, target int, reason string) (Scaled, error) {
	l, err := s.lockScaling(ctx, tx, poolID)
	if err != nil {
		return Scaled{}, err
	}
	if low, high := l.settings.WorkingBounds(); target < low || target > high {
		return Scaled{}, fault.New(fault.StateNotAllowed, "pool %s may have %d to %d nodes at work, not %d", poolID, low, high, target).
			WithFields(fault.Field{Name: "target_nodes", Reason: "is outside the bounds of auto_scaling.policy and max_nodes"})
	}
	situation, err := s.situation(ctx, tx, l)
	if err != nil {
		return Scaled{}, err
	}
	d := Decision{Action: Up, Target: target, Reason: Requested}
	if target < situation.Working {
		d.Action = Down
	}
	return s.carryOut(ctx, tx, by, l, situation, d, reason)
}

// scalable is a pool that nobody else changes until the transaction ends, with
// the nodes that scaling may touch.
type scalable struct {
	poolID           string
	row              sqlgen.LockPoolRow
	settings         Settings
	working, standby []sqlgen.LockScalableRow // worthiest first
}

func (s *Store) lockScaling(ctx context.Context, tx db.Tx, poolID string) (scalable, error) {
	l := scalable{poolID: poolID}
	q := sqlgen.New(tx)
	known, err := q.PoolNo(ctx, poolID)
	if errors.Is(err, pgx.ErrNoRows) {
		return l, unknown(poolID)
	} else if err != nil {
		return l, err
	}
	nodes, err := q.LockScalable(ctx, sqlgen.LockScalableParams{PoolNo: &known.PoolNo, Standby: Standby}) // before the pool, as everywhere
	if err != nil {
		return l, err
	}
	for _, n := range nodes {
		if n.Status == string(node.Inactive) {
			l.standby = append(l.standby, n)
		} else {
			l.working = append(l.working, n)
		}
	}
	slices.SortFunc(l.working, worthier)
	slices.SortFunc(l.standby, worthier)
	l.row, l.settings, err = s.lock(ctx, tx, poolID, nil)
	return l, err
}

// carryOut does what was decided, and records, tells and audits it.
func (s *Store) carryOut(ctx context.Context, tx db.Tx, by audit.By, l scalable, in Situation, d Decision, note string) (Scaled, error) {
	done, err := s.applyScale(ctx, tx, l, d.Target)
	if err != nil {
		return Scaled{}, err
	}
	done.Reason = note
	entry := by.Record("pool.scale", l.poolID, nil, done).AtTime(s.now())
	if done.Before == done.After {
		if by.Actor == audit.System { // who looks every minute would fill the log
			return done, nil
		}
		return done, audit.Write(ctx, tx, entry)
	}
	if err := s.record(ctx, tx, by, l, in, d, done); err != nil {
		return Scaled{}, err
	}
	c := l.settings.changed(changedScaled, int(l.row.NodeCount))
	c.Working, c.Reason = &done.After, note
	if err := publish(ctx, tx, l.poolID, "", c, s.now()); err != nil {
		return Scaled{}, err
	}
	return done, audit.Write(ctx, tx, entry)
}

func (s *Store) applyScale(ctx context.Context, tx db.Tx, l scalable, target int) (Scaled, error) {
	standby := l.standby
	done := Scaled{Target: target, Before: len(l.working), After: len(l.working), Activated: []string{}, Parked: []string{}}
	for len(standby) > 0 && done.After < target {
		n := standby[0]
		if err := node.SetStatus(ctx, tx, n.NodeNo, node.Starting, "activated by scaling", s.now()); err != nil {
			return Scaled{}, err
		}
		standby, done.After, done.Activated = standby[1:], done.After+1, append(done.Activated, n.NodeID)
	}
	for done.After > target {
		n := l.working[done.After-1]
		if err := node.Park(ctx, tx, n.NodeNo, Standby, s.now()); err != nil {
			return Scaled{}, err
		}
		done.After, done.Parked = done.After-1, append(done.Parked, n.NodeID)
	}
	return done, nil
}

// worthier orders nodes by who should work: priority, then being online, then
// the better score, then the older node.
func worthier(a, b sqlgen.LockScalableRow) int {
	online := map[bool]int{true: 1}
	return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(online[b.Online], online[a.Online]),
		cmp.Compare(b.PootScore, a.PootScore), cmp.Compare(a.NodeNo, b.NodeNo))
}
