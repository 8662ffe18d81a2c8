package harness

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTMPDIRSaysWhereDataLies(t *testing.T) {
	parent := t.TempDir()
	t.Setenv("TMPDIR", parent)
	dir, err := DataDir()
	if err != nil || filepath.Dir(dir) != parent {
		t.Errorf("data lies in %s (%v), TMPDIR is %s", dir, err, parent)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}
