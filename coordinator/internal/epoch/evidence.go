package epoch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/epoch/sqlgen"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/span"
)

// Member is a node that was in a pool during the epoch, and what its line
// follows from.
type Member struct {
	NodeNo   int32
	NodeID   string
	Evidence Evidence
	Score    ScoreAt
	Left     *ledger.Amount // that it may still earn that day; nil: no bound
}

// ErrNotYet is what Config.FaultWindows answers when it will know in moments, as
// right after an epoch's end: the next run closes it, and nothing is wrong.
var ErrNotYet = errors.New("not on record yet")

// unsettled is why no epoch can be closed now.
type unsettled struct{ error }

func (u unsettled) Unwrap() error { return u.error }

// reading is what evidence of an epoch is read with.
type reading struct {
	tx           db.Tx
	epoch        span.Interval
	faultWindows faultWindows
}

// Where scores and faults of ours come from: see Config.
type (
	scoreAsOf    = func(ctx context.Context, tx db.Tx, nodeNos []int32, at time.Time) (map[int32]ScoreAt, error)
	faultWindows = func(ctx context.Context, tx db.Tx, from, to time.Time) ([]span.Interval, error)
)

// evidence reads what the epoch's credit depends on: the members of each pool
// by node number, and the faults of ours around the epoch. A nodeNo other than
// 0 leaves out all other nodes.
func (c *reading) evidence(ctx context.Context, poolNos []int32, nodeNo int32) (map[int32][]Member, []span.Interval, error) {
	windows, around, err := c.windows(ctx)
	if err != nil {
		return nil, nil, unsettled{err}
	}
	around.To = around.To.Add(span.BackWithin)
	open := around.To.Add(time.Second) // what has not ended goes on past all that is looked at
	members, err := c.members(ctx, poolNos, nodeNo, open)
	if err != nil {
		return nil, nil, fmt.Errorf("read memberships: %w", err)
	}
	byNode := make(map[int32][]*Evidence) // whoever changed pools is a member of two
	for _, pool := range members {
		for i := range pool {
			byNode[pool[i].NodeNo] = append(byNode[pool[i].NodeNo], &pool[i].Evidence)
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
func (c *reading) members(ctx context.Context, poolNos []int32, nodeNo int32, open time.Time) (map[int32][]Member, error) {
	rows, err := sqlgen.New(c.tx).Memberships(ctx, sqlgen.MembershipsParams{PoolNos: poolNos, NodeNo: nodeNo, Since: &c.epoch.From, Until: c.epoch.To})
	members := make(map[int32][]Member, len(poolNos))
	for _, r := range rows { // in order of pool, node and time
		pool := members[r.PoolNo]
		if last := len(pool) - 1; last < 0 || pool[last].NodeNo != r.NodeNo {
			pool = append(pool, Member{NodeNo: r.NodeNo, NodeID: r.NodeID})
		}
		e := &pool[len(pool)-1].Evidence
		e.Membership = append(e.Membership, span.Open(r.FromAt, r.ToAt, open))
		members[r.PoolNo] = pool
	}
	return members, err
}

// setScores reads what all members' scores were at the epoch's end.
func setScores(ctx context.Context, tx db.Tx, asOf scoreAsOf, members map[int32][]Member, at time.Time) error {
	var nodeNos []int32
	for _, pool := range members {
		for _, m := range pool {
			nodeNos = append(nodeNos, m.NodeNo)
		}
	}
	if len(nodeNos) == 0 {
		return nil
	}
	slices.Sort(nodeNos)
	scores, err := asOf(ctx, tx, slices.Compact(nodeNos), at)
	if err != nil {
		return fmt.Errorf("read scores as of %s: %w", at.Format(time.RFC3339), err)
	}
	for _, pool := range members {
		for i := range pool {
			pool[i].Score = scores[pool[i].NodeNo]
		}
	}
	return nil
}

// windows reads the faults that touch the epoch or ended so shortly before it
// that nodes may still have been on their way back; and, as a fault counts for
// whoever another one cut off, those that came as shortly before these. around
// holds the epoch and all of them.
func (c *reading) windows(ctx context.Context) (windows []span.Interval, around span.Interval, err error) {
	for around = c.epoch; ; {
		// A microsecond more: a fault that ends just there belongs to it.
		windows, err = c.faultWindows(ctx, c.tx, around.From.Add(-span.BackWithin-time.Microsecond), around.To.Add(time.Microsecond))
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
