package link

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lucid.internal/agent/internal/coordtest"
	"lucid.internal/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testNode = "node_abc"

// patience bounds waits that end at once when all is well.
const patience = time.Minute

// fixture is a broker and what a link needs to reach it.
type fixture struct {
	t         *testing.T
	authority *coordtest.Authority
	broker    *coordtest.Broker
	received  chan Message
	ctx       context.Context
}

func newFixture(t *testing.T, change func(*coordtest.BrokerConfig)) *fixture {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	f := &fixture{t: t, authority: coordtest.NewAuthority(t), received: make(chan Message, 16), ctx: ctx}
	config := coordtest.BrokerConfig{TLS: f.authority.Server(t, "127.0.0.1"), Password: "secret"}
	if change != nil {
		change(&config)
	}
	f.broker = coordtest.NewBroker(t, config)
	return f
}

// start runs a link until the test ends.
func (f *fixture) start(change func(*Config)) *Link {
	f.t.Helper()
	config := Config{
		Servers: []string{f.broker.Addr}, CAPEM: []byte(f.authority.PEM), NodeID: testNode, Password: password("secret"),
		Will:       func(n uint32) []byte { return fmt.Appendf(nil, "offline %d", n) },
		Receive:    func(m Message) { f.received <- m },
		MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond,
	}
	if change != nil {
		change(&config)
	}
	l, err := New(config)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{}) // after Leave it ends by itself
	go func() {
		defer close(ended)
		l.Run(ctx)
	}()
	f.t.Cleanup(func() { cancel(); <-ended })
	return l
}

func (f *fixture) session(l *Link) *Session {
	f.t.Helper()
	s, err := l.Session(f.ctx)
	if err != nil {
		f.t.Fatalf("no session: %v; %+v", err, l.State())
	}
	return s
}

// wait waits for a signal.
func (f *fixture) wait(signal <-chan struct{}) {
	f.t.Helper()
	select {
	case <-signal:
	case <-f.ctx.Done():
		f.t.Fatal("waited in vain")
	}
}

func (f *fixture) published() coordtest.Publication {
	f.t.Helper()
	select {
	case p := <-f.broker.Published:
		return p
	case <-f.ctx.Done():
		f.t.Fatal("nothing was published")
		panic("unreachable")
	}
}

func TestPublishIsAcknowledged(t *testing.T) {
	f := newFixture(t, nil)
	l := f.start(nil)
	s := f.session(l)
	if err := s.Publish(f.ctx, wire.ChannelMetrics, []byte("one"), 1, false); err != nil {
		t.Fatal(err)
	}
	p := f.published()
	if p.Topic != "lucid/v1/nodes/node_abc/metrics" || string(p.Payload) != "one" || p.QoS != 1 || p.Retained {
		t.Errorf("published %+v", p)
	}
	if state := l.State(); !state.Connected || state.Connection != 1 || state.Server != f.broker.Addr {
		t.Errorf("state = %+v", state)
	}
}

func TestCertificateForOtherNamesIsDescribed(t *testing.T) {
	f := newFixture(t, nil)
	f.broker = coordtest.NewBroker(t, coordtest.BrokerConfig{TLS: f.authority.Server(t, "localhost", "localhost")})
	seen := make(chan struct{})
	l := f.start(func(c *Config) { c.Logger = onWarn(seen) })
	f.wait(seen)
	if got, want := l.State().LastError, "the certificate is valid for localhost, not 127.0.0.1"; !strings.Contains(got, want) {
		t.Errorf("error = %q, want %q", got, want)
	}
}

func TestMessagesArriveFromOwnChannels(t *testing.T) {
	f := newFixture(t, nil)
	f.session(f.start(nil))
	for _, channel := range []wire.Channel{wire.ChannelChallenge, wire.ChannelVerdict, wire.ChannelCommand, wire.ChannelConfig} {
		f.broker.Send(wire.Topic(testNode, channel), []byte("x"), 1, false)
		select {
		case m := <-f.received:
			if m.Channel != channel || string(m.Payload) != "x" || m.Received.IsZero() {
				t.Errorf("received %+v on %s", m, channel)
			}
		case <-f.ctx.Done():
			t.Fatalf("nothing came on %s", channel)
		}
	}
}

// What the broker kept is told from what is said now, and comes after the login is
// told.
func TestRetainedMessageIsMarked(t *testing.T) {
	f := newFixture(t, nil)
	topic := wire.Topic(testNode, wire.ChannelConfig)
	f.broker.Send(topic, []byte("kept"), 1, true)
	var loggedIn atomic.Bool
	f.session(f.start(func(c *Config) {
		receive := c.Receive
		c.LoggedIn = func() { loggedIn.Store(true) }
		c.Receive = func(m Message) {
			if !loggedIn.Load() {
				t.Error("received before the login was told")
			}
			receive(m)
		}
	}))
	for _, kept := range []bool{true, false} {
		select {
		case m := <-f.received:
			if m.Retained != kept {
				t.Errorf("%s: retained %v", m.Payload, m.Retained)
			}
		case <-f.ctx.Done():
			t.Fatal("nothing came")
		}
		f.broker.Send(topic, []byte("now"), 1, true)
	}
}

func TestLostAcknowledgementIsAnErrorAndTheNextConnectionDelivers(t *testing.T) {
	refused := false
	f := newFixture(t, func(c *coordtest.BrokerConfig) {
		c.Refuse = func(p coordtest.Publication) bool {
			first := !refused
			refused = true
			return first
		}
	})
	l := f.start(nil)
	first := f.session(l)
	err := first.Publish(f.ctx, wire.ChannelMetrics, []byte("bytes"), 1, false)
	if err == nil {
		t.Fatal("a publication without PUBACK was reported as done")
	}
	f.wait(first.Lost())
	if err := first.Publish(f.ctx, wire.ChannelMetrics, nil, 1, false); !errors.Is(err, ErrLost) {
		t.Errorf("publish on a lost session: %v, want ErrLost", err)
	}
	second := f.session(l)
	if second.Connection != 2 {
		t.Errorf("connection = %d, want 2", second.Connection)
	}
	if err := second.Publish(f.ctx, wire.ChannelMetrics, []byte("bytes"), 1, false); err != nil {
		t.Fatal(err)
	}
}

func TestBrokenConnectionPublishesTheWillOfThatConnection(t *testing.T) {
	f := newFixture(t, nil)
	l := f.start(nil)
	f.session(l).Break(errors.New("no acknowledgement"))
	p := f.published()
	if !p.Will || p.Topic != wire.Topic(testNode, wire.ChannelStatus) || string(p.Payload) != "offline 1" || !p.Retained || p.QoS != 1 {
		t.Errorf("published %+v, want the retained will of connection 1", p)
	}
	if s := f.session(l); s.Connection != 2 {
		t.Errorf("connection = %d, want 2", s.Connection)
	}
}

func TestLeaveDropsTheWill(t *testing.T) {
	f := newFixture(t, nil)
	f.session(f.start(nil)).Leave()
	s := f.session(f.start(nil))
	if err := s.Publish(f.ctx, wire.ChannelStatus, []byte("marker"), 1, true); err != nil {
		t.Fatal(err)
	}
	if p := f.published(); string(p.Payload) != "marker" {
		t.Errorf("published %+v after a clean leave", p)
	}
}

func TestGreetComesFirstAndItsFailureEndsTheConnection(t *testing.T) {
	f := newFixture(t, nil)
	calls := 0
	l := f.start(func(c *Config) {
		c.Greet = func(ctx context.Context, s *Session) error {
			if calls++; calls == 1 {
				return errors.New("not yet")
			}
			return s.Publish(ctx, wire.ChannelStatus, fmt.Appendf(nil, "online %d", s.Connection), 1, true)
		}
	})
	f.session(l)
	if p := f.published(); string(p.Payload) != "offline 1" || !p.Will {
		t.Errorf("published %+v, want the will of the first connection", p)
	}
	if p := f.published(); string(p.Payload) != "online 2" {
		t.Errorf("published %+v, want the greeting of the second", p)
	}
}

func TestRefusedConnections(t *testing.T) {
	for _, c := range []struct {
		name   string
		broker func(*fixture, *coordtest.BrokerConfig)
		link   func(*Config)
		want   string
	}{
		{"certificate of another CA", func(f *fixture, c *coordtest.BrokerConfig) {
			c.TLS = coordtest.NewAuthority(f.t).Server(f.t, "127.0.0.1")
		}, nil, "certificate signed by unknown authority"},
		{"certificate of another host", func(f *fixture, c *coordtest.BrokerConfig) {
			c.TLS = f.authority.Server(f.t, "coordinator.example")
		}, nil, "certificate"},
		{"TLS 1.2", func(f *fixture, c *coordtest.BrokerConfig) {
			c.TLS = f.authority.Server(f.t, "127.0.0.1")
			c.TLS.MinVersion, c.TLS.MaxVersion = 0x0303, 0x0303
		}, nil, "protocol version"},
		{"wrong password", nil, func(c *Config) { c.Password = password("wrong") }, "does not know this node or its keys any more: enrol again"},
		{"wrong password of several", nil, func(c *Config) {
			c.Password, c.Refused = password("wrong"), func() bool { return true }
		}, "does not take this key, as after a restore of its database: the other keys of this node, older ones too, are tried next"},
		{"forbidden subscription", func(_ *fixture, c *coordtest.BrokerConfig) {
			c.Forbid = func(topic string) bool { return strings.HasSuffix(topic, "/config") }
		}, nil, "refuses to let node_abc read lucid/v1/nodes/node_abc/config"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, nil)
			if c.broker != nil {
				config := coordtest.BrokerConfig{TLS: f.authority.Server(t, "127.0.0.1"), Password: "secret"}
				c.broker(f, &config)
				f.broker = coordtest.NewBroker(t, config)
			}
			down := make(chan struct{})
			l := f.start(func(config *Config) {
				config.MinBackoff, config.MaxBackoff = time.Hour, time.Hour // one attempt
				config.Logger = onWarn(down)
				if c.link != nil {
					c.link(config)
				}
			})
			f.wait(down)
			if state := l.State(); state.Connected || !strings.Contains(state.LastError, c.want) {
				t.Errorf("state = %+v, want an error with %q", state, c.want)
			}
		})
	}
}

func TestBrokerGoneAndBack(t *testing.T) {
	f := newFixture(t, nil)
	l := f.start(nil)
	first := f.session(l)
	address := f.broker.Addr
	f.broker.Close()
	f.wait(first.Lost())
	f.broker = coordtest.NewBroker(t, coordtest.BrokerConfig{Addr: address, TLS: f.authority.Server(t, "127.0.0.1")})
	second := f.session(l)
	if err := second.Publish(f.ctx, wire.ChannelMetrics, []byte("again"), 1, false); err != nil {
		t.Fatal(err)
	}
	if second.Connection < 2 || l.State().LastError == "" {
		t.Errorf("connection %d, state %+v", second.Connection, l.State())
	}
}

func TestServersAreTriedInTurn(t *testing.T) {
	f := newFixture(t, nil)
	dead := coordtest.NewBroker(t, coordtest.BrokerConfig{TLS: f.authority.Server(t, "127.0.0.1")})
	dead.Close()
	l := f.start(func(c *Config) { c.Servers = []string{dead.Addr, f.broker.Addr} })
	s := f.session(l)
	if state := l.State(); state.Server != f.broker.Addr || s.Connection != 1 {
		t.Errorf("state = %+v, connection %d: a server that nobody reached takes no number", state, s.Connection)
	}
}

func TestBackoffHasFullJitterUnderACeiling(t *testing.T) {
	for _, c := range []struct {
		failures int
		ceiling  time.Duration
	}{{1, time.Second}, {2, 2 * time.Second}, {5, 16 * time.Second}, {9, 256 * time.Second}, {10, 5 * time.Minute}, {1000, 5 * time.Minute}} {
		var low, high time.Duration = time.Hour, 0
		for range 2000 {
			d := backoff(c.failures, DefaultMinBackoff, DefaultMaxBackoff)
			low, high = min(low, d), max(high, d)
		}
		if low <= 0 || high > c.ceiling || high < c.ceiling/2 || low > c.ceiling/2 {
			t.Errorf("after %d failures: %s to %s, want the whole of 0 to %s", c.failures, low, high, c.ceiling)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	authority := coordtest.NewAuthority(t)
	for name, config := range map[string]Config{
		"no CA":     {Servers: []string{"a:1"}},
		"no server": {CAPEM: []byte(authority.PEM)},
		"no port":   {CAPEM: []byte(authority.PEM), Servers: []string{"host"}},
	} {
		if _, err := New(config); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func password(text string) func() string { return func() string { return text } }

// The coordinator moved, and its new place has another CA.
func TestRedirectedLinkConnectsThereNextAndTrustsTheNewCAAlone(t *testing.T) {
	f := newFixture(t, nil)
	l := f.start(nil)
	first := f.session(l)
	other := coordtest.NewAuthority(t)
	elsewhere := coordtest.NewBroker(t, coordtest.BrokerConfig{TLS: other.Server(t, "127.0.0.1"), Password: "secret"})
	if err := l.Redirect([]string{elsewhere.Addr}, []byte(other.PEM)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-first.Lost():
		t.Fatal("a connection that lives was given up")
	default:
	}
	f.broker.Kick(testNode)
	<-first.Lost()
	if s := f.session(l); s.Connection != 2 || l.State().Server != elsewhere.Addr {
		t.Errorf("connection %d at %s, want the second at %s", s.Connection, l.State().Server, elsewhere.Addr)
	}
	if err := l.Redirect([]string{f.broker.Addr}, []byte(other.PEM)); err != nil { // shows the old CA
		t.Fatal(err)
	}
	elsewhere.Kick(testNode)
	for l.State().Connected || !strings.Contains(l.State().LastError, "unknown authority") {
		select {
		case <-l.Changed():
		case <-f.ctx.Done():
			t.Fatalf("state %+v, want the old CA refused", l.State())
		}
	}
	if l.Redirect(nil, []byte(other.PEM)) == nil || l.Redirect([]string{"a:1"}, []byte("x")) == nil {
		t.Error("redirected to nowhere, or to no CA")
	}
}
