// Package durable owns how small files of the agent's own are kept: after a power
// cut there is the old one or the new one, and none is read through a link that
// somebody else put there.
//
// It must never know what is in a file.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// maxBytes is far above what any of them holds.
const maxBytes = 1 << 20

// Read gives a file's content; nil when it does not exist.
func Read(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, syscall.ELOOP):
		return nil, fmt.Errorf("%s is a symbolic link, which the agent never makes: remove it", path)
	case err != nil:
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxBytes))
}

// Replace replaces a file as a whole, with mode 0600.
func Replace(path string, content []byte) error {
	staged, err := Stage(path, content)
	if err != nil {
		return err
	}
	return staged.Commit()
}

// Staged is a file whose content is on the disk, beside the one that it is to
// replace.
type Staged struct{ temporary, path string }

// Stage writes the content. Commit or Discard must follow.
func Stage(path string, content []byte) (*Staged, error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return nil, err
	}
	s := &Staged{file.Name(), path}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		s.Discard()
		return nil, err
	}
	return s, nil
}

// Commit makes it the file, for good when it returns nil.
func (s *Staged) Commit() error {
	if err := os.Rename(s.temporary, s.path); err != nil {
		s.Discard()
		return err
	}
	return SyncFolder(filepath.Dir(s.path))
}

// Discard leaves the file as it was.
func (s *Staged) Discard() { _ = os.Remove(s.temporary) } // one that stays is in nobody's way

// SyncFolder makes renames and removals in a folder outlast a power cut.
func SyncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
