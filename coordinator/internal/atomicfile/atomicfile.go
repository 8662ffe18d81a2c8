// Package atomicfile owns how a file gets its content as a whole: whenever the
// power fails, there is what was there before or what is new, never a part, and
// what was reported as written stays. What is written so are keys, passwords, sessions
// and what is known of the database, so files are readable by their owner only, and
// are written under a name that nobody can foresee, not through a link that lies there.
//
// It must never know what a file is for.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Create writes a file that is not there yet. If it is, the error is fs.ErrExist
// and it stays as it was; its name survives a power cut then, too.
func Create(path string, content []byte) error {
	unfinished, err := write(path, content)
	if err != nil {
		return err
	}
	taken := os.Link(unfinished, path) // unlike a renaming, it refuses a name that is taken
	os.Remove(unfinished)
	if err := syncFolder(path); err != nil {
		return err
	}
	return taken
}

// Replace writes a file over what may be there. When it fails, that stays as it
// was. Each of last is given the new file before it is made durable and takes the
// old one's place; its error is Replace's.
func Replace(path string, content []byte, last ...func(*os.File) error) error {
	unfinished, err := write(path, content, last...)
	if err != nil {
		return err
	}
	if err := os.Rename(unfinished, path); err != nil {
		return errors.Join(err, os.Remove(unfinished))
	}
	return syncFolder(path)
}

// RemoveUnfinished removes what writers of a file that were killed left beside it.
// Nobody else may write the file meanwhile.
func RemoveUnfinished(path string) error {
	files, err := os.ReadDir(filepath.Dir(path))
	for _, f := range files {
		if strings.HasPrefix(f.Name(), unfinishedName(path)) {
			err = errors.Join(err, os.Remove(filepath.Join(filepath.Dir(path), f.Name())))
		}
	}
	return err
}

// unfinishedName is what the names of a file begin with that does not have its place
// yet.
func unfinishedName(path string) string { return "." + filepath.Base(path) + "." }

// write makes a durable file beside the path and gives its name.
func write(path string, content []byte, last ...func(*os.File) error) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), unfinishedName(path)+"*") // 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	for _, do := range last {
		if err == nil {
			err = do(f)
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// syncFolder makes a file's name survive a power cut.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
