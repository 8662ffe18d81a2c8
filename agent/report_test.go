package agent

import (
	"os"
	"path/filepath"
	"testing"
)

func TestStatusFileIsNotWrittenThroughALink(t *testing.T) {
	folder := t.TempDir()
	victim, status := filepath.Join(folder, "victim"), filepath.Join(folder, "status.json")
	write(t, victim, "precious")
	if err := os.Symlink(victim, filepath.Join(folder, ".status.json.new")); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(status, []byte("{}")); err == nil {
		t.Error("a link is no error")
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "precious" {
		t.Errorf("the file behind the link holds %q, %v", b, err)
	}
}
