package agent

import (
	"cmp"
	"context"
	"errors"

	"lucid.internal/agent/internal/homeassistant"
	"lucid.internal/agent/internal/identity"
	"lucid.internal/shared/wire"
)

// ErrNoHomeAssistant are settings that name no broker of Home Assistant.
var ErrNoHomeAssistant = errors.New("no home_assistant.broker in the settings")

// Withdraw takes this machine out of the owner's Home Assistant. The agent
// must have ended: it would announce itself again.
func Withdraw(ctx context.Context, config Config) error {
	if config.HomeAssistant.Broker == "" {
		return ErrNoHomeAssistant
	}
	id, err := identity.Load(config.StateDir)
	if err != nil {
		return err
	}
	return homeassistant.Withdraw(ctx, homeassistant.Config{Settings: config.HomeAssistant, NodeID: id.NodeID})
}

// newBridge makes the way to Home Assistant; nil where the owner named none.
func newBridge(config *Config, nodeID string, machine *wire.Inventory) *homeassistant.Bridge {
	if config.HomeAssistant.Broker == "" {
		return nil
	}
	return homeassistant.New(homeassistant.Config{
		Settings: config.HomeAssistant, NodeID: nodeID,
		Name: cmp.Or(machine.Hostname, nodeID), Model: machine.Model, Version: config.Version,
		MinBackoff: config.minBackoff, Logger: config.Logger,
	})
}
