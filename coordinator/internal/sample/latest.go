package sample

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"lucid.internal/coordinator/internal/sample/sqlgen"
	"lucid.internal/shared/wire"
)

// memoryTime is how long a sample that is already in the table is also kept in
// memory. It bounds the memory to the nodes that are sending, and how long a
// newer sample taken in by another coordinator could stay unseen.
const memoryTime = time.Minute

// maxUpsert bounds one statement.
const maxUpsert = 2000

// newest holds the newest sample of each node that is sending.
type newest struct {
	mu     sync.Mutex
	byNode map[int32]entry
	dirty  map[int32]struct{} // not written yet
}

type entry struct {
	sample   wire.Sample
	received time.Time
	runNo    int64
	settled  bool // the table has nothing newer
}

func (e entry) rank() rank { return rank{e.runNo, e.sample.Seq, e.sample.AtMs} }

// remembered reports whether memory still keeps an entry that is written. One
// that was received in the future is given up too: our clock was set right.
func (e entry) remembered(now time.Time) bool { return now.Sub(e.received).Abs() < memoryTime }

func newNewest() newest {
	return newest{byNode: make(map[int32]entry), dirty: make(map[int32]struct{})}
}

func (n *newest) get(nodeNo int32) (entry, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e, ok := n.byNode[nodeNo]
	return e, ok
}

// put takes a sample unless the node has a newer one.
func (n *newest) put(nodeNo int32, e entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if before, ok := n.byNode[nodeNo]; ok {
		if !e.rank().supersedes(before.rank()) {
			return
		}
		e.settled = before.settled
	}
	n.byNode[nodeNo] = e
	n.dirty[nodeNo] = struct{}{}
}

// takeDirty gives what is to be written and forgets what is written and old.
func (n *newest) takeDirty(now time.Time) map[int32]entry {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken := make(map[int32]entry, len(n.dirty))
	for nodeNo := range n.dirty {
		taken[nodeNo] = n.byNode[nodeNo]
	}
	n.dirty = make(map[int32]struct{})
	for nodeNo, e := range n.byNode {
		if _, keep := taken[nodeNo]; !keep && !e.remembered(now) {
			delete(n.byNode, nodeNo)
		}
	}
	return taken
}

// settle notes which entries the table accepted. The others are older than
// what the table has; Latest keeps comparing them with it.
func (n *newest) settle(accepted []int32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, nodeNo := range accepted {
		if e, ok := n.byNode[nodeNo]; ok {
			e.settled = true
			n.byNode[nodeNo] = e
		}
	}
}

func (n *newest) putBack(taken map[int32]entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for nodeNo := range taken {
		n.dirty[nodeNo] = struct{}{}
	}
}

// FlushLatest writes the newest sample of each node that sent since the last
// time. After an error nothing is lost: the next time writes it.
func (s *Store) FlushLatest(ctx context.Context) error {
	taken := s.latest.takeDirty(s.cfg.Now())
	for len(taken) > 0 {
		part := make(map[int32]entry, min(len(taken), maxUpsert))
		for nodeNo, e := range taken {
			if part[nodeNo] = e; len(part) == maxUpsert {
				break
			}
		}
		accepted, err := s.upsertLatest(ctx, part)
		if err != nil {
			s.latest.putBack(taken)
			return fmt.Errorf("newest samples: %w", err)
		}
		s.latest.settle(accepted)
		for nodeNo := range part {
			delete(taken, nodeNo)
		}
	}
	return nil
}

func (s *Store) upsertLatest(ctx context.Context, part map[int32]entry) ([]int32, error) {
	var p sqlgen.UpsertLatestParams
	// In one order everywhere, so that two coordinators do not deadlock.
	for _, nodeNo := range slices.Sorted(maps.Keys(part)) {
		e := part[nodeNo]
		body, err := json.Marshal(&e.sample)
		if err != nil {
			return nil, err
		}
		p.NodeNos = append(p.NodeNos, nodeNo)
		p.Ats = append(p.Ats, time.UnixMilli(e.sample.AtMs))
		p.ReceivedAts = append(p.ReceivedAts, e.received)
		p.RunNos = append(p.RunNos, e.runNo)
		p.Seqs = append(p.Seqs, int64(e.sample.Seq))
		p.Bodies = append(p.Bodies, body)
	}
	return sqlgen.New(s.cfg.Pool).UpsertLatest(ctx, p)
}
