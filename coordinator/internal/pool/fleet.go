package pool

import (
	"context"
	"fmt"

	"lucid.internal/coordinator/internal/pool/sqlgen"
)

// Fleet is the whole fleet in numbers.
type Fleet struct {
	Nodes    int
	Online   int
	Outside  int // in no pool
	ByStatus map[string]int
	ByType   map[string]int
	// ScoreNano is the mean of the nodes that have proven themselves (active or
	// suspended), 1e9 = 100 points; nil without any.
	ScoreNano *int64
	Usage     Usage // of the nodes that are online

	Pools     int
	ByHealth  map[State]int // "" are those that no check has seen yet
	Places    int
	FreeSeats int
}

// Fleet counts nodes and pools, and sums what the nodes tell of themselves.
func (s *Store) Fleet(ctx context.Context) (Fleet, error) {
	f := Fleet{ByStatus: map[string]int{}, ByType: map[string]int{}, ByHealth: map[State]int{}}
	q := sqlgen.New(s.pool)
	nodes, err := q.FleetNodes(ctx)
	if err != nil {
		return f, fmt.Errorf("count the fleet's nodes: %w", err)
	}
	var scored, sum int64
	for _, r := range nodes {
		f.Nodes += int(r.Nodes)
		f.Outside += int(r.Outside)
		f.ByStatus[r.Status] += int(r.Nodes)
		f.ByType[r.NodeType] += int(r.Nodes)
		if r.Online {
			f.Online += int(r.Nodes)
		}
		if r.Status == "active" || r.Status == "suspended" {
			scored, sum = scored+r.Nodes, sum+r.Score
		}
	}
	if scored > 0 {
		mean := sum / scored
		f.ScoreNano = &mean
	}
	pools, err := q.FleetPools(ctx)
	if err != nil {
		return f, fmt.Errorf("count the fleet's pools: %w", err)
	}
	for _, r := range pools {
		f.Pools += int(r.Pools)
		f.ByHealth[State(r.State)] += int(r.Pools)
		f.Places += int(r.Places)
		f.FreeSeats += int(r.Places - r.Taken)
	}
	f.Usage, err = s.fleetUsage(ctx)
	return f, err
}
