package access

import (
	"encoding/binary"
	"testing"
	"time"
)

func digestOf(n int) (d [32]byte) {
	binary.BigEndian.PutUint64(d[:], uint64(n))
	return d
}

func TestMemoryIsBounded(t *testing.T) {
	m, now := newMemory(), time.Unix(1_000_000, 0)
	for n := range maxRemembered {
		until := now.Add(time.Hour)
		if n%2 == 0 {
			until = now.Add(time.Minute)
		}
		m.put(digestOf(n), Principal{ID: "key_1"}, now, until)
	}
	later := now.Add(time.Minute)
	m.put(digestOf(-1), Principal{ID: "key_1"}, later, later.Add(time.Hour))
	if want := maxRemembered/2 + 1; len(m.good) != want {
		t.Errorf("%d remembered after the ended half made room, want %d", len(m.good), want)
	}
	for n := range 2 * maxRemembered {
		m.put(digestOf(maxRemembered+n), Principal{ID: "key_1"}, later, later.Add(time.Hour))
	}
	if len(m.good) != maxRemembered {
		t.Errorf("%d remembered, want the limit %d", len(m.good), maxRemembered)
	}
}

// A check that began before a revocation and ends after it must not bring the
// key back.
func TestMemoryRefusesWhatWasRevokedMeanwhile(t *testing.T) {
	m, now := newMemory(), time.Unix(1_000_000, 0)
	m.revoke(now, "key_1")
	if m.put(digestOf(1), Principal{ID: "key_1"}, now, now.Add(time.Hour)) {
		t.Error("a revoked key was remembered")
	}
	if _, ok := m.get(digestOf(1), now); ok {
		t.Error("a revoked key is remembered")
	}
	m.revoke(now.Add(TokenLife), "key_2")
	if len(m.revoked) != 1 {
		t.Errorf("%d revocations kept, want 1: the first one's tokens have all expired", len(m.revoked))
	}
}
