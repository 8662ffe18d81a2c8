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

func TestTMPDIRThatIsTheUsualOneSaysNothing(t *testing.T) {
	var parents []string
	for _, tmp := range []string{"", "/tmp"} {
		t.Setenv("TMPDIR", tmp)
		dir, err := DataDir()
		if err != nil {
			t.Fatal(err)
		}
		parents = append(parents, filepath.Dir(dir))
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}
	if parents[0] != parents[1] {
		t.Errorf("data lies in %q without TMPDIR and with that of /tmp", parents)
	}
}
