package epoch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"lucid.internal/coordinator/internal/epoch/sqlgen"
	"lucid.internal/coordinator/internal/span"
)

// member is a node that was in a pool during the epoch.
type member struct {
	nodeNo   int32
	nodeID   string
	evidence Evidence
}

// unsettled is why no epoch can be closed now.
type unsettled struct{ error }

func (u unsettled) Unwrap() error { return u.error }

// evidence reads what the epoch's credit depends on: the members of each pool
// by node number, and the faults of ours around the epoch.
func (c *closing) evidence(ctx context.Context, group []turn) (map[int32][]member, []span.Interval, error) {
	windows, around, err := c.windows(ctx)
	if err != nil {
		return nil, nil, unsettled{err}
	}
	around.To = around.To.Add(span.BackWithin)
	open := around.To.Add(time.Second) // what has not ended goes on past all that is looked at
	members, err := c.members(ctx, group, open)
	if err != nil {
		return nil, nil, fmt.Errorf("read memberships: %w", err)
	}
	byNode := make(map[int32][]*Evidence) // whoever changed pools is a member of two
	for _, pool := range members {
		for i := range pool {
			byNode[pool[i].nodeNo] = append(byNode[pool[i].nodeNo], &pool[i].evidence)
		}
	}
	q, nodeNos := sqlgen.New(c.tx), slices.Collect(maps.Keys(byNode))
	presences, err := q.Presences(ctx, sqlgen.PresencesParams{NodeNos: nodeNos, Since: &around.From, Until: around.To})
	if err != nil {
		return nil, nil, fmt.Errorf("read presence: %w", err)
	}
	for _, r := range presences {
		for _, e := range byNode[r.NodeNo] {
			e.Presence = append(e.Presence, span.Open(r.FromAt, r.ToAt, open))
		}
	}
	states, err := q.States(ctx, sqlgen.StatesParams{NodeNos: nodeNos, Since: &around.From, Until: around.To})
	if err != nil {
		return nil, nil, fmt.Errorf("read states: %w", err)
	}
	for _, r := range states {
		for _, e := range byNode[r.NodeNo] {
			e.States = append(e.States, State{span.Open(r.FromAt, r.ToAt, open), r.Status})
		}
	}
	return members, windows, nil
}

// members reads who was in the pools during the epoch. A membership that has
// not ended ends at open.
func (c *closing) members(ctx context.Context, group []turn, open time.Time) (map[int32][]member, error) {
	poolNos := make([]int32, len(group))
	for i, t := range group {
		poolNos[i] = t.poolNo
	}
	rows, err := sqlgen.New(c.tx).Memberships(ctx, sqlgen.MembershipsParams{PoolNos: poolNos, Since: &c.epoch.From, Until: c.epoch.To})
	members := make(map[int32][]member, len(group))
	for _, r := range rows { // in order of pool, node and time
		pool := members[r.PoolNo]
		if last := len(pool) - 1; last < 0 || pool[last].nodeNo != r.NodeNo {
			pool = append(pool, member{nodeNo: r.NodeNo, nodeID: r.NodeID})
		}
		e := &pool[len(pool)-1].evidence
		e.Membership = append(e.Membership, span.Open(r.FromAt, r.ToAt, open))
		members[r.PoolNo] = pool
	}
	return members, err
}

// windows reads the faults that touch the epoch or ended so shortly before it
// that nodes may still have been on their way back; and, as a fault counts for
// whoever another one cut off, those that came as shortly before these. around
// holds the epoch and all of them.
func (c *closing) windows(ctx context.Context) (windows []span.Interval, around span.Interval, err error) {
	for around = c.epoch; ; {
		// A microsecond more: a fault that ends just there belongs to it.
		windows, err = c.cfg.FaultWindows(ctx, c.tx, around.From.Add(-span.BackWithin-time.Microsecond), around.To.Add(time.Microsecond))
		if err != nil {
			return nil, span.Interval{}, fmt.Errorf("read fault windows: %w", err)
		}
		wider := around
		for _, w := range windows {
			wider = span.Interval{From: span.Earliest(wider.From, w.From), To: span.Latest(wider.To, w.To)}
		}
		if wider == around {
			return windows, around, nil
		}
		around = wider
	}
}
