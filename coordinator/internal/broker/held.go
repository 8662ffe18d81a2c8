package broker

import (
	"time"

	"lucid.internal/shared/wire"
)

// messagesBefore is how many messages may stand before an answer while we hold
// its connection up: a window of metrics, and some of the other channels.
const messagesBefore = wire.MaxUnacknowledged + 8

// held is how long we kept a reader from its connection since it last had to
// wait for the node: what is read next may have come so much earlier. The last
// messagesBefore messages count, so that a node that never lets its reader wait
// gains no more than one that sends a window at once. The reader's goroutine's
// alone.
type held struct {
	each [messagesBefore]time.Duration
	next int
	sum  time.Duration
}

// add counts one message, for which the reader was held up so long.
func (h *held) add(d time.Duration) {
	if d == 0 && h.sum == 0 {
		return
	}
	h.sum += d - h.each[h.next]
	h.each[h.next] = d
	h.next = (h.next + 1) % messagesBefore
}

// idle is longer than a read takes of bytes that lie ready.
const idle = time.Millisecond

// waiting is called before a read; what it gives, after it. Whoever had to be
// waited for sent nothing earlier that is not read already.
func (h *held) waiting() (since time.Time) {
	if h != nil && h.sum > 0 {
		return time.Now()
	}
	return time.Time{}
}

func (h *held) waited(since time.Time) {
	if !since.IsZero() && time.Since(since) > idle {
		*h = held{}
	}
}
