// Package command owns what the coordinator may tell this agent: whether a
// command or a configuration is genuine and new, whether the agent is stopped,
// and what it is to keep to, also after a restart.
//
// It must never obey anything without the coordinator's MAC, anything expired,
// or anything twice, and never do more than the few kinds that package wire
// knows.
package command

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// Config of a Control. Every field is required.
type Config struct {
	Dir     string // the state folder
	NodeID  string
	Epochs  func() []proof.Epoch // the keys under which a message may come
	Settled func() []proof.Epoch // the keys under which one may come that a broker kept
	Used    func(proof.Epoch)    // told of the keys of each that is genuine, new and no broker's
	Refresh func() error         // reads the machine anew and publishes its info
	// Rotate makes the next keys and gives this side's half, once they would
	// survive a restart. The same offer gets the same answer again.
	Rotate func(*wire.KeyOffer) (*wire.KeyAnswer, error)
	// Move takes over where the coordinator is, once that would survive a restart.
	Move func(*wire.Whereabouts) error
	Now  func() time.Time
}

// Control decides on commands and remembers what the newest one said.
type Control struct {
	config Config
	turn   sync.Mutex // messages are decided on one at a time; who holds it may write what mu guards
	mu     sync.Mutex // guards state and wanted; never held while a command is done
	state  state
	wanted configState
}

// Open reads what earlier commands left in the state folder.
func Open(config Config) (*Control, error) {
	c := &Control{config: config}
	if err := errors.Join(read(config.Dir, stateFile, &c.state), read(config.Dir, configFile, &c.wanted)); err != nil {
		return nil, err
	}
	// What another node was told, which this machine was before, is void.
	if c.state.NodeID != config.NodeID {
		c.state = state{NodeID: config.NodeID}
	}
	if c.wanted.NodeID != config.NodeID {
		c.wanted = configState{NodeID: config.NodeID}
	}
	return c, nil
}

// Stopped reports whether the coordinator told the agent to stop.
func (c *Control) Stopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Stopped
}

// State is Stopped in the words of a status message.
func (c *Control) State() string {
	if c.Stopped() {
		return wire.StateStopped
	}
	return wire.StateRunning
}

// Version is of the newest command that was obeyed or refused for what it asks; 0:
// none was.
func (c *Control) Version() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Version
}

// Obey decides on a command (the JSON of a wire.Command), does what a genuine
// one asks for and gives the answer to it. An error means that the message is
// no command, so that there is nothing to answer to.
func (c *Control) Obey(payload []byte) (*wire.CommandResult, error) {
	command, err := wire.DecodeCommand(payload)
	if err != nil {
		return nil, err
	}
	c.turn.Lock()
	defer c.turn.Unlock()
	result := &wire.CommandResult{V: wire.ProtocolVersion, CommandID: command.CommandID, Result: wire.CommandDone}
	if err := c.accept(command); errors.Is(err, errAgain) {
		result.Result, result.Reason, result.Key = c.state.Result, c.state.Reason, c.state.Key
		return result, nil
	} else if err != nil {
		result.Result, result.Reason = wire.CommandRefused, err.Error()
		return result, nil
	}
	next := c.state
	next.Version, next.CommandID, next.Key = command.Version, command.CommandID, nil
	if err := c.do(command, &next); err != nil {
		result.Result, result.Reason = wire.CommandRefused, clip(err.Error())
	}
	next.Result, next.Reason = result.Result, result.Reason
	// Nothing counts before it would survive a restart.
	if err := write(c.config.Dir, stateFile, next); err != nil {
		result.Result, result.Reason = wire.CommandRefused, clip(fmt.Sprintf("it cannot be kept: %v", err))
		return result, nil
	}
	result.Key = next.Key
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = next
	return result, nil
}

var (
	// errAgain is the newest one once more: its answer may have been lost.
	errAgain  = errors.New("the same again")
	errForged = errors.New("its MAC is not the coordinator's")
)

func (c *Control) accept(command *wire.Command) error {
	under := genuine(c.config.Epochs(), func(key proof.Key) bool { return proof.VerifyCommand(key, c.config.NodeID, command) })
	if under == nil {
		return errForged
	}
	err := c.fresh(newness{command.Version, command.CommandID, command.ExpiresMs}, newness{version: c.state.Version, id: c.state.CommandID})
	if err == nil {
		c.config.Used(*under)
	}
	return err
}

// newness tells a message from those before it.
type newness struct {
	version   uint64
	id        string
	expiresMs int64
}

// fresh says why a message is not to be taken after the newest one before it. To a
// clock that is behind, as before it is set, nothing is expired: the version tells.
func (c *Control) fresh(m, newest newness) error {
	if m.version == newest.version && m.id == newest.id {
		return errAgain
	}
	if m.version <= newest.version {
		return fmt.Errorf("repeated: version %d is not above %d", m.version, newest.version)
	}
	if now := c.config.Now(); now.UnixMilli() >= m.expiresMs {
		return fmt.Errorf("expired %s ago by this machine's clock", (time.Duration(now.UnixMilli()-m.expiresMs) * time.Millisecond).String())
	}
	return nil
}

// genuine gives the keys under which a MAC is the coordinator's; nil: none.
func genuine(epochs []proof.Epoch, verify func(proof.Key) bool) *proof.Epoch {
	for i := range epochs {
		if verify(epochs[i].Keys.Command) {
			return &epochs[i]
		}
	}
	return nil
}

func (c *Control) do(command *wire.Command, next *state) (err error) {
	switch command.Kind {
	case wire.CommandStart:
		next.Stopped = false
	case wire.CommandStop:
		next.Stopped = true
	case wire.CommandRefreshInfo:
		return c.config.Refresh()
	case wire.CommandRotateKey:
		next.Key, err = c.config.Rotate(command.Key)
		return err
	case wire.CommandMove:
		return c.config.Move(command.Coordinator)
	default:
		return fmt.Errorf("unknown kind %q", command.Kind)
	}
	return nil
}

// clip keeps a reason within what a message may hold.
func clip(reason string) string {
	const most = wire.MaxTextBytes
	if len(reason) <= most {
		return reason
	}
	cut := most
	for cut > 0 && reason[cut]&0xC0 == 0x80 { // not inside a character
		cut--
	}
	return reason[:cut]
}
