// Package spool owns the messages that wait for their acknowledgement:
// bounded, oldest first, in memory, and on disk once they have waited long.
//
// It must never change a message's bytes, hand out a younger message before
// an older one, lose one without counting it, refuse to start because of what
// lies on its disk, or write to a disk while messages are acknowledged as
// they come.
package spool

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"lucid.internal/shared/wire"
)

// Defaults of Config.
const (
	DefaultMemoryBytes = 1 << 20
	DefaultDiskBytes   = 64 << 20
)

// packAfter messages waiting, further ones are packed: the connection is not
// keeping up.
const packAfter = 8

// Message is one immutable payload and the samples in it.
type Message struct {
	Run     wire.RunID
	LastSeq uint64 // names the message in its run's running hash
	Samples int
	Payload []byte // never changed after Put
}

// Stats describe a queue.
type Stats struct {
	Messages       int    // waiting, in memory and on disk
	Samples        int    // in them
	MemoryBytes    int    // of those in memory
	DiskBytes      int64  // of those on disk
	WrittenBytes   int64  // to the disk since the start, removed since or not
	DroppedSamples uint64 // lost to the limits or to damage since the start; each a gap in the sequence
}

// Config of a queue. Zero values are usable.
type Config struct {
	MemoryBytes int    // most that waits in memory; default 1 MiB
	Dir         string // folder for what waits long; "" keeps all in memory
	NodeID      string // whose messages these are; required with Dir
	DiskBytes   int64  // most on disk, but while a spill is written; default 64 MiB
	Logger      *slog.Logger
	Now         func() time.Time
}

// place is where the message is that was handed out.
type place int

const (
	nowhere place = iota // its record was pushed out, only the copy is left
	inMemory
	onDisk
)

// waiting is a record in memory.
type waiting struct {
	record
	since time.Time
}

// handed is a message that was handed out and is not accepted: it may be
// committed already.
type handed struct {
	Message
	is place
}

// Queue holds messages. Its methods may be called from several goroutines;
// Next, Accept and Rewind belong to the one that sends, Spill to another one.
type Queue struct {
	config Config
	disk   *folder       // nil: memory only
	ready  chan struct{} // holds a token while the queue may not be empty

	mu       sync.Mutex
	segments []segment // on disk, oldest first
	opened   []record  // what is left of segments[0], once it was read
	memory   []waiting // younger than all segments
	packer   *packer
	handed   []handed  // oldest first, before all that is left
	given    int       // of them, since the last Rewind
	next     uint64    // number of the next segment
	finished []segment // accepted, but could not be removed yet
	spilling bool
	accepted int // records accepted from memory while it is being spilled
	dropped  uint64
}

// Open makes a queue of what waits on disk. It can always be used: with an
// error it keeps everything in memory, and the error says why.
func Open(config Config) (*Queue, error) {
	if config.MemoryBytes <= 0 {
		config.MemoryBytes = DefaultMemoryBytes
	}
	if config.DiskBytes <= 0 {
		config.DiskBytes = DefaultDiskBytes
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	q := &Queue{config: config, ready: make(chan struct{}, 1)}
	if config.Dir == "" {
		return q, nil
	}
	disk, segments, err := openFolder(config.Dir, config.NodeID)
	if err != nil {
		return q, fmt.Errorf("spool: %w", err)
	}
	q.disk, q.segments = &disk, segments
	if n := len(segments); n > 0 {
		q.next = segments[n-1].number + 1
		q.wake()
	}
	return q, nil
}

// Put appends a message. What does not fit pushes the oldest messages in
// memory out, but never one that was handed out before: the coordinator may
// have committed it, and the running hash could not go on without it. A
// message that does not fit even then is dropped itself.
func (q *Queue) Put(m Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.memory) >= packAfter && q.packer == nil {
		q.packer = newPacker()
	}
	r := newRecord(m, q.packer)
	if !q.spilling { // the one who spills gives back what it was given
		q.pushOut(len(r))
		if q.memoryBytes()+len(r) > q.config.MemoryBytes {
			q.dropped += uint64(m.Samples)
			return
		}
	}
	q.memory = append(q.memory, waiting{r, q.config.Now()})
	q.wake()
}

// pushOut drops the oldest records in memory until size more bytes fit.
func (q *Queue) pushOut(size int) {
	first := q.handedFrom(inMemory)
	for q.memoryBytes()+size > q.config.MemoryBytes && first < len(q.memory) {
		q.dropped += uint64(q.memory[first].samples())
		q.memory = slices.Delete(q.memory, first, first+1)
	}
}

func (q *Queue) memoryBytes() int {
	sum := 0
	for _, w := range q.memory {
		sum += len(w.record)
	}
	return sum
}

// Next gives the oldest message that was not given since Rewind, which stays
// in the queue until Accept. false: there is none, or none before others are
// accepted, because it lies elsewhere than they do.
func (q *Queue) Next() (Message, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.given == len(q.handed) {
		r, is, ok := q.behind()
		if !ok {
			return Message{}, false
		}
		m, err := r.message()
		if err == nil {
			q.handed = append(q.handed, handed{m, is})
			continue
		}
		if len(q.handed) > 0 {
			return Message{}, false
		}
		// Its checksum is right: another version wrote it.
		q.config.Logger.Warn("message lost", "run", r.run(), "samples", r.samples(), "error", err)
		q.dropped += uint64(r.samples())
		q.pop(is)
	}
	q.given++
	return q.handed[q.given-1].Message, true
}

// behind gives the record that follows what is handed out.
func (q *Queue) behind() (r record, is place, ok bool) {
	n := len(q.handed)
	for n == 0 && len(q.opened) == 0 && len(q.segments) > 0 {
		q.open()
	}
	is = inMemory
	if len(q.segments) > 0 {
		is = onDisk
	}
	switch {
	case n > 0 && q.handedFrom(is) < n:
		return nil, is, false
	case is == onDisk && n < len(q.opened):
		return q.opened[n], is, true
	case is == inMemory && n < len(q.memory):
		return q.memory[n].record, is, true
	}
	return nil, is, false
}

// handedFrom is how many of the messages that were handed out lie there.
func (q *Queue) handedFrom(where place) (count int) {
	for _, h := range q.handed {
		if h.is == where {
			count++
		}
	}
	return count
}

// Accept removes the oldest message that Next gave: it is acknowledged.
func (q *Queue) Accept() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.given == 0 {
		panic("spool: Accept without Next")
	}
	is := q.handed[0].is
	q.handed = slices.Delete(q.handed, 0, 1)
	q.given--
	q.pop(is)
	if len(q.segments)+len(q.memory) > 0 {
		q.wake()
	}
}

// Rewind makes Next begin with the oldest message again: what was given and is
// not accepted must be sent once more.
func (q *Queue) Rewind() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.given = 0
}

// pop removes the oldest record there.
func (q *Queue) pop(is place) {
	switch is {
	case inMemory:
		q.memory = slices.Delete(q.memory, 0, 1)
		if len(q.memory) == 0 {
			q.packer = nil
		}
		if q.spilling {
			q.accepted++
		}
	case onDisk:
		if q.opened = q.opened[1:]; len(q.opened) == 0 {
			s := q.segments[0]
			q.opened, q.segments = nil, q.segments[1:]
			q.remove(s)
		}
	}
}

// Ready gives a token whenever the queue has become non-empty, or has a
// further message after Accept.
func (q *Queue) Ready() <-chan struct{} { return q.ready }

// Stats describe the queue now.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := Stats{Messages: len(q.memory), MemoryBytes: q.memoryBytes(), DiskBytes: q.diskBytes(), DroppedSamples: q.dropped}
	if q.disk != nil {
		s.WrittenBytes = q.disk.written.Load()
	}
	for _, w := range q.memory {
		s.Samples += w.samples()
	}
	for i, on := range q.segments {
		if i == 0 && q.opened != nil {
			on.messages, on.samples = len(q.opened), samplesOf(q.opened)
		}
		s.Messages += on.messages
		s.Samples += on.samples
	}
	for _, h := range q.handed {
		if h.is == nowhere {
			s.Messages++
			s.Samples += h.Samples
		}
	}
	return s
}

func (q *Queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
