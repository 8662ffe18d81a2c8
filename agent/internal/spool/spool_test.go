package spool

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// A script is words: pN puts a message of one sample and 10 bytes with
// sequence N, PN one of 25 bytes, h hands out the head, a accepts it.
func TestQueue(t *testing.T) {
	for _, c := range []struct {
		name, script string
		limit        int
		want         string // sequences left
		dropped      uint64
	}{
		{"first in, first out", "p1 p2 p3 h a h a", 100, "3", 0},
		{"a head that is not accepted is kept", "p1 p2 h h h", 100, "1 2", 0},
		{"the oldest goes first", "p1 p2 p3 p4", 30, "2 3 4", 1},
		{"an attempted head stays, the next goes", "p1 p2 p3 h p4 p5", 30, "1 4 5", 2},
		{"an accepted head no longer protects", "p1 p2 p3 h a p4 p5", 30, "3 4 5", 1},
		{"a big one pushes several out", "p1 p2 p3 P4", 30, "4", 3},
		{"a big one does not push out an attempted head", "p1 p2 h P3", 30, "1", 2},
		{"a message above the limit is dropped", "P1", 20, "", 1},
		{"a dropped one does not come back", "p1 p2 p3 p4 h a h a", 30, "4", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := New(c.limit)
			for _, word := range strings.Fields(c.script) {
				run(t, q, word)
			}
			s := q.Stats()
			if s.DroppedSamples != c.dropped {
				t.Errorf("dropped = %d, want %d", s.DroppedSamples, c.dropped)
			}
			var left []string
			size := 0
			for m, ok := q.Head(); ok; m, ok = q.Head() {
				left = append(left, fmt.Sprint(m.LastSeq))
				size += len(m.Payload)
				q.Accept()
			}
			if got := strings.Join(left, " "); got != c.want {
				t.Errorf("left = %q, want %q", got, c.want)
			}
			if s.Messages != len(left) || s.Samples != len(left) || s.Bytes != size {
				t.Errorf("stats = %+v for %d messages of %d bytes", s, len(left), size)
			}
			if s := q.Stats(); s.Messages != 0 || s.Bytes != 0 || s.Samples != 0 {
				t.Errorf("an empty queue has stats %+v", s)
			}
		})
	}
}

func run(t *testing.T, q *Queue, word string) {
	t.Helper()
	var seq uint64
	switch word[0] {
	case 'p', 'P':
		size := map[byte]int{'p': 10, 'P': 25}[word[0]]
		fmt.Sscan(word[1:], &seq)
		q.Put(Message{LastSeq: seq, Samples: 1, Payload: bytes.Repeat([]byte{byte(seq)}, size)})
	case 'h':
		if _, ok := q.Head(); !ok {
			t.Fatal("no head")
		}
	case 'a':
		q.Accept()
	}
}

func TestHeadGivesTheSameBytesUntilAccepted(t *testing.T) {
	q := New(30)
	for seq := range uint64(3) {
		q.Put(Message{LastSeq: seq, Samples: 1, Payload: bytes.Repeat([]byte{byte(seq)}, 10)})
	}
	first, _ := q.Head()
	before := bytes.Clone(first.Payload)
	for seq := uint64(3); seq < 20; seq++ { // fills it many times over
		q.Put(Message{LastSeq: seq, Samples: 1, Payload: bytes.Repeat([]byte{byte(seq)}, 10)})
	}
	again, ok := q.Head()
	if !ok || again.LastSeq != first.LastSeq || !bytes.Equal(again.Payload, before) {
		t.Errorf("head = %+v, want the one handed out before", again)
	}
}

func TestReadyWakesOnceForEachState(t *testing.T) {
	q := New(0)
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
	q.Put(Message{LastSeq: 1, Payload: []byte("a")})
	q.Put(Message{LastSeq: 2, Payload: []byte("b")})
	if !woken() || woken() {
		t.Error("two messages did not give one token")
	}
	q.Head()
	q.Accept()
	if !woken() {
		t.Error("the further message gives no token after Accept")
	}
	q.Head()
	q.Accept()
	if woken() {
		t.Error("an emptied queue is ready")
	}
}

func TestAcceptWithoutHeadPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic: a message that was never sent would be lost")
		}
	}()
	q := New(0)
	q.Put(Message{LastSeq: 1, Payload: []byte("a")})
	q.Accept()
}
