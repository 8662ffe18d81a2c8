package atomicfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"lucid.internal/coordinator/internal/atomicfile"
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
	if err := atomicfile.Replace(file, []byte("the new key")); err != nil {
		t.Fatal(err)
	}
	holds(t, file, "the new key")
	if info, err := os.Lstat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v; want a file of mode 0600", info.Mode(), err)
	}
	if _, err := os.Stat(elsewhere); err == nil {
		t.Error("the key was written through a link")
	}
}

// Whoever is killed in between leaves the old file, and the whole new one beside it.
func TestTheOldFileStandsUntilTheNewOneIsWhole(t *testing.T) {
	file := filepath.Join(t.TempDir(), "broker.key")
	if err := os.WriteFile(file, []byte("the old key"), 0o600); err != nil {
		t.Fatal(err)
	}
	killed := errors.New("killed")
	err := atomicfile.Replace(file, []byte("the new key"), func(f *os.File) error {
		holds(t, file, "the old key")
		holds(t, f.Name(), "the new key")
		return killed
	})
	if !errors.Is(err, killed) {
		t.Errorf("it went on: %v", err)
	}
	holds(t, file, "the old key")
	alone(t, file)
}

func TestAFileThatCannotBeReplacedLeavesNothingBehind(t *testing.T) {
	file := filepath.Join(t.TempDir(), "broker.key")
	if err := os.MkdirAll(filepath.Join(file, "a folder is in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Replace(file, []byte("the new key")); err == nil {
		t.Error("a folder was replaced by a file")
	}
	alone(t, file)
}

func TestAFileIsCreatedOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "master.key")
	if err := atomicfile.Create(file, []byte("the first")); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Create(file, []byte("the second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created again: %v", err)
	}
	holds(t, file, "the first")
	alone(t, file)
}

func TestOnlyUnfinishedFilesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "head.json")
	for _, name := range []string{"head.json", ".head.json.123", ".head.json.lock.x", ".master.key.123"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := atomicfile.RemoveUnfinished(file); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left: %v, %v; want the file and what another one's writer left", left, err)
	}
}

func holds(t *testing.T, file, want string) {
	t.Helper()
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("%s holds %q, %v; want %q", file, got, err, want)
	}
}

// alone checks that a file is all that its folder holds.
func alone(t *testing.T, file string) {
	t.Helper()
	if all, err := os.ReadDir(filepath.Dir(file)); err != nil || len(all) != 1 || all[0].Name() != filepath.Base(file) {
		t.Errorf("there are %v, %v", all, err)
	}
}
