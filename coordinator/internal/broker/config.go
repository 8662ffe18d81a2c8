package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lucid.internal/coordinator/internal/hostname"
	"lucid.internal/shared/wire"
)

// Client is one connection of a node.
type Client struct {
	NodeID   string
	NodeNo   int32
	KeyEpoch uint32 // of the key that it logged in with, as Authenticate gave it
	Session  uint64 // as OnConnect gave it
	// Where its TLS connection comes from: an IPv4 address, or an IPv6 network of
	// 64 bits; the zero Addr is not known.
	Address netip.Addr
}

// Arrival is when a message came.
type Arrival struct {
	At   time.Time     // it was read
	Held time.Duration // how long we held up its connection before that: it may have come so much earlier
}

// ErrIgnore is what OnStatus, OnInfo and OnCommandResult return for a message
// that must be acknowledged but goes nowhere.
var ErrIgnore = errors.New("broker: message is acknowledged and goes nowhere")

// Config says where to listen and what to call. Functions may be called from
// many goroutines; those of one connection are called one after the other.
type Config struct {
	Addr      string      // TLS listen address, host:port; "" for none
	TLS       *tls.Config // required with Addr
	PlainAddr string      // without TLS; loopback only; "" for none

	// What one network may do on the TLS address; 0: any number. A node that is
	// kept out is told that the server is unavailable, or nothing at all.
	ConnectRate     int // connections a minute
	FailedLoginRate int // wrong passwords a minute; then only nodes known from there are checked

	// Calls bounds how many of the functions below are called at once, but
	// OnMetrics, OnResponse and OnDisconnect; 0: any number. Of those that wait,
	// nodes that are logged in go before logins.
	Calls int

	// Authenticate checks a login and changes nothing. Required. A fault of kind
	// Unauthorized or Denied refuses the login; any other error tells the node
	// that the server is unavailable, so it tries again.
	Authenticate func(ctx context.Context, nodeID string, password []byte) (nodeNo int32, keyEpoch uint32, err error)
	// AuthenticateReader checks the login of an integration (user name key_...)
	// and gives the topic filters within which it may read. Its errors are as
	// those of Authenticate. Nil: none may log in.
	AuthenticateReader func(ctx context.Context, keyID string, password []byte, from netip.Addr) (filters []string, err error)
	// OnConnect makes the node online and gives its session number; an error
	// closes the connection. It is not called for one that is closed already. It
	// must refuse a key that was replaced since the login was checked: whoever
	// replaced it may have found no connection to close.
	OnConnect func(ctx context.Context, c Client) (session uint64, err error)
	// OnDisconnect is called once for each OnConnect that succeeded.
	OnDisconnect func(c Client, reason string)
	// OnMetrics takes a message over and has the receipts settle it once, from
	// any goroutine, within seconds: with nil when the message is safe, which
	// acknowledges it; with an error to have the connection closed, so that the
	// node comes back and sends again. wire.MaxUnacknowledged of a connection may
	// be with it at once. The payload is OnMetrics's own. ctx ends when Close
	// gives up waiting.
	OnMetrics func(ctx context.Context, c Client, payload []byte, from *Receipts)
	// Crowded reports that a connection should have one message with OnMetrics
	// only. Default: never.
	Crowded func() bool
	// OnResponse takes an answer to a challenge and when it came.
	OnResponse func(ctx context.Context, c Client, payload []byte, arrived Arrival)
	// OnStatus, OnInfo and OnCommandResult return nil to have the message
	// acknowledged, and status and info retained and sent to integrations;
	// ErrIgnore to have it acknowledged only; any other error to refuse it and
	// close the connection.
	OnStatus        func(ctx context.Context, c Client, payload []byte) error
	OnInfo          func(ctx context.Context, c Client, payload []byte) error
	OnCommandResult func(ctx context.Context, c Client, payload []byte) error

	Now        func() time.Time      // default time.Now
	Logger     *slog.Logger          // default: silent
	Registerer prometheus.Registerer // default: a registry of its own

	ConnectTimeout time.Duration // accept to CONNECT, TLS handshake included; default 10 s
	WriteTimeout   time.Duration // one write to a client; default 5 s
	CallTimeout    time.Duration // ctx of every function but OnMetrics, and waiting for its turn; a login's both together; default 10 s
}

const (
	maxPacketBytes = 160 << 10 // wire.MaxMessageBytes and room for topic and properties
	maxKeepAlive   = uint16(wire.MaxKeepAliveSeconds)
)

func (c *Config) setDefaults() {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Registerer == nil {
		c.Registerer = prometheus.NewRegistry()
	}
	setDuration(&c.ConnectTimeout, 10*time.Second)
	setDuration(&c.WriteTimeout, 5*time.Second)
	setDuration(&c.CallTimeout, 10*time.Second)
	accept := func(context.Context, Client, []byte) error { return nil }
	for _, f := range []*func(context.Context, Client, []byte) error{&c.OnStatus, &c.OnInfo, &c.OnCommandResult} {
		if *f == nil {
			*f = accept
		}
	}
	if c.OnConnect == nil {
		c.OnConnect = func(context.Context, Client) (uint64, error) { return 0, nil }
	}
	if c.OnDisconnect == nil {
		c.OnDisconnect = func(Client, string) {}
	}
	if c.Crowded == nil {
		c.Crowded = func() bool { return false }
	}
	if c.OnResponse == nil {
		c.OnResponse = func(context.Context, Client, []byte, Arrival) {}
	}
}

func setDuration(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

func (c *Config) validate() error {
	var errs []error
	if c.Addr == "" && c.PlainAddr == "" {
		errs = append(errs, errors.New("broker: no listen address: set Addr or PlainAddr"))
	}
	if c.Addr != "" && c.TLS == nil {
		errs = append(errs, fmt.Errorf("broker: %s needs a TLS configuration", c.Addr))
	}
	if host, _, err := net.SplitHostPort(c.PlainAddr); c.PlainAddr != "" && (err != nil || !hostname.Loopback(host)) {
		errs = append(errs, fmt.Errorf("broker: plain MQTT is for loopback only, not %s: use TLS", c.PlainAddr))
	}
	if c.Authenticate == nil || c.OnMetrics == nil {
		errs = append(errs, errors.New("broker: Authenticate and OnMetrics are required"))
	}
	return errors.Join(errs...)
}
