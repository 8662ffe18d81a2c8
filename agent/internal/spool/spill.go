package spool

import (
	"fmt"
	"slices"
	"time"
)

// This file is the queue's way to the disk and back; what it does in memory
// alone is in spool.go. The queue's lock is never held while the disk works.

// Waited is how long the oldest message in memory has waited; 0 without one.
func (q *Queue) Waited() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.memory) == 0 {
		return 0
	}
	return q.config.Now().Sub(q.memory[0].since)
}

// Spill moves what waits in memory to the disk, in one write. After an error
// everything is where it was: the oldest segments make room only once the new
// one is written, so that for this moment there is more than DiskBytes.
// Without a disk it does nothing.
func (q *Queue) Spill() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.disk == nil || len(q.memory) == 0 || q.spilling {
		return nil
	}
	again := q.finished
	q.finished = nil
	for _, s := range again {
		q.remove(s)
	}
	q.spilling, q.accepted = true, 0
	defer func() { q.spilling = false }()
	s, records, content := q.gather()
	if s.bytes > q.config.DiskBytes {
		return fmt.Errorf("spool: %d bytes never fit into %d", s.bytes, q.config.DiskBytes)
	}
	q.mu.Unlock()
	err := q.disk.write(s, content)
	q.mu.Lock()
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	q.moved(s, records)
	q.makeRoom()
	return nil
}

// gather makes a segment of what is in memory.
func (q *Queue) gather() (segment, []record, []byte) {
	s := segment{number: q.next, messages: len(q.memory)}
	q.next++
	packer := q.packer
	if packer == nil {
		packer = newPacker()
	}
	records := make([]record, len(q.memory))
	var content []byte
	for i, w := range q.memory {
		records[i] = w.record
		if m, err := w.message(); err == nil && !w.packed() {
			records[i] = newRecord(m, packer)
		}
		content = append(content, records[i]...)
		s.samples += w.samples()
	}
	s.bytes = int64(len(content))
	return s, records, content
}

// moved takes the records that were written out of memory. Some of them, or
// all and younger ones as well, were accepted while the disk worked.
func (q *Queue) moved(s segment, records []record) {
	left := records[min(q.accepted, len(records)):]
	q.memory = slices.Delete(q.memory, 0, len(left))
	if len(q.memory) == 0 {
		q.packer = nil
	}
	if len(left) == 0 {
		q.remove(s)
		return
	}
	for i := range min(len(left), len(q.handed)) {
		if q.handed[i].is == inMemory {
			q.handed[i].is = onDisk
		}
	}
	q.segments = append(q.segments, s)
	if len(q.segments) == 1 {
		q.opened = left
	}
}

// makeRoom drops the oldest segments until the others fit. The newest fits
// alone.
func (q *Queue) makeRoom() {
	for len(q.segments) > 1 && q.diskBytes() > q.config.DiskBytes {
		s, lost := q.segments[0], q.segments[0].samples
		if q.opened != nil {
			lost = samplesOf(q.opened)
		}
		for i, h := range q.handed {
			if h.is == onDisk { // it may be committed: its copy is still sent
				lost -= h.Samples
				q.handed[i].is = nowhere
			}
		}
		q.dropped += uint64(lost)
		q.opened, q.segments = nil, q.segments[1:]
		q.remove(s)
	}
}

// open reads the oldest segment. The lock is not held while the disk works.
func (q *Queue) open() {
	s := q.segments[0]
	q.mu.Unlock()
	records, err := q.disk.read(s)
	q.mu.Lock()
	if len(q.segments) == 0 || q.segments[0] != s {
		return // pushed out meanwhile
	}
	lost := s.samples
	for _, r := range records {
		lost -= r.samples()
	}
	if lost > 0 {
		q.dropped += uint64(lost)
		q.config.Logger.Warn("part of the spool is damaged", "file", s.name(), "samples_lost", lost, "error", err)
	}
	q.opened = records
	if len(records) == 0 {
		q.segments = q.segments[1:]
		if err == nil { // else the disk may give it back after a restart
			q.remove(s)
		}
	}
}

// remove deletes the file of a segment that nobody waits for any more. The
// lock is not held while the disk works. One that cannot be deleted is tried
// again later; after a restart it would be sent once more, which the
// coordinator recognises.
func (q *Queue) remove(s segment) {
	q.mu.Unlock()
	err := q.disk.remove(s)
	q.mu.Lock()
	if err != nil {
		q.finished = append(q.finished, s)
	}
}

func (q *Queue) diskBytes() int64 {
	var sum int64
	for _, s := range q.segments {
		sum += s.bytes
	}
	return sum
}

func samplesOf(records []record) int {
	sum := 0
	for _, r := range records {
		sum += r.samples()
	}
	return sum
}

// Close lets go of the folder. What waits in memory only is lost: Spill first.
func (q *Queue) Close() error {
	if q.disk == nil {
		return nil
	}
	return q.disk.root.Close()
}
