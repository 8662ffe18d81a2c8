package durable

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// wantFolder wants these files in a folder, and nothing staged beside them.
func wantFolder(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the folder holds %q, %v; want %q", got, err, want)
	}
}

func wantContent(t *testing.T, path, want string) {
	t.Helper()
	if got, err := Read(path); err != nil || string(got) != want {
		t.Errorf("%s: %q, %v; want %q", path, got, err, want)
	}
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	if got, err := Read(path); got != nil || err != nil {
		t.Errorf("no file reads as %q, %v", got, err)
	}
	for _, content := range []string{"old", "new", ""} {
		if err := Replace(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		wantContent(t, path, content)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v; want mode 0600", info.Mode(), err)
	}
	wantFolder(t, dir, "state.json")
}

func TestDiscardLeavesTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	if err := Replace(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	staged, err := Stage(path, []byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	wantContent(t, path, "old")
	staged.Discard()
	wantContent(t, path, "old")
	wantFolder(t, dir, "state.json")
}

// A file that cannot take the other's place leaves nothing beside it.
func TestFailedCommitLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, []byte("new")); err == nil {
		t.Error("a folder was replaced by a file")
	}
	wantFolder(t, dir, "state.json")
}

// What somebody else planted is not followed, and holds nobody up.
func TestPlantedFiles(t *testing.T) {
	dir := t.TempDir()
	elsewhere, link, pipe := filepath.Join(dir, "elsewhere"), filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	if err := os.WriteFile(elsewhere, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, link); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(link); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("a link reads as %q, %v", got, err)
	}
	wantContent(t, pipe, "")
	if err := Replace(link, []byte("ours")); err != nil {
		t.Fatal(err)
	}
	wantContent(t, link, "ours")
	wantContent(t, elsewhere, "theirs")
}
