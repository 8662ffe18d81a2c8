package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"lucid.internal/shared/wire"
)

const (
	stateFile     = "command.json"
	maxStateBytes = 64 << 10 // far above what either file holds
)

// state is what survives a restart.
type state struct {
	NodeID    string `json:"node_id"` // whose commands these are
	Stopped   bool   `json:"stopped"`
	Version   uint64 `json:"version"` // of the newest command obeyed or refused for its kind; 0 before the first
	CommandID string `json:"command_id"`
	Result    string `json:"result"` // as it was answered
	Reason    string `json:"reason,omitempty"`

	Key *wire.KeyAnswer `json:"key,omitempty"` // to a rotation; nothing in it is secret
}

// read fills s with what a file of the state folder holds, and leaves it alone
// when there is none. It follows no link: what lies there is the agent's own.
func read(dir, file string, s any) error {
	path := filepath.Join(dir, file)
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, syscall.ELOOP):
		return fmt.Errorf("%s is a symbolic link, which the agent never makes: remove it", path)
	case err != nil:
		return err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxStateBytes))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, s); err != nil {
		return fmt.Errorf("%s is damaged (%w): remove it, and the agent runs", path, err)
	}
	return nil
}

// write replaces the stored state as a whole: after a power cut there is the
// old one or the new one, never a part.
func write(dir, file string, s any) (err error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+file+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), filepath.Join(dir, file)); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
