package access

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

func digestOf(n int) (d [32]byte) {
	binary.BigEndian.PutUint64(d[:], uint64(n))
	return d
}

func TestMemoryIsBounded(t *testing.T) {
	m, now := newMemory(), time.Unix(1_000_000, 0)
	for n := range 2 * maxRemembered {
		m.put(digestOf(n), Principal{ID: fmt.Sprint("key_", n)}, now.Add(time.Hour))
	}
	m.put(digestOf(2*maxRemembered-1), Principal{ID: "key_again"}, now.Add(time.Hour)) // takes no second place
	if len(m.good) != maxRemembered || m.order.Len() != maxRemembered || len(m.of) != maxRemembered {
		t.Errorf("%d remembered in order %d of %d sources, want the limit %d", len(m.good), m.order.Len(), len(m.of), maxRemembered)
	}
	for n, want := range map[int]bool{0: false, maxRemembered - 1: false, maxRemembered: true, 2*maxRemembered - 1: true} {
		if _, ok := m.get(digestOf(n), now); ok != want {
			t.Errorf("number %d is remembered: %v; the first to come should be the first to go", n, ok)
		}
	}
	if _, ok := m.get(digestOf(maxRemembered), now.Add(time.Hour)); ok {
		t.Error("an ended credential is good")
	}
}

// What ends is forgotten, and nothing else.
func TestMemoryForgetsWhatWasRevoked(t *testing.T) {
	m, now := newMemory(), time.Unix(1_000_000, 0)
	principals := []Principal{{ID: "key_1"}, {ID: "key_1"}, {ID: "key_2"}, {ID: "user_1", Session: "session_1"}, {ID: "user_1", Session: "session_2"}}
	for n, p := range principals {
		m.put(digestOf(n), p, now.Add(time.Hour))
	}
	m.revoke(now, "key_1", "session_2")
	for n, want := range []bool{false, false, true, true, false} {
		if _, ok := m.get(digestOf(n), now); ok != want {
			t.Errorf("%+v is remembered: %v", principals[n], ok)
		}
	}
	if len(m.good) != 2 || m.order.Len() != 2 || len(m.of) != 2 {
		t.Errorf("%d, %d, %d left, want 2 of each", len(m.good), m.order.Len(), len(m.of))
	}
}

// A revocation among ten thousand live tokens costs what it costs among none.
func BenchmarkRevoke(b *testing.B) {
	for name, others := range map[string]int{"alone": 0, "full": maxRemembered - 1} {
		b.Run(name, func(b *testing.B) {
			m, now := newMemory(), time.Unix(1_000_000, 0)
			for n := range others {
				m.put(digestOf(n), Principal{ID: fmt.Sprint("key_", n)}, now.Add(time.Hour))
			}
			for b.Loop() {
				m.put(digestOf(-1), Principal{ID: "key"}, now.Add(time.Hour))
				m.revoke(now, "key")
				now = now.Add(time.Hour)
				m.revoke(now)
			}
		})
	}
}

// A check that began before a revocation and ends after it must not bring the
// key back.
func TestMemoryRefusesWhatWasRevokedMeanwhile(t *testing.T) {
	m, now := newMemory(), time.Unix(1_000_000, 0)
	m.revoke(now, "key_1")
	if m.put(digestOf(1), Principal{ID: "key_1"}, now.Add(time.Hour)) {
		t.Error("a revoked key was remembered")
	}
	if _, ok := m.get(digestOf(1), now); ok {
		t.Error("a revoked key is remembered")
	}
	m.revoke(now.Add(TokenLife+keyMemory), "key_2")
	if len(m.revoked) != 1 {
		t.Errorf("%d revocations kept, want 1: the first one's tokens have all expired", len(m.revoked))
	}
}
