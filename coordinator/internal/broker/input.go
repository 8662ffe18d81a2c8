package broker

import (
	"encoding/binary"
	"io"
	"math"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// input divides what a client sends between the server and us.
type input struct {
	source
	servers   int       // bytes that are still the server's of the packet under way
	prolonged time.Time // when we last put off the end of the keep-alive
}

// Read gives the server its packets, never more than one at a time. A node's
// metrics are not among them: what the server does for any packet, whose
// struct it hands from function to function by value, costs more than all that
// is done with a sample.
func (c *conn) Read(p []byte) (int, error) {
	for c.input.servers == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n, err := c.input.Read(p[:min(len(p), c.input.servers)])
	c.input.servers -= n
	return n, err
}

// next takes a packet, gives it to the server, or reads until it knows more.
func (c *conn) next() error {
	size, header := measure(c.input.unread)
	s := c.session.Load()
	if header == 0 {
		return c.input.more()
	}
	body := c.input.unread[header:]
	if s == nil || !s.mayBeMetrics(c.input.unread[0], size) {
		c.input.servers = header + size
		return nil
	}
	if len(body) < s.metricsHead() {
		return c.input.more()
	}
	topicBytes := int(binary.BigEndian.Uint16(body))
	if topicBytes != len(s.metrics) || string(body[2:2+topicBytes]) != s.metrics {
		c.input.servers = header + size
		return nil
	}
	packetID := binary.BigEndian.Uint16(body[2+topicBytes:])
	if packetID == 0 { // which is for the server to complain about
		c.input.servers = header + size
		return nil
	}
	c.input.unread = body[s.metricsHead():]
	return c.takeMetrics(s, packetID, size-s.metricsHead())
}

// mayBeMetrics: a publication at QoS 1 of a node by MQTT 3.1.1, long enough.
func (s *session) mayBeMetrics(first byte, size int) bool {
	const qos1, again, retained = 1 << 1, 1 << 3, 1
	return s.reader == nil && s.mqtt.Properties.ProtocolVersion == 4 &&
		first&^(again|retained) == packets.Publish<<4|qos1 && size >= s.metricsHead() && size <= maxPacketBytes
}

// metricsHead is how many bytes of a publication come before its payload: the
// topic and its length, and the packet's number.
func (s *session) metricsHead() int { return 2 + len(s.metrics) + 2 }

func (c *conn) takeMetrics(s *session, packetID uint16, size int) (err error) {
	b := s.receipts.broker
	defer func() {
		if p := recover(); p != nil {
			b.panicked("message", p)
			s.mqtt.Stop(errPanic)
			err = errPanic
		}
	}()
	payload := make([]byte, size)
	if _, err := io.ReadFull(&c.input, payload); err != nil {
		return err
	}
	if !b.takeMetrics(s, packetID, payload) {
		return errNotTaken
	}
	return nil
}

// prolong puts the end off: silence ends a connection after half as much again
// as its keep-alive. Once in a while is enough.
func (c *conn) prolong(keepAlive time.Duration) {
	if now := time.Now(); now.Sub(c.input.prolonged) > keepAlive/4 {
		_ = c.SetReadDeadline(now.Add(keepAlive + keepAlive/2))
		c.input.prolonged = now
	}
}

// takeMetrics hands a message on and returns; its acknowledgement leaves once
// its fate is known. It reports whether the message was taken.
func (b *Broker) takeMetrics(s *session, packetID uint16, payload []byte) bool {
	if !s.receipts.owe(packetID) {
		return false // the connection is closed already
	}
	defer func() {
		if p := recover(); p != nil {
			s.receipts.Settle(1, errPanic)
			panic(p) // for the caller
		}
	}()
	b.cfg.OnMetrics(b.ctx, s.client, payload, s.receipts)
	return true
}

// measure reads the header of a packet: how many bytes it has and how many
// follow. No header: there is not enough of it yet. One that is nonsense has
// everything behind it, for the server to refuse.
func measure(b []byte) (size, header int) {
	if len(b) < 2 {
		return 0, 0
	}
	length, n := binary.Uvarint(b[1:min(len(b), 5)])
	switch {
	case n > 0:
		return int(length), 1 + n
	case len(b) < 5:
		return 0, 0
	}
	return math.MaxInt - 1, 1
}
