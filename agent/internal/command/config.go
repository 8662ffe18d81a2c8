package command

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

const configFile = "config.json"

// Desired is what the newest configuration that was taken asks for.
type Desired struct {
	Version         uint64        `json:"version"`         // 0: none was ever taken
	SampleInterval  time.Duration `json:"sample_interval"` // 0, as is the other: the agent's own settings
	PublishInterval time.Duration `json:"publish_interval"`
	Update          *wire.Update  `json:"update,omitempty"`
}

// configState is what survives a restart: what was taken, and how the newest
// configuration was answered.
type configState struct {
	NodeID   string  `json:"node_id"`
	Desired  Desired `json:"desired"`
	Version  uint64  `json:"version"` // of the newest, taken or refused for what it asks for
	ConfigID string  `json:"config_id"`
	Result   string  `json:"result"`
	Reason   string  `json:"reason,omitempty"`
}

// Desired is what the agent is to keep to.
func (c *Control) Desired() Desired {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wanted.Desired
}

// ConfigVersion is of the newest configuration that was answered; 0: none was.
func (c *Control) ConfigVersion() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wanted.Version
}

// Configure decides on a configuration (the JSON of a wire.Config), keeps a
// genuine one whose wishes can be met, as a whole, and gives the answer to it.
// An error means that the message is none, or that a broker kept it which the
// coordinator may not have made for this time: there is nothing to answer.
func (c *Control) Configure(payload []byte, retained bool) (*wire.CommandResult, error) {
	m, err := wire.DecodeConfig(payload)
	if err != nil {
		return nil, err
	}
	c.turn.Lock()
	defer c.turn.Unlock()
	result := &wire.CommandResult{V: wire.ProtocolVersion, CommandID: m.ConfigID, Result: wire.CommandDone}
	refuse := func(why error) *wire.CommandResult {
		result.Result, result.Reason = wire.CommandRefused, clip(why.Error())
		return result
	}
	err = c.acceptConfig(m, retained)
	if retained && errors.Is(err, errForged) {
		return nil, errOutdated
	}
	if errors.Is(err, errAgain) {
		result.Result, result.Reason = c.wanted.Result, c.wanted.Reason
		return result, nil
	} else if err != nil {
		return refuse(err), nil
	}
	next := c.wanted
	next.Version, next.ConfigID = m.Version, m.ConfigID
	if desired, err := desiredOf(m); err != nil {
		refuse(err)
	} else {
		next.Desired = desired
	}
	next.Result, next.Reason = result.Result, result.Reason
	if err := write(c.config.Dir, configFile, next); err != nil { // nothing counts before it would survive a restart
		return refuse(fmt.Errorf("it cannot be kept: %w", err)), nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = next
	return result, nil
}

// errOutdated is no answer to the coordinator, which sends its configuration to
// each connection itself.
var errOutdated = errors.New("the broker kept it from another time: it is not under a key in use")

// acceptConfig takes what a broker kept under the keys in use only, and never for
// a sign of what keys the coordinator has now: its database may have been
// restored since, and the broker knows nothing of that.
func (c *Control) acceptConfig(m *wire.Config, retained bool) error {
	epochs := c.config.Epochs
	if retained {
		epochs = c.config.Settled
	}
	under := genuine(epochs(), func(key proof.Key) bool { return proof.VerifyConfig(key, c.config.NodeID, m) })
	if under == nil {
		return errForged
	}
	err := c.fresh(newness{m.Version, m.ConfigID, m.ExpiresMs}, newness{version: c.wanted.Version, id: c.wanted.ConfigID})
	if err == nil && !retained {
		c.config.Used(*under)
	}
	return err
}

// desiredOf is what a configuration asks for; an error tells every wish that
// cannot be met.
func desiredOf(m *wire.Config) (Desired, error) {
	d := Desired{Version: m.Version, Update: m.Update}
	if m.SampleIntervalMs == 0 && m.PublishIntervalMs == 0 {
		return d, nil
	}
	d.SampleInterval, d.PublishInterval = m.Intervals()
	var wrong []string
	for _, f := range wire.CheckIntervals(d.SampleInterval, d.PublishInterval) {
		wrong = append(wrong, f.Name+": "+f.Reason)
	}
	if len(wrong) > 0 {
		return Desired{}, errors.New(strings.Join(wrong, "; "))
	}
	return d, nil
}
