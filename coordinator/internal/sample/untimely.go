package sample

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"lucid.internal/coordinator/internal/sample/sqlgen"
)

// untimely holds, of each node whose samples are refused for their time, the
// newest one that is not written yet: however many come, it is one row a node
// each flushInterval.
type untimely struct {
	mu     sync.Mutex
	byNode map[int32]refusal
}

type refusal struct {
	at       time.Time // by the node's clock
	received time.Time // by ours
}

func (u *untimely) put(nodeNo int32, r refusal) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byNode == nil {
		u.byNode = make(map[int32]refusal)
	}
	u.byNode[nodeNo] = r
}

func (u *untimely) take() map[int32]refusal {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.byNode
	u.byNode = nil
	return taken
}

// flushUntimely writes whose samples were refused for their time. What an error
// keeps back is not tried again: such a node sends on.
func (s *Store) flushUntimely(ctx context.Context) error {
	taken := s.untimely.take()
	// In one order everywhere, so that two coordinators do not deadlock.
	for some := range slices.Chunk(slices.Sorted(maps.Keys(taken)), maxUpsert) {
		p := sqlgen.UpsertUntimelyParams{NodeNos: some}
		for _, nodeNo := range some {
			p.Ats, p.ReceivedAts = append(p.Ats, taken[nodeNo].at), append(p.ReceivedAts, taken[nodeNo].received)
		}
		if err := sqlgen.New(s.cfg.Pool).UpsertUntimely(ctx, p); err != nil {
			return fmt.Errorf("refused samples: %w", err)
		}
	}
	return nil
}
