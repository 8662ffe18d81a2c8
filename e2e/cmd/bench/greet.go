package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"lucid.internal/e2e/packet"
	"lucid.internal/shared/wire"
)

// dialAsAgent connects and does what an agent does first: it leaves a will,
// subscribes, and says how and what it is, all of which the broker keeps. Then it
// acknowledges what it is sent, until the connection closes.
func dialAsAgent(ctx context.Context, addr string, config *tls.Config, who node) (*client, error) {
	run := wire.NewRunID()
	status := wire.Status{V: wire.ProtocolVersion, Run: run, Connection: 1, AgentVersion: "1.0.0", State: wire.StateRunning}
	gone, err := json.Marshal(status)
	if err != nil {
		return nil, err
	}
	who.Will = &packet.Will{Topic: wire.Topic(who.ID, wire.ChannelStatus), Payload: gone}
	c, err := dial(ctx, addr, config, who)
	if err != nil {
		return nil, err
	}
	status.Online = true
	in := packet.NewReader(c.conn)
	if err := greet(c.conn, in, who, status); err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	c.run, c.acks = run, make(chan uint16, wire.MaxUnacknowledged)
	go c.obey(in)
	return c, nil
}

// greet returns when all that it sent is acknowledged, within the deadline of
// the login.
func greet(conn net.Conn, in *packet.Reader, who node, status wire.Status) error {
	var filters []packet.Filter
	for _, c := range []wire.Channel{wire.ChannelChallenge, wire.ChannelVerdict, wire.ChannelCommand, wire.ChannelConfig, wire.ChannelMetricsAck} {
		filters = append(filters, packet.Filter{Topic: wire.Topic(who.ID, c), QoS: 1})
	}
	packets := packet.AppendSubscribe(nil, 1, filters...)
	for i, m := range []struct {
		channel wire.Channel
		content any
	}{{wire.ChannelStatus, status}, {wire.ChannelInfo, wire.Info{V: wire.ProtocolVersion, Inventory: who.inventory}}} {
		text, err := json.Marshal(m.content)
		if err != nil {
			return err
		}
		packets = packet.AppendMessage(packets, packet.Message{Topic: wire.Topic(who.ID, m.channel), ID: uint16(i + 2), Retain: true, Payload: text})
	}
	if _, err := conn.Write(packets); err != nil {
		return err
	}
	for answered := 0; answered < 3; {
		p, err := in.Next()
		if err == nil && (p.Kind == packet.Suback || p.Kind == packet.Puback) {
			answered++
		}
		if err == nil {
			err = acknowledge(conn, p)
		}
		if err != nil {
			return err
		}
	}
	return conn.SetDeadline(time.Time{})
}

// obey acknowledges what comes, and passes on what is acknowledged, until the
// connection closes.
func (c *client) obey(in *packet.Reader) {
	defer close(c.acks)
	for {
		p, err := in.Next()
		if err == nil {
			err = acknowledge(c.conn, p)
		}
		if err != nil {
			return
		}
		if p.Kind == packet.Puback {
			c.acks <- p.ID
		}
	}
}

// awaitAcks waits for the acknowledgements of messages numbered from 1.
func (c *client) awaitAcks(messages int) error {
	for id := range messages {
		if got, open := <-c.acks; !open || int(got) != id+1 {
			return fmt.Errorf("message %d was answered for %d; the connection stands: %t", id+1, got, open)
		}
	}
	return nil
}

func acknowledge(conn net.Conn, p packet.Packet) error {
	if p.Kind != packet.Publish || p.QoS == 0 {
		return nil
	}
	_, err := conn.Write(packet.AppendAck(nil, p.ID))
	return err
}
