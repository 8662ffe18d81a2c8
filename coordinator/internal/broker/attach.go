package broker

import (
	"errors"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// attach serves one connection until it ends. It stands in for the server's
// own way of doing it, whose functions keep whole packets on the stack: that
// is 16 KiB for each connection that is silent.
func (b *Broker) attach(listener string, c *conn) error {
	cl := b.server.NewClient(c, listener, "", false)
	defer cl.Stop(nil)
	s, err := b.greet(cl)
	if err != nil {
		return err
	}
	err = errPanic // unless something else ends it
	defer func() { b.leave(s, err) }()
	c.session.Store(s)
	c.input.held = &s.held
	if err = b.welcome(s); err == nil {
		err = b.read(s, c)
	}
	return err
}

// welcome makes the session the node's newest before it is told that it is
// connected: who was told and connects anew must come after this one.
func (b *Broker) welcome(s *session) error {
	defer close(s.ready)
	before, refused := b.supersede(s)
	if refused != nil {
		b.count.refused[refused.reason].Inc()
		_ = b.server.SendConnack(s.mqtt, refused.code, false, nil) // it is closed next in any case
		return refused
	}
	err := b.server.SendConnack(s.mqtt, packets.CodeSuccess, false, nil)
	if before != nil { // also when nobody hears it: who comes next waits for this one only
		select {
		case <-before.ready:
			s.owed = before.lastWill()
		case <-b.ctx.Done():
		}
	}
	if err == nil && s.reader == nil {
		b.establish(s)
	}
	return err
}

// greet reads a CONNECT, checks it and gives the session. A refusal is
// answered here.
func (b *Broker) greet(cl *mqtt.Client) (*session, error) {
	pk, err := readPacket(cl)
	if err != nil {
		return nil, err
	}
	if pk.FixedHeader.Type != packets.Connect {
		return nil, packets.ErrProtocolViolationRequireFirstConnect
	}
	cl.ParseConnect(cl.Net.Listener, pk)
	s, code, err := b.admit(cl, &pk)
	if err != nil {
		_ = b.server.SendConnack(cl, code, false, nil) // it is closed next in any case
	}
	return s, err
}

// admit checks a CONNECT. With an error it gives what the client is told.
func (b *Broker) admit(cl *mqtt.Client, pk *packets.Packet) (s *session, code packets.Code, err error) {
	defer func() {
		if p := recover(); p != nil {
			b.panicked("login", p)
			code, err = packets.ErrServerUnavailable, errPanic
		}
	}()
	if code := pk.ConnectValidate(); code != packets.CodeSuccess {
		return nil, code, code
	}
	if cl.Properties.ProtocolVersion < b.server.Options.Capabilities.MinimumProtocolVersion {
		return nil, packets.ErrUnsupportedProtocolVersion, packets.ErrUnsupportedProtocolVersion
	}
	s, err = b.login(cl, &pk.Connect)
	if err == nil {
		b.fit(cl, s)
		return s, code, nil
	}
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		return nil, packets.ErrServerUnavailable, err
	}
	b.count.refused[r.reason].Inc()
	b.cfg.Logger.Debug("MQTT login refused", "client", pk.Connect.ClientIdentifier, "remote", cl.Net.Remote, "reason", r.reason)
	return nil, r.code, err
}

// read takes what comes until the connection ends; nil when the client said
// goodbye, or was stopped.
func (b *Broker) read(s *session, c *conn) error {
	keepAlive := time.Duration(s.mqtt.State.Keepalive) * time.Second
	for !s.mqtt.Closed() {
		c.prolong(keepAlive)
		if err := c.next(); err != nil {
			return err
		}
		if c.input.servers > 0 {
			if err := b.handle(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// handle does what a packet asks for.
func (b *Broker) handle(s *session) error {
	pk, err := readPacket(s.mqtt)
	if err != nil {
		return err
	}
	switch pk.FixedHeader.Type {
	case packets.Subscribe:
		err = b.subscribe(s, &pk)
	case packets.Unsubscribe:
		err = b.unsubscribe(s, &pk)
	case packets.Puback:
		s.outbox.acknowledged(pk.PacketID)
	default:
		err = b.server.InjectPacket(s.mqtt, pk)
	}
	if code, ok := errors.AsType[packets.Code](err); ok && s.mqtt.Properties.ProtocolVersion == 5 && code.Code >= packets.ErrUnspecifiedError.Code {
		_ = b.server.DisconnectClient(s.mqtt, code)
	}
	return err
}

func readPacket(cl *mqtt.Client) (packets.Packet, error) {
	var header packets.FixedHeader
	if err := cl.ReadFixedHeader(&header); err != nil {
		return packets.Packet{}, err
	}
	return cl.ReadPacket(&header)
}

// leave ends a session.
func (b *Broker) leave(s *session, cause error) {
	s.mqtt.Stop(cause)
	b.finish(s, cause)
}
