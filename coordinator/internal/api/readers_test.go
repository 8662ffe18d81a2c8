package api

import (
	"context"
	"net/http"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
)

// However many read, and however long the database takes for them, most of its
// connections are left to others, and half of the readers' places to other
// callers; who gets no turn is told when to come again, and those who have one get
// their answer.
func TestReadersLeaveConnectionsToOthers(t *testing.T) {
	const most, many = 5, 40
	const share = 3 // of one caller
	w := newWorld(t, func(c *Config) { c.Readers = most })
	w.readers.wait = 50 * time.Millisecond
	w.enrol("read", "")
	path := "/api/v1/nodes/" + w.byName("read").ID
	viewer, operator := as(w.keys[access.Viewer]), as(w.keys[access.Operator])
	for _, caller := range []func(*http.Request){viewer, operator} {
		w.send(http.MethodGet, path, "", caller) // from here on the key needs no query
	}
	slow, err := w.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slow.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := slow.Exec(t.Context(), "LOCK TABLE node_heartbeat"); err != nil {
		t.Fatal(err)
	}
	answers, others := make(chan answerOf, many), make(chan answerOf, most)
	for range many {
		go func() { answers <- w.send(http.MethodGet, path, "", viewer) }()
	}
	for range many - share {
		if a := <-answers; a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
			t.Fatalf("a reader too many: %d %s, Retry-After %q", a.StatusCode, a.body, a.Header.Get("Retry-After"))
		}
	}
	if a := w.send(http.MethodGet, "/api/v1/nodes/payouts/halts", "", operator); a.StatusCode != http.StatusOK {
		t.Errorf("another caller, while one has all of its share: %d %s", a.StatusCode, a.body)
	}
	for range most {
		go func() { others <- w.send(http.MethodGet, path, "", operator) }()
	}
	for range share { // of the two places that are left
		if a := <-others; a.StatusCode != http.StatusTooManyRequests {
			t.Errorf("a reader beyond all places: %d %s", a.StatusCode, a.body)
		}
	}
	soon, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if _, err := w.db.Exec(soon, "UPDATE node SET version = version WHERE false"); err != nil {
		t.Errorf("while readers wait: %v", err)
	}
	if err := slow.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range most - share {
		if a := <-others; a.StatusCode != http.StatusOK {
			t.Errorf("another caller whose turn it was: %d %s", a.StatusCode, a.body)
		}
	}
	for range share {
		if a := <-answers; a.StatusCode != http.StatusOK {
			t.Errorf("a reader whose turn it was: %d %s", a.StatusCode, a.body)
		}
	}
}
