// Package spool owns the queue of messages that wait for their
// acknowledgement: bounded, oldest first.
//
// It must never change a message's bytes, hand out a younger message before
// an older one, or lose one without counting it.
package spool

import (
	"slices"
	"sync"
)

// DefaultLimitBytes bounds the payloads that wait in memory.
const DefaultLimitBytes = 1 << 20

// Message is one immutable payload and the samples in it.
type Message struct {
	LastSeq uint64 // names the message in the running hash
	Samples int
	Payload []byte // never changed after Put
}

// Stats describe a queue.
type Stats struct {
	Messages       int    // waiting
	Samples        int    // in them
	Bytes          int    // of their payloads
	DroppedSamples uint64 // lost to the limit since the start; each a gap in the sequence
}

// Queue holds messages in memory. Its methods may be called from several
// goroutines; Head and Accept belong to the one that sends.
type Queue struct {
	limit int
	ready chan struct{} // holds a token while the queue may not be empty

	mu        sync.Mutex
	messages  []Message
	stats     Stats
	attempted bool // the head was handed out: it may be committed already
}

// New makes a queue that holds at most limitBytes; 0 is DefaultLimitBytes.
func New(limitBytes int) *Queue {
	if limitBytes <= 0 {
		limitBytes = DefaultLimitBytes
	}
	return &Queue{limit: limitBytes, ready: make(chan struct{}, 1)}
}

// Put appends a message. What does not fit pushes the oldest messages out,
// but never a head that was handed out before: the coordinator may have
// committed it, and the running hash could not go on without it. A message
// that does not fit even then is dropped itself.
func (q *Queue) Put(m Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	first := 0
	if q.attempted {
		first = 1
	}
	for q.stats.Bytes+len(m.Payload) > q.limit && first < len(q.messages) {
		q.stats.DroppedSamples += uint64(q.messages[first].Samples)
		q.remove(first)
	}
	if q.stats.Bytes+len(m.Payload) > q.limit {
		q.stats.DroppedSamples += uint64(m.Samples)
		return
	}
	q.messages = append(q.messages, m)
	q.stats.Messages++
	q.stats.Samples += m.Samples
	q.stats.Bytes += len(m.Payload)
	q.wake()
}

// Head gives the oldest message, which stays in the queue until Accept; the
// same one comes again until then. false: the queue is empty.
func (q *Queue) Head() (Message, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.messages) == 0 {
		return Message{}, false
	}
	q.attempted = true
	return q.messages[0], true
}

// Accept removes the message that Head gave: it is acknowledged.
func (q *Queue) Accept() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.attempted {
		panic("spool: Accept without Head")
	}
	q.attempted = false
	q.remove(0)
	if len(q.messages) > 0 {
		q.wake()
	}
}

// Ready gives a token whenever the queue has become non-empty, or has a
// further message after Accept.
func (q *Queue) Ready() <-chan struct{} { return q.ready }

// Stats describe the queue now.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.stats
}

func (q *Queue) remove(i int) {
	m := q.messages[i]
	q.messages = slices.Delete(q.messages, i, i+1)
	q.stats.Messages--
	q.stats.Samples -= m.Samples
	q.stats.Bytes -= len(m.Payload)
}

func (q *Queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
