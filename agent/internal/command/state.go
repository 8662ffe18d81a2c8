package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lucid.internal/shared/wire"
)

const stateFile = "command.json"

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

// read gives the stored state; a fresh one before the first command, or when
// the machine was another node then.
func read(dir, nodeID string) (state, error) {
	path := filepath.Join(dir, stateFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return state{NodeID: nodeID}, nil
	} else if err != nil {
		return state{}, err
	}
	var s state
	if err := json.Unmarshal(raw, &s); err != nil {
		return state{}, fmt.Errorf("%s is damaged (%w): remove it, and the agent runs", path, err)
	}
	if s.NodeID != nodeID {
		return state{NodeID: nodeID}, nil
	}
	return s, nil
}

// write replaces the stored state as a whole: after a power cut there is the
// old one or the new one, never a part.
func write(dir string, s state) (err error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+stateFile+".*") // mode 0600
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
	if err = os.Rename(f.Name(), filepath.Join(dir, stateFile)); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
