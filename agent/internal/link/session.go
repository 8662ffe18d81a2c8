package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"lucid.internal/shared/wire"
)

// subscriptions of a node: its channels with the quality of service asked
// for. A challenge is worthless when it comes late, hence 0.
var subscriptions = map[wire.Channel]byte{
	wire.ChannelChallenge: 0,
	wire.ChannelVerdict:   1,
	wire.ChannelCommand:   1,
	wire.ChannelConfig:    1,
}

const (
	subscribeRefused = 0x80
	farewellMs       = 250 // for the farewell to go out
)

// Session is one connection. Once it is lost it stays lost.
type Session struct {
	Connection uint32
	// Relayed says that the broker is not the coordinator's own: what it
	// acknowledges is not committed yet.
	Relayed bool
	link    *Link
	client  mqtt.Client
	conn    *tls.Conn
	unhook  func() bool   // lets go of the context that closes conn
	turn    chan struct{} // held while paho takes a publication
	once    sync.Once
	done    chan struct{}
	cause   error // set before done is closed
}

// dial opens the connection and logs in. paho is used for one connection
// only: when it reconnects by itself, it reports unacknowledged messages as
// delivered.
func (l *Link) dial(ctx context.Context, server string, connection uint32) (*Session, error) {
	s := &Session{Connection: connection, link: l, turn: make(chan struct{}, 1), done: make(chan struct{})}
	var refused error // clearer than what paho makes of it
	open := func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
		if s.conn, refused = l.open(ctx, server); refused != nil {
			return nil, refused
		}
		l.attempted(connection)
		conn := s.conn
		s.unhook = context.AfterFunc(ctx, func() { hangUp(conn) })
		return conn, nil
	}
	options := mqtt.NewClientOptions().
		AddBroker("tls://" + server). // named only: open makes the connection
		SetCustomOpenConnectionFn(open).
		SetClientID(l.config.NodeID).
		SetUsername(l.config.NodeID).
		SetPassword(l.config.Password()).
		SetProtocolVersion(4).
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetOrderMatters(false).
		SetKeepAlive(keepAlive).
		SetConnectTimeout(l.config.DialTimeout).
		SetWriteTimeout(l.config.WriteTimeout).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { s.lose(fmt.Errorf("connection lost: %w", err)) })
	if l.config.Will != nil {
		topic := wire.Topic(l.config.NodeID, wire.ChannelStatus)
		options.SetBinaryWill(topic, l.config.Will(connection), 1, true)
	}
	s.client = mqtt.NewClient(options)
	token := s.client.Connect()
	<-token.Done() // within DialTimeout each for open and login, or when ctx ends
	switch err := token.Error(); {
	case refused != nil:
		return nil, refused
	case errors.Is(err, packets.ErrorRefusedNotAuthorised), errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword):
		s.unhook()
		reason := ErrUnknown
		if l.config.Refused != nil && l.config.Refused() {
			reason = errKey
		}
		return nil, &failure{CauseLogin, "", fmt.Errorf("log in at %s: %w", server, reason)}
	case err != nil:
		s.unhook()
		return nil, fmt.Errorf("log in at %s: %w", server, err)
	}
	if l.config.LoggedIn != nil {
		l.config.LoggedIn()
	}
	return s, nil
}

// open makes the TLS connection: our CA only, and the host's own name.
func (l *Link) open(ctx context.Context, server string) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.config.DialTimeout)
	defer cancel()
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		return nil, err
	}
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, reached(err)
	}
	config := l.trust()
	config.ServerName = host
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, greeted(server, host, err)
	}
	return conn, nil
}

func (s *Session) subscribe(ctx context.Context) error {
	filters := make(map[string]byte, len(subscriptions)+1)
	for channel, qos := range subscriptions {
		filters[wire.Topic(s.link.config.NodeID, channel)] = qos
	}
	// The coordinator's own broker refuses this one: there its acknowledgement
	// is the commit.
	acks := wire.Topic(s.link.config.NodeID, wire.ChannelMetricsAck)
	filters[acks] = 1
	token := s.client.SubscribeMultiple(filters, func(_ mqtt.Client, m mqtt.Message) { s.receive(m) })
	if err := s.await(ctx, token); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for topic, granted := range token.(*mqtt.SubscribeToken).Result() {
		switch {
		case topic == acks:
			s.Relayed = granted != subscribeRefused
		case granted == subscribeRefused:
			return fmt.Errorf("the broker refuses to let %s read %s", s.link.config.NodeID, topic)
		}
	}
	return nil
}

func (s *Session) receive(m mqtt.Message) {
	received := s.link.config.Now()
	node, channel, ok := wire.ParseTopic(m.Topic())
	if !ok || node != s.link.config.NodeID || !channel.ToNode() || len(m.Payload()) > wire.MaxMessageBytes {
		s.link.config.Logger.Warn("message ignored", "topic", m.Topic(), "bytes", len(m.Payload()))
		return
	}
	if s.link.config.Receive != nil {
		s.link.config.Receive(Message{Channel: channel, Payload: m.Payload(), Received: received, Retained: m.Retained()})
	}
}

// Publish sends a payload on one of the node's channels. nil means, at QoS
// 1, that the broker acknowledged it. After any error the other side may or
// may not have it.
func (s *Session) Publish(ctx context.Context, c wire.Channel, payload []byte, qos byte, retained bool) error {
	p, err := s.Send(ctx, c, payload, qos, retained)
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

// Publication is on its way.
type Publication struct {
	session *Session
	channel wire.Channel
	token   mqtt.Token
}

// Wait is the second half of Publish.
func (p *Publication) Wait(ctx context.Context) error {
	if err := p.session.await(ctx, p.token); err != nil {
		return fmt.Errorf("publish %s: %w", p.channel, err)
	}
	return nil
}

// Send is the first half of Publish: it does not wait for the acknowledgement.
// Those of one caller leave in order.
func (s *Session) Send(ctx context.Context, c wire.Channel, payload []byte, qos byte, retained bool) (*Publication, error) {
	if !s.alive() {
		return nil, s.reason()
	}
	token, err := s.send(ctx, wire.Topic(s.link.config.NodeID, c), payload, qos, retained)
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", c, err)
	}
	return &Publication{s, c, token}, nil
}

func (s *Session) send(ctx context.Context, topic string, payload []byte, qos byte, retained bool) (mqtt.Token, error) {
	// While a write is stuck, paho keeps its caller up to WriteTimeout,
	// whatever ctx says: so it gets a goroutine for a caller, one at a time.
	select {
	case s.turn <- struct{}{}:
	case <-s.done:
		return nil, s.reason()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	begun := make(chan mqtt.Token, 1)
	go func() {
		begun <- s.client.Publish(topic, qos, retained, payload)
		<-s.turn
	}()
	select {
	case token := <-begun:
		return token, nil
	case <-s.done:
		return nil, s.reason()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// await waits for a token. Without AutoReconnect a token that ends without
// error was acknowledged.
func (s *Session) await(ctx context.Context, token mqtt.Token) error {
	select {
	case <-token.Done():
		return token.Error()
	case <-s.done:
		return s.reason()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Lost is closed when the connection is gone.
func (s *Session) Lost() <-chan struct{} { return s.done }

// Break ends the connection without a farewell, so that the broker publishes
// the will. It is for a connection that no longer does its work, and also
// cleans up after one that is lost.
func (s *Session) Break(reason error) {
	if reason == nil {
		reason = errors.New("connection ended by this side")
	}
	s.lose(reason)
	hangUp(s.conn)
	// paho takes a connection that we close for its own doing, and would keep
	// its goroutines. No farewell can go out any more.
	s.client.Disconnect(0)
}

// Leave ends the connection cleanly and for good: the broker drops the will,
// and Run returns.
func (s *Session) Leave() {
	s.link.left.Store(true)
	s.client.Disconnect(farewellMs)
	s.lose(errors.New("left")) // after the farewell: what waits for this closes the connection
	hangUp(s.conn)
}

// hangUp closes a connection at once. Close of TLS would first wait up to
// five seconds to say so to a peer that reads nothing any more.
func hangUp(conn *tls.Conn) { conn.NetConn().Close() }

// lose marks the session as lost; true for the first caller.
func (s *Session) lose(reason error) (first bool) {
	s.once.Do(func() {
		first = true
		s.cause = reason
		close(s.done)
		s.unhook()
	})
	return first
}

func (s *Session) alive() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// reason is what a publication gets from a lost session.
func (s *Session) reason() error {
	if err := s.ended(); err != nil {
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return nil
}

// ended is why the session is lost; nil while it is not.
func (s *Session) ended() error {
	if s.alive() {
		return nil
	}
	return s.cause
}
