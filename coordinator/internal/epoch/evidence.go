package epoch

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/epoch/sqlgen"
	"lucid.internal/coordinator/internal/span"
)

// member is a node that was in the pool during the epoch.
type member struct {
	nodeNo   int32
	nodeID   string
	evidence Evidence
}

// evidence reads what the epoch's credit depends on: its members by node
// number, and the faults of ours around it.
func (c *closing) evidence(ctx context.Context) ([]member, []span.Interval, error) {
	windows, around, err := c.windows(ctx)
	if err != nil {
		return nil, nil, err
	}
	q := sqlgen.New(c.tx)
	rows, err := q.Memberships(ctx, sqlgen.MembershipsParams{PoolNo: c.poolNo, Since: &c.epoch.From, Until: c.epoch.To})
	if err != nil {
		return nil, nil, fmt.Errorf("read memberships: %w", err)
	}
	around.To = around.To.Add(span.BackWithin)
	open := around.To.Add(time.Second) // what has not ended goes on past all that is looked at
	var members []member
	index := make(map[int32]int)
	for _, r := range rows {
		i, known := index[r.NodeNo]
		if !known {
			i = len(members)
			index[r.NodeNo] = i
			members = append(members, member{nodeNo: r.NodeNo, nodeID: r.NodeID})
		}
		e := &members[i].evidence
		e.Membership = append(e.Membership, span.Open(r.FromAt, r.ToAt, open))
	}
	nodeNos := nodeNosOf(members)
	presences, err := q.Presences(ctx, sqlgen.PresencesParams{NodeNos: nodeNos, Since: &around.From, Until: around.To})
	if err != nil {
		return nil, nil, fmt.Errorf("read presence: %w", err)
	}
	for _, r := range presences {
		e := &members[index[r.NodeNo]].evidence
		e.Presence = append(e.Presence, span.Open(r.FromAt, r.ToAt, open))
	}
	states, err := q.States(ctx, sqlgen.StatesParams{NodeNos: nodeNos, Since: &around.From, Until: around.To})
	if err != nil {
		return nil, nil, fmt.Errorf("read states: %w", err)
	}
	for _, r := range states {
		e := &members[index[r.NodeNo]].evidence
		e.States = append(e.States, State{span.Open(r.FromAt, r.ToAt, open), r.Status})
	}
	return members, windows, nil
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

func nodeNosOf(members []member) []int32 {
	nodeNos := make([]int32, len(members))
	for i, m := range members {
		nodeNos[i] = m.nodeNo
	}
	return nodeNos
}
