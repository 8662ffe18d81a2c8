package sample

import (
	"slices"
	"sync"
	"time"
)

// inbox is where connections leave messages for a writer. It never blocks:
// what may wait is bounded by Ingest.
type inbox struct {
	mu       sync.Mutex
	messages []*message
	closed   bool
	filled   chan struct{} // holds one when there is something
}

func newInbox() inbox { return inbox{filled: make(chan struct{}, 1)} }

// put reports whether the inbox is still open.
func (i *inbox) put(m *message) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return false
	}
	i.messages = append(i.messages, m)
	if len(i.messages) == 1 {
		select {
		case i.filled <- struct{}{}:
		default:
		}
	}
	return true
}

func (i *inbox) take() []*message {
	i.mu.Lock()
	defer i.mu.Unlock()
	taken := i.messages
	i.messages = nil
	return taken
}

func (i *inbox) close() []*message {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	return i.messages
}

// A group is large enough for what a transaction costs to be shared by many,
// and small enough to be over in some tens of milliseconds.
const (
	liveRows     = 8192
	backfillRows = 2048 // on top
)

// backfillPatience is how many times longer backfill may wait. Nodes give a
// message up after 30 s.
const backfillPatience = 4

// queue decides who goes first. All that a node sent goes in the order in
// which it came, so only the first message of each node can be next. Of those,
// live ones are taken before backfill, of which a group holds a share: however
// much a fleet that was offline brings along, a live sample waits for the
// group under way and goes with the next one, and backfill never stands still.
type queue struct {
	wait    time.Duration
	waiting []*message
	seen    map[int32]struct{}
}

func newQueue(wait time.Duration) queue {
	return queue{wait: wait, seen: make(map[int32]struct{})}
}

func (q *queue) add(m []*message) { q.waiting = append(q.waiting, m...) }

// split takes the next group out, with at most one message of a node, and what
// waited too long.
func (q *queue) split(now time.Time) (group, late []*message) {
	clear(q.seen)
	rest, rows := q.waiting[:0], 0
	var ready []int // where in rest the backfill lies that may go
	for _, m := range q.waiting {
		_, behind := q.seen[m.nodeNo]
		switch {
		case q.late(m, now):
			late = append(late, m)
			continue
		case behind:
			rest = append(rest, m)
			continue
		case m.backfill:
			ready = append(ready, len(rest))
			rest = append(rest, m)
		case rows >= liveRows:
			rest = append(rest, m)
		default:
			group = append(group, m)
			rows += m.rows()
		}
		q.seen[m.nodeNo] = struct{}{}
	}
	rows = 0
	for _, i := range ready {
		if rows >= backfillRows {
			break
		}
		group = append(group, rest[i])
		rows += rest[i].rows()
		rest[i] = nil
	}
	rest = slices.DeleteFunc(rest, func(m *message) bool { return m == nil })
	clear(q.waiting[len(rest):])
	q.waiting = rest
	return group, late
}

func (q *queue) late(m *message, now time.Time) bool {
	patience := q.wait
	if m.backfill {
		patience *= backfillPatience
	}
	return now.Sub(m.queued) > patience
}
