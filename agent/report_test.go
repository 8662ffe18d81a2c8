package agent

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
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

func TestStatusFolderIsMadeWhereItsParentIs(t *testing.T) {
	n := newNetwork(t, nil)
	folder := filepath.Join(t.TempDir(), "lucid-agent")
	n.config.StatusFile = filepath.Join(folder, "status.json")
	a, err := New(n.config)
	if err != nil {
		t.Fatal(err)
	}
	a.report(false)
	if _, err := ReadReport(n.config.StatusFile); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm()&^0o755 != 0 {
		t.Errorf("folder: %v, %v, want mode 0755 less the umask", info, err)
	}
}

func TestStatusFileThatCannotBeWrittenIsSaidOnce(t *testing.T) {
	n := newNetwork(t, nil)
	n.config.StatusFile = filepath.Join(t.TempDir(), "no", "such", "status.json")
	var log bytes.Buffer
	n.config.Logger = slog.New(slog.NewTextHandler(&log, nil))
	a, err := New(n.config)
	if err != nil {
		t.Fatal(err)
	}
	a.report(false)
	a.report(false)
	if got := log.String(); strings.Count(got, "status file cannot be written") != 1 || !strings.Contains(got, "give run and status the same --status-file") {
		t.Errorf("log: %s", got)
	}
}
