package coordinator

import (
	"path/filepath"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/payout"
)

func TestCheckDisk(t *testing.T) {
	folder := t.TempDir()
	for _, at := range []string{folder, filepath.Join(folder, "not", "yet")} {
		if err := checkDisk(at, 1); err != nil {
			t.Errorf("%s: %v", at, err)
		}
	}
	if err := checkDisk(folder, 1<<40); err == nil || !strings.Contains(err.Error(), "make room") {
		t.Errorf("no disk has an exbibyte free: %v", err)
	}
	if err := checkDisk("\x00", 1); err == nil {
		t.Error("a folder that cannot be is fine")
	}
}

// A head that cannot be kept makes a coordinator unready.
func TestReadinessTellsOfLostMemory(t *testing.T) {
	pool, folder := dbtest.New(t), t.TempDir()
	ready := func(file string) error {
		store, err := payout.NewStore(payout.Config{Pool: pool, KnownHead: file})
		if err != nil {
			t.Fatal(err)
		}
		c := &Coordinator{Foundation: &Foundation{payouts: store}}
		if err := c.remembers(); err == nil {
			t.Error("ready before it looked")
		}
		_ = c.remember(t.Context())
		return c.remembers()
	}
	if err := ready(folder); err == nil { // a folder cannot be replaced by a file
		t.Error("ready without a file to remember in")
	}
	if err := ready(filepath.Join(folder, "known-head.json")); err != nil {
		t.Error(err)
	}
}

// What /ready asks about, each by its name.
func TestReadinessIsAsked(t *testing.T) {
	var names []string
	for _, check := range (&Coordinator{Foundation: &Foundation{}}).checks() {
		names = append(names, check.Name)
	}
	if got := strings.Join(names, " "); got != "database migrations disk memory broker leader" {
		t.Errorf("/ready asks about %s", got)
	}
}
