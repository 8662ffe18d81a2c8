package agent

import (
	"context"
	"errors"
	"time"

	"lucid.internal/agent/internal/collect"
	"lucid.internal/agent/internal/link"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// StateStopped is the State of a report when the coordinator stopped the agent.
const StateStopped = wire.StateStopped

// answerTimeout bounds how long the answer to a command is worth sending.
const answerTimeout = time.Minute

// obey takes commands and configurations as they come, one at a time, and
// answers each.
func (a *Agent) obey(ctx context.Context) {
	for {
		var m link.Message
		select {
		case <-ctx.Done():
			return
		case m = <-a.commands:
		}
		before := a.control.State()
		result, err := a.decide(m)
		if err != nil {
			a.config.Logger.Warn("message ignored", "channel", m.Channel, "error", err)
			continue
		}
		a.config.Logger.Info("message taken", "channel", m.Channel, "command", result.CommandID, "result", result.Result, "reason", result.Reason, "state", a.control.State())
		if err := a.tell(ctx, result, before != a.control.State()); err != nil && ctx.Err() == nil {
			a.config.Logger.Warn("answer to a command not delivered", "command", result.CommandID, "error", err)
		}
	}
}

// decide hands a message to what decides on it.
func (a *Agent) decide(m link.Message) (*wire.CommandResult, error) {
	if m.Channel == wire.ChannelCommand {
		return a.control.Obey(m.Payload)
	}
	result, err := a.control.Configure(m.Payload, m.Retained)
	if err == nil {
		select {
		case a.configured <- struct{}{}:
		default: // the loop looks at the newest anyhow
		}
	}
	return result, err
}

// tell answers a command, and renews the retained status when the command
// changed it, again on the next connection when this one breaks.
func (a *Agent) tell(ctx context.Context, result *wire.CommandResult, changed bool) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for {
		session, err := a.link.Session(ctx)
		if err != nil {
			return err
		}
		err = session.Publish(ctx, wire.ChannelCommandResult, encode(result), 1, false)
		if err == nil && changed {
			err = session.Publish(ctx, wire.ChannelStatus, a.status(session.Connection, true), 1, true)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		session.Break(err)
	}
}

// move takes over where the coordinator is and which CAs it has. A connection
// that lives goes on; the next one is made by these. Servers of the owner's own
// settings stay.
func (a *Agent) move(w *wire.Whereabouts) error {
	servers, err := a.keys.Move(w)
	if err != nil {
		return err
	}
	if len(a.config.Servers) > 0 {
		servers = a.config.Servers
	}
	return a.link.Redirect(servers, []byte(w.CAPEM))
}

// keysUsed notes that the coordinator spoke under these keys.
func (a *Agent) keysUsed(e proof.Epoch) { a.keysKept(a.keys.Used(e)) }

// loggedIn notes which keys the coordinator took. What an earlier connection left
// unread is no word of this one's: what is still open comes again.
func (a *Agent) loggedIn() {
	for unread := true; unread; {
		select {
		case <-a.commands:
		default:
			unread = false
		}
	}
	a.keysKept(a.keys.LoggedIn())
}

func (a *Agent) keysKept(err error) {
	if err != nil {
		a.config.Logger.Warn("new keys are in use and not kept yet; a restart finds them again", "error", err)
	}
}

// takeInventory reads what the machine is.
func (a *Agent) takeInventory() {
	// A collector of its own: the agent's belongs to the loop of Run.
	inventory := collect.New(collect.Config{Root: a.config.Root, Now: a.config.Now}).Inventory()
	inventory.AgentVersion = a.config.Version
	a.inventory.Store(&inventory)
}

// info is the retained info message.
func (a *Agent) info() []byte {
	return encode(wire.Info{V: wire.ProtocolVersion, Inventory: *a.inventory.Load()})
}

// refreshInfo reads the machine anew and publishes what it is.
func (a *Agent) refreshInfo() error {
	a.takeInventory()
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	session, err := a.link.Session(ctx)
	if err != nil {
		return errors.New("not connected") // read, and published with the next greeting
	}
	return session.Publish(ctx, wire.ChannelInfo, a.info(), 1, true)
}
