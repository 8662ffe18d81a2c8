package sample

import (
	"maps"
	"slices"
	"sync"
	"time"

	"lucid.internal/shared/wire"
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

// batch is messages of one run of a node, oldest first: one move of its
// watermark.
type batch struct {
	nodeNo   int32
	run      wire.RunID
	messages []*message
}

// line is what waits of one node, oldest first.
type line struct {
	messages []*message
	served   bool // in the group that is made
}

// queue decides who goes first. All that a node sent goes in the order in
// which it came, so only what stands first in its line can be next. Of those,
// live messages are taken before backfill, of which a group holds a share:
// however much a fleet that was offline brings along, a live sample waits for
// the group under way and goes with the next one, and backfill never stands
// still.
type queue struct {
	wait  time.Duration
	lines []*line // in the order in which they began
	of    map[int32]*line
}

func newQueue(wait time.Duration) queue {
	return queue{wait: wait, of: make(map[int32]*line)}
}

func (q *queue) add(messages []*message) {
	for _, m := range messages {
		l := q.of[m.nodeNo]
		if l == nil {
			l = new(line)
			q.of[m.nodeNo] = l
			q.lines = append(q.lines, l)
		}
		l.messages = append(l.messages, m)
	}
}

// split takes the next group out, with at most one batch of a node. What
// waited too long, and what its sender sent behind it, is given to refuse.
func (q *queue) split(now time.Time, refuse func(*message, error)) []batch {
	for _, l := range q.lines {
		l.served = false
		l.messages = slices.DeleteFunc(l.messages, func(m *message) bool { return q.refused(m, now, refuse) })
	}
	group := q.take(nil, false, liveRows)
	group = q.take(group, true, backfillRows)
	q.lines = slices.DeleteFunc(q.lines, func(l *line) bool { return len(l.messages) == 0 })
	if len(q.lines) != len(q.of) {
		maps.DeleteFunc(q.of, func(_ int32, l *line) bool { return len(l.messages) == 0 })
	}
	return group
}

func (q *queue) refused(m *message, now time.Time, refuse func(*message, error)) bool {
	patience := q.wait
	if m.backfill {
		patience *= backfillPatience
	}
	switch {
	case m.from.Failed():
		refuse(m, ErrBehind)
	case now.Sub(m.queued) > patience:
		refuse(m, ErrLate)
	default:
		return false
	}
	return true
}

// take adds to a group what is live, or backfill, until it has that many rows.
func (q *queue) take(group []batch, backfill bool, most int) []batch {
	for _, l := range q.lines {
		if most <= 0 {
			break
		}
		if l.served || len(l.messages) == 0 || l.messages[0].backfill != backfill {
			continue
		}
		b := l.cut(most)
		for _, m := range b.messages {
			most -= m.rows()
		}
		group = append(group, b)
	}
	return group
}

// cut takes the first messages of the line that belong together.
func (l *line) cut(most int) batch {
	first, count := l.messages[0], 0
	for _, m := range l.messages {
		if most <= 0 || m.run != first.run || m.backfill != first.backfill {
			break
		}
		most -= m.rows()
		count++
	}
	b := batch{first.nodeNo, first.run, l.messages[:count:count]}
	l.messages, l.served = l.messages[count:], true
	return b
}

// rest takes everything out.
func (q *queue) rest() []*message {
	var all []*message
	for _, l := range q.lines {
		all = append(all, l.messages...)
	}
	q.lines = nil
	clear(q.of)
	return all
}
