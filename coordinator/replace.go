package coordinator

import (
	"errors"
	"os"
	"path/filepath"
)

// replaceFile replaces a file as a whole, readable by its owner only: after a
// power cut there is the old one or the new one, never a part. What it writes
// are keys and passwords, so the text goes into a file that it made itself,
// under a name that nobody can foresee, and not through a link that lies there.
func replaceFile(file, text string) (err error) {
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, "."+filepath.Base(file)+".*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), file); err != nil {
		return err
	}
	return syncFolder(dir)
}

// syncFolder makes the names in a folder survive a power cut.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
