package dbtest

import (
	"os"
	"syscall"
)

const (
	// memory is where Linux keeps files in memory.
	memory = "/dev/shm"
	// leastRoomBytes is what must be free there: some ten times what the databases of a package take.
	leastRoomBytes = 4 << 30
)

// parent is where the server's folder is made, "" for where temporary files
// go. A database is some thousand files, and on a disk a test would wait longer
// for them than for anything that it does. A TMPDIR of its own has the last word.
func parent() string {
	if os.TempDir() != "/tmp" || roomBytes(memory) < leastRoomBytes {
		return ""
	}
	return memory
}

// roomBytes is what is free in a folder, 0 in one that is not there.
func roomBytes(folder string) uint64 {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(folder, &fs); err != nil {
		return 0
	}
	return fs.Bavail * uint64(fs.Bsize)
}
