package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A shell beside a database that was restored pays nothing either, and records
// what was paid.
func TestPayoutCommandsSeeARestoredDatabase(t *testing.T) {
	s := newShell(t)
	s.payouts(1)
	id, file := s.read("SELECT payout_id FROM payout"), filepath.Join(os.Getenv("LUCID_DATA_DIR"), "known-head.json")
	restored := func() {
		t.Helper()
		if err := os.WriteFile(file, []byte(`{"audit_entry_no":1000,"audit_hash":"AAAA"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.db.Exec(t.Context(), `UPDATE payout_halt SET lifted_by = 'test', lifted_at = now() WHERE lifted_at IS NULL`); err != nil {
			t.Fatal(err)
		}
	}
	restored()
	if code := run([]string{"payout", "start", id}); code == 0 || s.read("SELECT status FROM payout") != "pending" {
		t.Errorf("exit code %d, the payout is %s", code, s.read("SELECT status FROM payout"))
	}
	if said := s.warned("payout", "list"); !strings.Contains(said, "payouts are halted (") || !strings.Contains(said, "a backup was restored") {
		t.Errorf("payout list warns %q", said)
	}
	restored()
	s.run("", "payout", "complete", id, "--transaction", "ticket-1")
	if status := s.read("SELECT status FROM payout"); status != "completed" {
		t.Errorf("what was paid is %s", status)
	}
}

// TestBudgetIsShownAndApproved: without an amount it is only shown.
func TestBudgetIsShownAndApproved(t *testing.T) {
	s := newShell(t)
	const none = "no budget is approved: automatic payouts pay nobody\n"
	if said := s.run("", "payout", "budget"); said != none {
		t.Error(said)
	}
	for _, args := range [][]string{{"payout", "budget", "50"}, {"payout", "budget"}} {
		if said := s.run("", args...); !strings.HasPrefix(said, "automatic payouts may spend 50 USDT in 24 hours, of which 50 are left; approved by cli:") {
			t.Errorf("%v: %s", args, said)
		}
	}
	if count := s.read("SELECT count(*)::text FROM audit_entry"); count != "1" {
		t.Errorf("%s entries of the audit log, want that of the approval", count)
	}
	if said := s.run("", "payout", "budget", "0"); said != none {
		t.Error(said)
	}
}
