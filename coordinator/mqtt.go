package coordinator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"lucid.internal/coordinator/internal/broker"
	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/shared/wire"
)

// transport carries messages between nodes and this coordinator: its own
// broker, or its place at another one.
type transport interface {
	Start() error
	Addr() net.Addr // where it listens; nil at another's
	Publish(topic string, payload []byte, qos byte, retain bool) error
	Disconnect(nodeID, reason string)
	Forget(nodeID string) error // takes back what is retained of a deleted node
	Ready() error
	Close(ctx context.Context) error
}

// newTransport joins a broker to the rooms that its messages are for.
func (c *Coordinator) newTransport() (transport, error) {
	if c.Config.MQTT.Broker == BrokerExternal {
		c.remote = newRemote(c)
		return c.remote, nil
	}
	return c.newBroker()
}

func (c *Coordinator) newBroker() (*broker.Broker, error) {
	config, err := c.brokerConfig()
	if err != nil {
		return nil, err
	}
	return broker.New(config)
}

func (c *Coordinator) brokerConfig() (broker.Config, error) {
	tls, err := c.Authority.ServerTLS(c.certificateHosts())
	return broker.Config{
		Addr: c.Config.MQTT.Addr, TLS: tls, PlainAddr: c.Config.MQTT.PlainAddr,
		ConnectRate: c.Config.MQTT.RateConnect, FailedLoginRate: c.Config.MQTT.RateFailedLogin,
		Calls:              max(1, int(c.DB.Config().MaxConns)*3/4), // the others are for the API and for jobs
		Authenticate:       c.Nodes.Authenticate,
		AuthenticateReader: c.Access.AuthenticateReader,
		OnConnect:          c.onConnect,
		OnDisconnect:       c.onDisconnect,
		OnMetrics:          c.onMetrics,
		Crowded:            c.ingest.Crowded,
		OnResponse:         c.onResponse,
		OnStatus:           c.owed(c.onStatus),
		OnInfo:             c.owed(c.onInfo),
		OnCommandResult:    c.owed(c.onCommandResult),
		Logger:             c.Log,
		Registerer:         c.metrics,
	}, err
}

// owed makes a message that could not be taken a fault of ours: it costs the
// node its connection, and with it an answer that may be on its way.
func (c *Coordinator) owed(take func(context.Context, broker.Client, []byte) error) func(context.Context, broker.Client, []byte) error {
	return func(ctx context.Context, n broker.Client, payload []byte) error {
		err := take(ctx, n, payload)
		c.notTaken(err)
		return err
	}
}

func (c *Coordinator) notTaken(err error) {
	if err != nil && !errors.Is(err, broker.ErrIgnore) {
		c.heartbeat.Disturb()
	}
}

func (c *Coordinator) onMetrics(_ context.Context, n broker.Client, payload []byte, from *broker.Receipts) {
	c.ingest.Take(n.NodeNo, n.NodeID, payload, from)
}

func (c *Coordinator) onConnect(ctx context.Context, n broker.Client) (uint64, error) {
	session, status, err := c.presence.Connected(ctx, n.NodeNo, n.KeyEpoch)
	if err != nil {
		return 0, err
	}
	c.observer.Online(n.NodeID, true)
	c.Log.Info("node connected", "node_id", n.NodeID, "session", session)
	if err := c.referee.NodeConnected(ctx, n.NodeNo, status); err != nil {
		// The node is online all the same; its old moment stands.
		c.Log.Warn("next challenge not drawn", "node_id", n.NodeID, "error", err)
	}
	return session, nil
}

func (c *Coordinator) onDisconnect(n broker.Client, reason string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	gone, err := c.presence.Disconnected(ctx, n.NodeNo, n.Session)
	if err != nil {
		c.Log.Warn("disconnection not written yet", "node_id", n.NodeID, "error", err)
	}
	if gone {
		c.observer.Online(n.NodeID, false)
		c.Log.Info("node disconnected", "node_id", n.NodeID, "session", n.Session, "reason", reason)
	}
}

func (c *Coordinator) onResponse(ctx context.Context, n broker.Client, payload []byte, arrived broker.Arrival) {
	if !c.pace.hears(n.NodeNo, wire.ChannelResponse) {
		return
	}
	session := challenge.Session{NodeNo: n.NodeNo, NodeID: n.NodeID, Number: n.Session, Address: n.Address, Held: arrived.Held}
	if err := c.referee.Answer(ctx, session, payload, arrived.At); err != nil {
		// The challenge stays open and ends as void.
		c.heartbeat.Disturb()
		c.Log.Error("answer could not be judged", "node_id", n.NodeID, "error", err)
	}
}

func (c *Coordinator) onStatus(ctx context.Context, n broker.Client, payload []byte) error {
	if !c.pace.hears(n.NodeNo, wire.ChannelStatus) {
		return broker.ErrIgnore
	}
	status, err := wire.DecodeStatus(payload)
	if err != nil {
		return c.reject(ctx, n, wire.ChannelStatus, err, payload)
	}
	return c.Nodes.SetAgent(ctx, n.NodeNo, n.Session, status)
}

func (c *Coordinator) onInfo(ctx context.Context, n broker.Client, payload []byte) error {
	if !c.pace.hears(n.NodeNo, wire.ChannelInfo) {
		return broker.ErrIgnore
	}
	info, err := wire.DecodeInfo(payload)
	if err != nil {
		return c.reject(ctx, n, wire.ChannelInfo, err, payload)
	}
	return c.Nodes.SetInventory(ctx, n.NodeNo, &info.Inventory)
}

func (c *Coordinator) onCommandResult(ctx context.Context, n broker.Client, payload []byte) error {
	if !c.pace.hears(n.NodeNo, wire.ChannelCommandResult) {
		return broker.ErrIgnore
	}
	result, err := wire.DecodeCommandResult(payload)
	if err != nil {
		return c.reject(ctx, n, wire.ChannelCommandResult, err, payload)
	}
	return c.Nodes.CommandResult(ctx, n.NodeNo, result)
}

// reject keeps a malformed message among the dead letters and acknowledges it:
// refusing it would bring it back for ever.
func (c *Coordinator) reject(ctx context.Context, n broker.Client, channel wire.Channel, reason error, payload []byte) error {
	if err := c.samples.DeadLetter(ctx, n.NodeNo, channel, reason.Error(), payload); err != nil {
		return err
	}
	return broker.ErrIgnore
}

// publish sends a message to a node. A configuration is retained. Challenges go at QoS 0: one that is late
// is worthless, and a stuck reader must hold nobody up.
func (c *Coordinator) publish(nodeID string, channel wire.Channel, message any) error {
	payload, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("%s for %s: %w", channel, nodeID, err)
	}
	qos := byte(1)
	if channel == wire.ChannelChallenge {
		qos = 0
	}
	return c.broker.Publish(wire.Topic(nodeID, channel), payload, qos, channel.Retained())
}
