package e2e

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"lucid.internal/e2e/harness"
)

// TestDatabaseOutage takes the database away from a running coordinator: its
// files are moved, so that it cannot come back, and the server is killed.
func TestDatabaseOutage(t *testing.T) {
	l := start(t, harness.Options{})
	p := &publisher{node: l.node()}
	session := l.connect(p.node)
	first, second := message(t, p.node, 1), message(t, p.node, 2)
	if err := session.Send(within(t, patience), first); err != nil {
		t.Fatal(err)
	}

	db := l.Database()
	pid, err := db.PID()
	if err != nil {
		t.Fatal(err)
	}
	away := db.Files() + ".away"
	if err := os.Rename(db.Files(), away); err != nil {
		t.Fatal(err)
	}
	if err := harness.Crash(within(t, patience), pid); err != nil {
		t.Fatal(err)
	}
	if err := session.Send(within(t, patience), second); err == nil {
		t.Error("a sample was acknowledged without a database")
	}
	l.await(within(t, patience), "/ready to say why", func(ctx context.Context) error {
		status, body, err := l.Get(ctx, "/ready")
		if err != nil {
			return err
		}
		return unless(status == http.StatusServiceUnavailable && strings.Contains(string(body), "database"), "status %d: %s", status, body)
	})
	if status, _, err := l.Get(within(t, patience), "/health"); err != nil || status != http.StatusOK {
		t.Errorf("/health: status %d, %v; the process itself is well", status, err)
	}

	if err := os.Rename(away, db.Files()); err != nil {
		t.Fatal(err)
	}
	if err := l.AwaitReady(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	l.await(within(t, patience), "the sample to be taken again", func(ctx context.Context) error {
		attempt, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		s, err := p.node.Connect(attempt)
		if err != nil {
			return err
		}
		defer s.Close()
		return s.Send(attempt, second)
	})
	p.acked, p.sent = 2, 2
	l.checkStored(p)
	l.stopCleanly()
}
