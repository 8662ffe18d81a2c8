package coordinator

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// checkDisk reports an error when the disk of a folder has less room than so
// many MiB. A folder that is not there yet is asked for by the one that it will
// be in.
func checkDisk(folder string, leastMiB int) error {
	var disk unix.Statfs_t
	err := unix.Statfs(folder, &disk)
	for errors.Is(err, fs.ErrNotExist) && folder != filepath.Dir(folder) {
		folder = filepath.Dir(folder)
		err = unix.Statfs(folder, &disk)
	}
	if err != nil {
		return fmt.Errorf("the room on the data folder's disk cannot be read: %w", err)
	}
	free := disk.Bavail * uint64(disk.Bsize) >> 20
	if free < uint64(leastMiB) {
		return fmt.Errorf("the data folder's disk has %d MiB free, less than the %d MiB of data_min_free_mib; make room", free, leastMiB)
	}
	return nil
}
