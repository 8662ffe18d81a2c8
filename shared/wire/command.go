package wire

import (
	"cmp"
	"fmt"
)

// CommandKind is what a command asks for: a closed list, never anything to
// execute.
type CommandKind string

// Kinds of command.
const (
	CommandStart       CommandKind = "start"        // sample and answer challenges again
	CommandStop        CommandKind = "stop"         // stay connected, but do neither
	CommandRefreshInfo CommandKind = "refresh_info" // read the machine anew and publish info
	CommandRotateKey   CommandKind = "rotate_key"   // agree on the next root secret; Command.Key is the coordinator's half
	CommandMove        CommandKind = "move"         // the coordinator is, or is known by, what Command.Coordinator says
)

// Command is published to one node. MAC is made by package proof under the
// node's command key over every other field and the node's id.
type Command struct {
	V         int         `json:"v"`
	CommandID string      `json:"command_id"` // 32 hexadecimal digits
	Kind      CommandKind `json:"kind"`
	IssuedMs  int64       `json:"issued_ms"`
	ExpiresMs int64       `json:"expires_ms"` // not obeyed afterwards
	Version   uint64      `json:"version"`    // rises with every command of the node: Unix milliseconds, or one above the one before
	MAC       []byte      `json:"mac"`        // base64 in JSON

	Key         *KeyOffer    `json:"key,omitempty"`         // of rotate_key
	Coordinator *Whereabouts `json:"coordinator,omitempty"` // of move
}

// CommandResult is a node's answer to a command or a configuration.
type CommandResult struct {
	V         int    `json:"v"`
	CommandID string `json:"command_id"`       // or config_id
	Result    string `json:"result"`           // CommandDone or CommandRefused
	Reason    string `json:"reason,omitempty"` // why it was refused

	Key *KeyAnswer `json:"key,omitempty"` // to rotate_key, when done
}

// Results of a command.
const (
	CommandDone    = "done"
	CommandRefused = "refused"
)

// MaxCommandMs bounds how long a command may be valid.
const MaxCommandMs = 60 * 60 * 1000

// DecodeCommand parses and checks the form of a command. Its kind may be one
// that this version does not know, and its MAC is for package proof.
func DecodeCommand(payload []byte) (*Command, error) {
	c := new(Command)
	if err := decode("a command", payload, c); err != nil {
		return nil, err
	}
	if err := cmp.Or(version(c.V), hexID("command_id", c.CommandID), required("kind", string(c.Kind)), exactly("mac", c.MAC, 32)); err != nil {
		return nil, err
	}
	if c.Key != nil {
		if err := c.Key.check(); err != nil {
			return nil, err
		}
	}
	if c.Coordinator != nil {
		if err := c.Coordinator.check(); err != nil {
			return nil, err
		}
	}
	if err := validity("commands", c.Version, c.IssuedMs, c.ExpiresMs, MaxCommandMs); err != nil {
		return nil, err
	}
	return c, nil
}

// validity checks the version of what the coordinator orders, and for how long
// it counts: mostMs at most.
func validity(what string, version uint64, issuedMs, expiresMs, mostMs int64) error {
	switch {
	case version == 0:
		return fmt.Errorf("version numbers of %s start at 1", what)
	case version > MaxVersion:
		return fmt.Errorf("version %d is above %d", version, uint64(MaxVersion))
	case issuedMs < 0 || expiresMs <= issuedMs || expiresMs-issuedMs > mostMs:
		return fmt.Errorf("valid from %d to %d ms, want a span of 1 to %d", issuedMs, expiresMs, mostMs)
	}
	return nil
}

// DecodeCommandResult parses and checks a node's answer.
func DecodeCommandResult(payload []byte) (*CommandResult, error) {
	r := new(CommandResult)
	if err := decode("a command's result", payload, r); err != nil {
		return nil, err
	}
	if err := cmp.Or(version(r.V), hexID("command_id", r.CommandID), text("reason", r.Reason)); err != nil {
		return nil, err
	}
	if r.Key != nil {
		if err := r.Key.check(); err != nil {
			return nil, err
		}
	}
	if r.Result != CommandDone && r.Result != CommandRefused {
		return nil, fmt.Errorf("result %.40q is neither %q nor %q", r.Result, CommandDone, CommandRefused)
	}
	return r, nil
}

func hexID(name, id string) error {
	if isLowerHex(id, 32) {
		return nil
	}
	return fmt.Errorf("%s is not 32 lower-case hexadecimal digits", name)
}
