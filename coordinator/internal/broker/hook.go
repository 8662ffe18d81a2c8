package broker

import (
	"log/slog"
	"runtime/debug"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"lucid.internal/shared/wire"
)

// hook is how the server calls us.
type hook struct {
	mqtt.HookBase
	broker *Broker
}

// ID names the hook in the server.
func (h *hook) ID() string { return "lucid" }

// Provides says which methods below the server shall call.
func (h *hook) Provides(b byte) bool {
	switch b {
	case mqtt.OnPacketRead, mqtt.OnACLCheck, mqtt.OnPublish:
		return true
	}
	return false
}

func sessionOf(cl *mqtt.Client) *session {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return nil
	}
	return c.session.Load()
}

// OnPacketRead ends the connection of a client that publishes where it may
// not. The server would let a QoS 0 message pass unseen.
func (h *hook) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Type != packets.Publish {
		return pk, nil
	}
	reason := ""
	switch s := sessionOf(cl); {
	case s == nil: // before CONNECT
		return pk, packets.ErrRejectPacket
	case s.reader != nil, !mayPublish(s.client.NodeID, pk.TopicName):
		reason = badPublishTopic
	case pk.FixedHeader.Qos != 1:
		reason = badPublishQoS
	default:
		return pk, nil
	}
	h.broker.refuse(cl, reason, pk.TopicName)
	return pk, packets.ErrRejectPacket
}

// OnACLCheck is asked for every publication, so it allocates nothing. What is
// read does not come to the server (subscribe.go).
func (h *hook) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	s := sessionOf(cl)
	return s != nil && write && s.reader == nil && mayPublish(s.client.NodeID, topic)
}

// mayPublish: a node publishes on its own five channels only.
func mayPublish(nodeID, topic string) bool {
	owner, channel, ok := wire.ParseTopic(topic)
	return ok && owner == nodeID && channel.FromNode()
}

// maySubscribe: a node reads its own four channels only, each by its exact
// name.
func maySubscribe(nodeID, filter string) bool {
	owner, channel, ok := wire.ParseTopic(filter)
	return ok && owner == nodeID && channel.ToNode() && channel != wire.ChannelMetricsAck
}

// asksForAcks is how a node asks whether this broker's own acknowledgement is
// the commit. The refusal says that it is, and is no offence.
func asksForAcks(nodeID, filter string) bool {
	owner, channel, ok := wire.ParseTopic(filter)
	return ok && owner == nodeID && channel == wire.ChannelMetricsAck
}

func (b *Broker) refuse(cl *mqtt.Client, reason, topic string) {
	b.count.refused[reason].Inc()
	if log := b.cfg.Logger; log.Enabled(b.ctx, slog.LevelDebug) {
		log.Debug("MQTT topic refused", "client", cl.ID, "reason", reason, "topic", topic)
	}
}

func (b *Broker) panicked(what string, p any) {
	b.count.panics.Inc()
	b.cfg.Logger.Error("panic in the MQTT broker; one connection is closed, the others go on",
		"while", what, "panic", p, "stack", string(debug.Stack()))
}
