package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"lucid.internal/agent/internal/durable"
)

// folder is the state folder. Every write goes through write, which a test
// can interrupt at any step.
type folder struct {
	dir  string
	step func(string) error // called before each step that changes the disk; nil: none
}

// openFolder checks that the folder is a real one, this user's own, and
// closed to others.
func openFolder(dir string) (folder, error) {
	f, owner, err := findFolder(dir)
	if err == nil && owner != os.Geteuid() {
		err = fmt.Errorf("state folder %s belongs to user %d, this process is user %d: %w", dir, owner, os.Geteuid(), fs.ErrPermission)
	}
	return f, err
}

// lookInto is openFolder for one who only reads, which root may do in the
// folder of another user: `sudo lucid-agent doctor`, a package's scripts. It
// must not write there, since that user could not read it.
func lookInto(dir string) (folder, error) {
	if os.Geteuid() != 0 {
		return openFolder(dir)
	}
	f, _, err := findFolder(dir)
	return f, err
}

// findFolder checks that the folder is a real one and closed to others, and
// tells whose it is.
func findFolder(dir string) (f folder, owner int, err error) {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return folder{}, 0, err
	case info.Mode()&fs.ModeSymlink != 0:
		return folder{}, 0, fmt.Errorf("state folder %s is a symbolic link: name the folder itself", dir)
	case !info.IsDir():
		return folder{}, 0, fmt.Errorf("state folder %s is not a folder", dir)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return folder{}, 0, fmt.Errorf("state folder %s is open to others (mode %#o): chmod 700 %s", dir, mode, dir)
	}
	return folder{dir: dir}, int(info.Sys().(*syscall.Stat_t).Uid), nil
}

// makeFolder makes the folder if it is not there, then opens it.
func makeFolder(dir string) (folder, error) {
	if err := os.MkdirAll(filepath.Dir(filepath.Clean(dir)), 0o755); err != nil {
		return folder{}, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return folder{}, err
	}
	return openFolder(dir)
}

func (f folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f folder) before(step string) error {
	if f.step == nil {
		return nil
	}
	return f.step(step)
}

// write replaces a file as a whole: after a power cut there is the old one
// or the new one, never a part.
func (f folder) write(name string, content []byte) error {
	if err := f.before("write " + name); err != nil {
		return err
	}
	staged, err := durable.Stage(f.path(name), content)
	if err != nil {
		return err
	}
	if err := f.before("rename " + name); err != nil {
		staged.Discard()
		return err
	}
	return staged.Commit()
}

// remove deletes a file if it is there.
func (f folder) remove(name string) error {
	if err := f.before("remove " + name); err != nil {
		return err
	}
	if err := os.Remove(f.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return durable.SyncFolder(f.dir)
}
