package coordinator

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReplacedFilesAreTheOwnersAndWhole(t *testing.T) {
	dir := t.TempDir()
	file, elsewhere := filepath.Join(dir, "broker.key"), filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(file, []byte("the old key, which is longer"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, file+".new"); err != nil { // put there by somebody who waits for the key
		t.Fatal(err)
	}
	if err := replaceFile(file, "the new key"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || string(text) != "the new key" {
		t.Errorf("%q, %v", text, err)
	}
	if info, err := os.Lstat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v; want a file of mode 0600", info.Mode(), err)
	}
	if _, err := os.Stat(elsewhere); err == nil {
		t.Error("the key was written through a link")
	}
}

func TestAFileThatCannotBeReplacedLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "broker.key")
	if err := os.MkdirAll(filepath.Join(file, "a folder is in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(file, "the new key"); err == nil {
		t.Error("a folder was replaced by a file")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
