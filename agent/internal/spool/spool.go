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

// Queue holds messages. Its methods may be called from several goroutines;
// Head and Accept belong to the one that sends, Spill to another one.
type Queue struct {
	config Config
	disk   *folder       // nil: memory only
	ready  chan struct{} // holds a token while the queue may not be empty

	mu       sync.Mutex
	segments []segment // on disk, oldest first
	opened   []record  // what is left of segments[0], once it was read
	memory   []waiting // younger than all segments
	packer   *packer
	head     *Message // handed out and not accepted: it may be committed already
	headIs   place
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
// memory out, but never a head that was handed out before: the coordinator
// may have committed it, and the running hash could not go on without it. A
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
	first := 0
	if q.headIs == inMemory {
		first = 1
	}
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

// Head gives the oldest message, which stays in the queue until Accept; the
// same one comes again until then. false: the queue is empty.
func (q *Queue) Head() (Message, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.head == nil {
		var r record
		switch {
		case len(q.opened) > 0:
			r, q.headIs = q.opened[0], onDisk
		case len(q.segments) > 0:
			q.open()
			continue
		case len(q.memory) > 0:
			r, q.headIs = q.memory[0].record, inMemory
		default:
			return Message{}, false
		}
		m, err := r.message()
		if err != nil { // its checksum is right: another version wrote it
			q.config.Logger.Warn("message lost", "run", r.run(), "samples", r.samples(), "error", err)
			q.dropped += uint64(r.samples())
			q.pop()
			continue
		}
		q.head = &m
	}
	return *q.head, true
}

// Accept removes the message that Head gave: it is acknowledged.
func (q *Queue) Accept() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == nil {
		panic("spool: Accept without Head")
	}
	q.pop()
	if len(q.segments)+len(q.memory) > 0 {
		q.wake()
	}
}

// pop removes the record of the head.
func (q *Queue) pop() {
	was := q.headIs
	q.head, q.headIs = nil, nowhere
	switch was {
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
	if q.head != nil && q.headIs == nowhere {
		s.Messages++
		s.Samples += q.head.Samples
	}
	return s
}

func (q *Queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
