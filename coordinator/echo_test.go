package coordinator

import (
	"testing"
	"time"
)

// What came behind an echo may have waited since it was sent, and what came
// before it is handled; another leader's echoes say nothing.
func TestEcho(t *testing.T) {
	clock := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	e := echo{now: func() time.Time { return clock }}
	if !e.overdue() || e.held(clock) < time.Hour {
		t.Error("before it calls out it knows how long messages wait")
	}
	e.begin()
	old := e.call()
	e.begin()
	e.back(old)
	e.back("nonsense")
	if !e.until().IsZero() || e.overdue() {
		t.Errorf("until %s, overdue %v, before any echo came back", e.until(), e.overdue())
	}
	first, sent := e.call(), clock
	clock = clock.Add(200 * time.Millisecond)
	second := e.call()
	e.back(first)
	if !e.until().Equal(sent) || e.held(clock) != 0 {
		t.Errorf("until %s, held up for %s", e.until(), e.held(clock))
	}
	clock = clock.Add(3 * time.Second) // the second waits
	if held := e.held(clock); held != 3200*time.Millisecond || !e.overdue() {
		t.Errorf("held up for %s, overdue %v", held, e.overdue())
	}
	e.back(second)
	e.back(first) // once more
	if held := e.held(clock); held != 3*time.Second {
		t.Errorf("held up for %s", held)
	}
}
