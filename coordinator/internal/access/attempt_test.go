package access

import (
	"net/netip"
	"testing"
	"time"
)

func TestAttemptsWaitLongerAndLonger(t *testing.T) {
	a, now := newAttempts(3), time.Unix(1_000_000, 0)
	who := watchedName("ada")
	for range 3 {
		if wait := a.begin(who, now); wait != 0 {
			t.Fatalf("a free try waits %s", wait)
		}
	}
	for _, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if wait := a.begin(who, now); wait != want {
			t.Errorf("waits %s, want %s", wait, want)
		}
		if wait := a.begin(who, now.Add(want-1)); wait != 1 {
			t.Errorf("a moment before the end: waits %s", wait)
		}
		now = now.Add(want)
		if wait := a.begin(who, now); wait != 0 {
			t.Errorf("after %s it still waits %s", want, wait)
		}
	}
	if wait := a.begin(watchedName("bob"), now); wait != 0 {
		t.Errorf("somebody else waits %s", wait)
	}
	if wait := a.begin(watchedName("ADA"), now); wait == 0 {
		t.Error("another case is another account")
	}
	a.forgive(who)
	if wait := a.begin(who, now); wait != 0 {
		t.Errorf("after forgiving: %s", wait)
	}
	for range 2 {
		a.begin(who, now)
	}
	if wait := a.begin(who, now.Add(forgetAfter+time.Second)); wait != 0 || a.by[who].count != 1 {
		t.Errorf("after an hour: waits %s, %d failures", wait, a.by[who].count)
	}
}

// A good login from an address takes back itself only: else a thief with one
// account of his own could try others for ever.
func TestUndoTakesBackOneTry(t *testing.T) {
	a, now := newAttempts(3), time.Unix(1_000_000, 0)
	who := watchedName("203.0.113.1")
	a.begin(who, now)
	a.begin(who, now)
	a.begin(who, now)
	a.undo(who)
	if wait := a.begin(who, now); wait != 0 || a.by[who].count != 3 {
		t.Errorf("waits %s with %d failures", wait, a.by[who].count)
	}
	for range 5 {
		a.undo(who)
	}
	if len(a.by) != 0 {
		t.Errorf("%d entries left", len(a.by))
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	a, now := newAttempts(1), time.Unix(1_000_000, 0)
	locked := watchedName("locked")
	for range 3 {
		now = now.Add(backoff(a.by[locked].count, 1))
		a.begin(locked, now)
	}
	for n := range 3 * maxWatched / 2 {
		a.begin(digestOf(n), now)
	}
	if len(a.by) != maxWatched {
		t.Errorf("%d entries, want %d", len(a.by), maxWatched)
	}
	if wait := a.begin(locked, now); wait == 0 {
		t.Error("the entry with the longest wait was pushed out by others")
	}
	a.begin(digestOf(-1), now.Add(2*forgetAfter))
	if len(a.by) != 1 {
		t.Errorf("%d entries after all are old, want the new one", len(a.by))
	}
}

func TestWatchedAddress(t *testing.T) {
	same := func(a, b string) bool {
		return watchedAddress(netip.MustParseAddr(a)) == watchedAddress(netip.MustParseAddr(b))
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"203.0.113.1", "203.0.113.2", false},
		{"203.0.113.1", "::ffff:203.0.113.1", true},
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::1%eth1", true},
	} {
		if got := same(c.a, c.b); got != c.want {
			t.Errorf("%s and %s count together: %v", c.a, c.b, got)
		}
	}
	watchedAddress(netip.Addr{}) // none is an address like another
}
