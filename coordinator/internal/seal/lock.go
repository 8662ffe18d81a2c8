package seal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// locked changes the key file alone: whoever replaces it reads it under the
// lock first, so that no key is lost that another program has just put there.
// The lock is of a file of its own beside it, since the key file's name goes
// from one file to the next, and ends with the program that holds it.
func (s Source) locked(change func() error) (err error) {
	lock, err := os.OpenFile(filepath.Join(filepath.Dir(s.Path), "."+filepath.Base(s.Path)+".lock"), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("lock of the master key file: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	for {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
		if err == nil {
			return change()
		}
		if !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("lock the master key file: %w", err)
		}
	}
}
