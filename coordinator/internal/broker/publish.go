package broker

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"lucid.internal/shared/wire"
)

// errNotTaken stops a client whose message was not taken: it must send it
// again, and an MQTT 3.1.1 client does so only after it connected anew. What it
// sent behind that message is then not read, so the order stays.
var errNotTaken = errors.New("a message could not be taken")

// OnPublish runs on the connection's goroutine; the acknowledgement leaves
// after it returned, but for metrics (receipt.go). Only two returns are safe
// towards an MQTT 3.1.1 client: CodeSuccessIgnore acknowledges the message,
// ErrRejectPacket does not. Nil, and any other error, would have the server
// route it too.
func (h *hook) OnPublish(cl *mqtt.Client, pk packets.Packet) (out packets.Packet, err error) {
	defer func() {
		if p := recover(); p != nil {
			h.broker.panicked("message", p)
			out, err = h.reject(cl, pk, errPanic)
		}
	}()
	s := sessionOf(cl)
	if s == nil {
		return h.reject(cl, pk, errNotTaken)
	}
	_, channel, _ := wire.ParseTopic(pk.TopicName) // OnPacketRead checked it
	if channel == wire.ChannelMetrics {            // of an MQTT 5 client; others: input.go
		h.broker.takeMetrics(s, pk.PacketID, pk.Payload)
		return pk, packets.ErrRejectPacket // acknowledged by us, later
	}
	arrived, began := Arrival{At: h.broker.cfg.Now(), Held: s.held.sum}, time.Now()
	s.receipts.wait()
	waited := time.Since(began)
	err = h.broker.take(s, channel, pk.Payload, arrived)
	if channel != wire.ChannelResponse { // one answer to a challenge is enough: more of them gain no time
		waited = time.Since(began)
	}
	s.held.add(waited)
	h.broker.count.messages(channel, 1, err)
	switch {
	case err == nil && channel.Retained():
		h.broker.publish(&message{strings.Clone(pk.TopicName), bytes.Clone(pk.Payload), 1, true}) // not the packet's bytes, which are more
	case err != nil && !errors.Is(err, ErrIgnore):
		h.broker.notTaken(s, channel, err)
		return h.reject(cl, pk, errNotTaken)
	}
	return pk, packets.CodeSuccessIgnore
}

func (b *Broker) notTaken(s *session, channel wire.Channel, err error) {
	b.cfg.Logger.Debug("message not taken; the node will send it again",
		"node", s.client.NodeID, "channel", channel, "error", err)
}

func (h *hook) reject(cl *mqtt.Client, pk packets.Packet, cause error) (packets.Packet, error) {
	cl.Stop(cause)
	return pk, packets.ErrRejectPacket
}

// take hands a message that is no metrics to whom it concerns.
func (b *Broker) take(s *session, channel wire.Channel, payload []byte, arrived Arrival) error {
	if channel == wire.ChannelResponse {
		ctx, cancel := context.WithTimeout(b.ctx, b.cfg.CallTimeout)
		defer cancel()
		b.cfg.OnResponse(ctx, s.client, payload, arrived)
		return nil
	}
	return b.call(b.ctx, loggedIn, func(ctx context.Context) error {
		switch channel {
		case wire.ChannelStatus:
			return b.cfg.OnStatus(ctx, s.client, payload)
		case wire.ChannelInfo:
			return b.cfg.OnInfo(ctx, s.client, payload)
		}
		return b.cfg.OnCommandResult(ctx, s.client, payload)
	})
}
