package event_test

import (
	"runtime"
	"testing"

	"lucid.internal/coordinator/internal/event"
)

// While another coordinator gives numbers, nobody else does: a higher number
// that is visible first would make readers skip the lower one.
func TestNumbersAreGivenByOneAtATime(t *testing.T) {
	w := newWorld(t)
	start := int64(0)
	reader := w.listen(event.Filter{}, &start)
	other, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Rollback(t.Context())
	if _, err := other.Exec(t.Context(), "SELECT pg_advisory_xact_lock($1::int, 0)", event.TurnClass); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(t.Context(), "INSERT INTO event (at, kind, node_id, pool_id, body) VALUES (now(), 'node', 'node_a', '', '1')"); err != nil {
		t.Fatal(err)
	}
	w.publish(about("node_a", 2))
	done := make(chan error, 1)
	go func() { done <- w.feed.RunOnce(t.Context()) }()
	for waiting := false; !waiting; runtime.Gosched() {
		select {
		case err := <-done:
			t.Fatalf("numbers were given in the middle of another's turn: %v", err)
		default:
		}
		err := w.pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
			AND classid = $1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`, event.TurnClass).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if last := w.want(reader, 1, 2); last != 2 {
		t.Errorf("the last number is %d, want 2", last)
	}
}
