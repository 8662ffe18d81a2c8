package fraud

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"lucid.internal/coordinator/internal/fraud/sqlgen"
)

// mostSuspects bounds how many nodes of groups are in a cohort beside those that
// are drawn from all: never more than half of one, which is a quarter of a fleet.
const mostSuspects = 100

// suspicion is what the judge's last look found.
type suspicion struct {
	groups [][]int32
	most   int // nodes in one cohort
}

func suspicionOf(all []Member, boots [][]int32) suspicion {
	return suspicion{groups(all, boots), min(mostSuspects, max(len(all)/4, related))}
}

// draw takes whole groups in an order that is drawn: one node of them alone
// shows nothing. The first one is taken whatever its size.
func (s suspicion) draw(order []int) []int32 {
	seen := map[int32]bool{}
	var nodeNos []int32
	for _, i := range order {
		if len(nodeNos) > 0 && len(nodeNos)+len(s.groups[i]) > s.most {
			continue
		}
		for _, no := range s.groups[i] {
			if !seen[no] {
				seen[no], nodeNos = true, append(nodeNos, no)
			}
		}
	}
	return nodeNos
}

// suspect remembers which nodes have something in common.
func (s *Store) suspect(ctx context.Context, q *sqlgen.Queries, all []Member, now time.Time) error {
	rows, err := q.Boots(ctx, now.Add(-24*time.Hour))
	if err != nil {
		return fmt.Errorf("read shared boots: %w", err)
	}
	boots := make([][]int32, len(rows))
	for i, r := range rows {
		boots[i] = r.NodeNos
	}
	known := suspicionOf(all, boots)
	s.suspects.Store(&known)
	return nil
}

// Suspects are nodes that have something in common, drawn for one cohort. They
// are those of the judge's last look at all nodes.
func (s *Store) Suspects(context.Context) ([]int32, error) {
	known := s.suspects.Load()
	if known == nil {
		return nil, nil
	}
	return known.draw(rand.Perm(len(known.groups))), nil
}
