package harness

import (
	"os"
	"syscall"
)

const (
	// memory is where Linux keeps files in memory.
	memory = "/dev/shm"
	// leastRoomBytes is what must be free there: several times what a test with its database takes.
	leastRoomBytes = 4 << 30
	// noPrograms is the flag of a file system from which no program may run.
	noPrograms = 8
)

// DataDir is like TempDir, but in memory where there is room: a database is some
// thousand files, and what tests do to it ends processes, not the machine.
// A TMPDIR of its own has the last word.
func DataDir() (string, error) {
	var fs syscall.Statfs_t
	if os.TempDir() != "/tmp" || syscall.Statfs(memory, &fs) != nil || fs.Flags&noPrograms != 0 || fs.Bavail*uint64(fs.Bsize) < leastRoomBytes {
		return TempDir()
	}
	return tempDir(memory)
}
