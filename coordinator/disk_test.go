package coordinator

import (
	"path/filepath"
	"strings"
	"testing"
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

// What /ready asks about, each by its name.
func TestReadinessIsAsked(t *testing.T) {
	var names []string
	for _, check := range (&Coordinator{Foundation: &Foundation{}}).checks() {
		names = append(names, check.Name)
	}
	if got := strings.Join(names, " "); got != "database migrations disk broker leader" {
		t.Errorf("/ready asks about %s", got)
	}
}
