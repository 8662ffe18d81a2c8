package spool

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// ownDisk mounts a file system of 64 KiB that only this test sees: its
// thread gets a mount namespace of its own and ends with the test.
func ownDisk(t *testing.T) (dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: only root can mount a disk to fill")
	}
	runtime.LockOSThread() // never unlocked: nobody gets this thread's mounts
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		t.Skipf("NOT RUN: no mounts of its own here: %v", err)
	}
	dir = t.TempDir()
	mount := func(source, target, kind string, flags uintptr, data string) {
		if err := syscall.Mount(source, target, kind, flags, data); err != nil {
			t.Fatal(err)
		}
	}
	mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	mount("tmpfs", dir, "tmpfs", 0, "size=64k")
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// TestFullDisk: what lies on it stays, what does not fit stays in memory, and
// goes to the disk once there is room.
func TestFullDisk(t *testing.T) {
	dir := ownDisk(t)
	q := queue(t, dir, 0, 0)
	play(t, q, "p1 s p2 p3")
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, noise(64<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	if err := q.Spill(); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("a full disk took a segment: %v", err)
	}
	if s := q.Stats(); s.Messages != 3 || s.DroppedSamples != 0 || len(files(t, dir)) != 1 {
		t.Errorf("after a write that failed %+v, files %v", s, files(t, dir))
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	play(t, q, "s p4")
	if s := q.Stats(); s.Messages != 4 || len(files(t, dir)) != 2 {
		t.Errorf("with room again %+v, files %v", s, files(t, dir))
	}
	if got := take(t, q); got != "1 2 3 4" {
		t.Errorf("%q came, want 1 2 3 4", got)
	}
}

// TestReadOnlyDisk: a file system that the kernel remounts read-only, as ext4
// does after an error, gives what it holds, before a restart and after it.
func TestReadOnlyDisk(t *testing.T) {
	dir := ownDisk(t)
	q := queue(t, dir, 0, 0)
	play(t, q, "p1 p2 s p3")
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if err := q.Spill(); !errors.Is(err, syscall.EROFS) {
		t.Fatalf("a read-only disk took a segment: %v", err)
	}
	if got := take(t, q); got != "1 2 3" {
		t.Errorf("%q came, want 1 2 3", got)
	}
	q.Close()
	q = queue(t, dir, 0, 0) // nothing could be removed: 1 and 2 come once more
	play(t, q, "p4")
	if got := take(t, q); got != "1 2 4" {
		t.Errorf("after a restart came %q, want 1 2 4", got)
	}
}
