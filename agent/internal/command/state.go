package command

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"lucid.internal/agent/internal/durable"
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

// read fills s with what a file of the state folder holds, and leaves it alone
// when there is none.
func read(dir, file string, s any) error {
	path := filepath.Join(dir, file)
	raw, err := durable.Read(path)
	if raw == nil || err != nil {
		return err
	}
	if err := json.Unmarshal(raw, s); err != nil {
		return fmt.Errorf("%s is damaged (%w): remove it, and the agent runs", path, err)
	}
	return nil
}

// write replaces a file of the state folder as a whole.
func write(dir, file string, s any) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return durable.Replace(filepath.Join(dir, file), raw)
}
