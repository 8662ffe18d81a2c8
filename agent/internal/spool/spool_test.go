package spool

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"lucid.internal/shared/wire"
)

var (
	testRun   = wire.RunID{7}
	testStart = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// small and large are the payloads of a script; a record of a small one has
// smallRecord bytes.
const (
	small       = 10
	large       = 110
	smallRecord = recordHeader + small
)

func message(seq uint64, size int) Message {
	return Message{Run: testRun, LastSeq: seq, Samples: 1, Payload: bytes.Repeat([]byte{byte(seq)}, size)}
}

// queue opens a queue; dir "" keeps all in memory.
func queue(t testing.TB, dir string, memory int, disk int64) *Queue {
	t.Helper()
	q, err := Open(Config{Dir: dir, NodeID: "node_test", MemoryBytes: memory, DiskBytes: disk, Now: func() time.Time { return testStart }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

// play runs a script of words: pN puts a small message with sequence N, PN a
// large one, h hands out the next, n finds that there is none, r begins again,
// a accepts the oldest, s spills.
func play(t testing.TB, q *Queue, script string) {
	t.Helper()
	for _, word := range strings.Fields(script) {
		var seq uint64
		fmt.Sscan(word[1:], &seq)
		switch word[0] {
		case 'p':
			q.Put(message(seq, small))
		case 'P':
			q.Put(message(seq, large))
		case 'h', 'n':
			if _, ok := q.Next(); ok != (word == "h") {
				t.Fatalf("%s: there is a next one: %t", script, ok)
			}
		case 'r':
			q.Rewind()
		case 'a':
			q.Accept()
		case 's':
			if err := q.Spill(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// take empties a queue: the sequences of what was in it, in their order.
func take(t testing.TB, q *Queue) string {
	t.Helper()
	var seqs []string
	q.Rewind()
	for m, ok := q.Next(); ok; m, ok = q.Next() {
		if want := bytes.Repeat([]byte{byte(m.LastSeq)}, len(m.Payload)); m.Run != testRun || m.Samples != 1 || !bytes.Equal(m.Payload, want) {
			t.Errorf("message %d came back as %+v", m.LastSeq, m)
		}
		seqs = append(seqs, fmt.Sprint(m.LastSeq))
		q.Accept()
	}
	if s := q.Stats(); s.Messages != 0 || s.Samples != 0 || s.MemoryBytes != 0 || s.DiskBytes != 0 {
		t.Errorf("an empty queue has stats %+v", s)
	}
	return strings.Join(seqs, " ")
}

func TestQueue(t *testing.T) {
	for _, c := range []struct {
		name, script string
		memory       int   // in small records
		disk         int64 // in small records, which pack into a byte less
		want         string
		dropped      uint64
	}{
		{"first in, first out", "p1 p2 p3 h a h a", 10, 10, "3", 0},
		{"a head that is not accepted is kept", "p1 p2 h r h r h", 10, 10, "1 2", 0},
		{"the oldest goes first", "p1 p2 p3 p4", 3, 10, "2 3 4", 1},
		{"an attempted head stays, the next goes", "p1 p2 p3 h p4 p5", 3, 10, "1 4 5", 2},
		{"an accepted head no longer protects", "p1 p2 p3 h a p4 p5", 3, 10, "3 4 5", 1},
		{"a large one pushes several out", "p1 p2 p3 P4", 3, 10, "4", 3},
		{"a large one does not push out an attempted head", "p1 p2 h P3", 3, 10, "1", 2},
		{"a message above the limit is dropped", "P1", 2, 10, "", 1},
		{"a dropped one does not come back", "p1 p2 p3 p4 h a h a", 3, 10, "4", 1},
		{"what was spilled comes first", "p1 p2 s p3", 10, 10, "1 2 3", 0},
		{"spilled twice", "p1 s p2 p3 s p4", 10, 10, "1 2 3 4", 0},
		{"a spill makes room in memory", "p1 p2 p3 s p4 p5 p6", 3, 10, "1 2 3 4 5 6", 0},
		{"an attempted head is spilled and accepted", "p1 p2 h s a", 10, 10, "2", 0},
		{"accepted, then spilled", "p1 p2 h a s", 10, 10, "2", 0},
		{"the oldest on disk goes first", "p1 p2 s p3 p4 s p5 p6 s", 10, 4, "3 4 5 6", 2},
		{"a head on disk is sent although its file went", "p1 p2 s h p3 p4 s p5 p6 s", 10, 4, "1 3 4 5 6", 1},
		{"half of a file was accepted before it went", "p1 p2 s h a p3 p4 s p5 p6 s", 10, 4, "3 4 5 6", 1},
		{"several on their way stay, the next goes", "p1 p2 p3 h h p4 p5", 3, 10, "1 2 5", 2},
		{"several on their way are spilled, the first accepted", "p1 p2 p3 h h s a", 10, 10, "2 3", 0},
		{"several on their way are sent although their file went", "p1 p2 s h h p3 p4 s p5 p6 s n a n a h", 10, 4, "3 4 5 6", 0},
		{"another file's wait until those are accepted", "p1 p2 s p3 s h h n a n a h n", 10, 10, "3", 0},
		{"those in memory wait for those on disk", "p1 s p2 h n a h", 10, 10, "2", 0},
		{"sent again from the oldest", "p1 p2 p3 h h a h r h h n a", 10, 10, "3", 0},
		{"nothing to spill", "s p1 h a s p2", 10, 10, "2", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := queue(t, t.TempDir(), c.memory*smallRecord, c.disk*smallRecord)
			play(t, q, c.script)
			s := q.Stats()
			if s.DroppedSamples != c.dropped {
				t.Errorf("dropped = %d, want %d", s.DroppedSamples, c.dropped)
			}
			if n := len(strings.Fields(c.want)); s.Messages != n || s.Samples != n {
				t.Errorf("stats = %+v for %d messages", s, n)
			}
			if got := take(t, q); got != c.want {
				t.Errorf("left = %q, want %q", got, c.want)
			}
		})
	}
}

func TestNextGivesTheSameBytesUntilAccepted(t *testing.T) {
	q := queue(t, t.TempDir(), 3*smallRecord, 6*smallRecord)
	play(t, q, "p1 p2 p3")
	first, _ := q.Next()
	before := bytes.Clone(first.Payload)
	for seq := uint64(4); seq < 60; seq++ { // fills memory and disk many times over
		q.Put(message(seq, small))
		if seq%5 == 0 {
			play(t, q, "s")
		}
	}
	q.Rewind()
	again, ok := q.Next()
	if !ok || again.LastSeq != first.LastSeq || !bytes.Equal(again.Payload, before) {
		t.Errorf("next = %+v, want the one handed out before", again)
	}
}

func TestReadyWakesOnceForEachState(t *testing.T) {
	q := queue(t, "", 0, 0)
	woken := func() bool {
		select {
		case <-q.Ready():
			return true
		default:
			return false
		}
	}
	if woken() {
		t.Error("an empty queue is ready")
	}
	play(t, q, "p1 p2")
	if !woken() || woken() {
		t.Error("two messages did not give one token")
	}
	play(t, q, "h a")
	if !woken() {
		t.Error("the further message gives no token after Accept")
	}
	play(t, q, "h a")
	if woken() {
		t.Error("an emptied queue is ready")
	}
}

func TestAcceptWithoutNextPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic: a message that was never sent would be lost")
		}
	}()
	q := queue(t, "", 0, 0)
	q.Put(message(1, small))
	q.Accept()
}

func TestWaited(t *testing.T) {
	now := testStart
	q, err := Open(Config{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if q.Waited() != 0 {
		t.Error("nothing waits, yet it has waited")
	}
	play(t, q, "p1")
	now = now.Add(time.Minute)
	play(t, q, "p2")
	now = now.Add(time.Minute)
	if got := q.Waited(); got != 2*time.Minute {
		t.Errorf("waited %s, want 2m", got)
	}
	play(t, q, "h a")
	if got := q.Waited(); got != time.Minute {
		t.Errorf("waited %s, want 1m", got)
	}
}
