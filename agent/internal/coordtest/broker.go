package coordtest

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"strings"
	"sync"
	"testing"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"lucid.internal/shared/wire"
)

// Publication is what a client published, its will included.
type Publication struct {
	Topic    string
	Payload  []byte
	QoS      byte
	Retained bool
	Will     bool
}

// Broker is a real MQTT server over TLS on a loopback port.
type Broker struct {
	Addr      string
	Published chan Publication // every publication, in order
	Gone      chan string      // client ids whose connection ended, after their will

	t      testing.TB
	server *mqtt.Server
	once   sync.Once
}

// BrokerConfig says how a broker behaves. The zero value accepts all.
type BrokerConfig struct {
	Addr     string // default a free loopback port
	TLS      *tls.Config
	Password string // when set, the only one accepted
	// Login, when set, says which passwords are accepted.
	Login func(password string) bool
	User  string // that goes with it; default the client id
	// Refuse, when it gives true, leaves a publication unacknowledged and
	// breaks the connection, after it was recorded in Published: what a
	// coordinator does that dies between commit and acknowledgement.
	Refuse func(Publication) bool
	// Mute, when it gives true, leaves a publication unacknowledged after it
	// was recorded, and the connection as it is.
	Mute func(Publication) bool
	// Relay lets nodes read the coordinator's own acknowledgements, as a
	// broker that is not the coordinator's does.
	Relay bool
	// Forbid refuses a subscription.
	Forbid func(topic string) bool
}

// NewBroker starts a broker, which ends with the test.
func NewBroker(t testing.TB, config BrokerConfig) *Broker {
	t.Helper()
	if config.Addr == "" {
		config.Addr = "127.0.0.1:0"
	}
	b := &Broker{
		t: t, Published: make(chan Publication, 1024), Gone: make(chan string, 64),
		server: mqtt.New(&mqtt.Options{
			Logger: slog.New(slog.DiscardHandler), InlineClient: true, SysTopicResendInterval: 3600,
		}),
	}
	listener, err := listen(config.Addr, config.TLS, &b.server.Listeners.ClientsWg)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.server.AddHook(&hook{config: config, broker: b, listener: listener}, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.server.AddListener(listener); err != nil {
		t.Fatal(err)
	}
	if err := b.server.Serve(); err != nil {
		t.Fatal(err)
	}
	b.Addr = listener.Address()
	t.Cleanup(b.Close)
	return b
}

// Close ends the broker and its connections.
func (b *Broker) Close() {
	b.once.Do(func() { _ = b.server.Close() })
}

// Send publishes as the coordinator does.
func (b *Broker) Send(topic string, payload []byte, qos byte, retained bool) {
	b.t.Helper()
	if err := b.server.Publish(topic, payload, retained, qos); err != nil {
		b.t.Fatal(err)
	}
}

// Kick breaks a client's connection.
func (b *Broker) Kick(clientID string) {
	if client, ok := b.server.Clients.Get(clientID); ok {
		client.Stop(packets.ErrServerShuttingDown)
	}
}

type hook struct {
	mqtt.HookBase
	config   BrokerConfig
	broker   *Broker
	listener *listener
}

func (*hook) ID() string { return "coordtest" }

func (*hook) Provides(b byte) bool {
	switch b {
	case mqtt.OnConnectAuthenticate, mqtt.OnSessionEstablish, mqtt.OnACLCheck, mqtt.OnPublish, mqtt.OnWillSent, mqtt.OnDisconnect:
		return true
	}
	return false
}

func (h *hook) OnConnectAuthenticate(c *mqtt.Client, pk packets.Packet) bool {
	if h.config.Login != nil {
		return h.config.Login(string(pk.Connect.Password))
	}
	return h.config.Password == "" ||
		string(pk.Connect.Password) == h.config.Password && string(pk.Connect.Username) == cmp.Or(h.config.User, c.ID)
}

// OnSessionEstablish lets a client in once all of its last connection is over.
// The library would let the last will come behind what the new one says, and take
// the new one's name and subscriptions out with the old one's.
func (h *hook) OnSessionEstablish(c *mqtt.Client, _ packets.Packet) {
	if last, found := h.broker.server.Clients.Get(c.ID); found && !last.Net.Inline {
		last.Stop(packets.ErrSessionTakenOver)
		h.listener.wait(last.Net.Conn)
	}
}

func (h *hook) OnACLCheck(_ *mqtt.Client, topic string, write bool) bool {
	if !write && strings.HasSuffix(topic, "/"+string(wire.ChannelMetricsAck)) {
		return h.config.Relay
	}
	return write || h.config.Forbid == nil || !h.config.Forbid(topic)
}

func (h *hook) OnPublish(c *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if c.Net.Inline {
		return pk, nil
	}
	p := Publication{Topic: pk.TopicName, Payload: pk.Payload, QoS: pk.FixedHeader.Qos, Retained: pk.FixedHeader.Retain}
	h.broker.Published <- p
	if h.config.Refuse != nil && h.config.Refuse(p) {
		c.Stop(packets.ErrServerShuttingDown)
		return pk, packets.ErrRejectPacket
	}
	if h.config.Mute != nil && h.config.Mute(p) {
		return pk, packets.ErrRejectPacket
	}
	return pk, nil
}

func (h *hook) OnWillSent(_ *mqtt.Client, pk packets.Packet) {
	h.broker.Published <- Publication{
		Topic: pk.TopicName, Payload: pk.Payload, QoS: pk.FixedHeader.Qos, Retained: pk.FixedHeader.Retain, Will: true,
	}
}

func (h *hook) OnDisconnect(c *mqtt.Client, _ error, _ bool) {
	select {
	case h.broker.Gone <- c.ID:
	default: // a test that counts reads them
	}
}
