package broker

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what must happen; a test that passes never uses it up.
const patience = time.Minute

// rig is a broker on port 0 with TLS, and what it called.
type rig struct {
	*Broker
	t            *testing.T
	roots        *x509.CertPool
	connected    chan Client
	disconnected chan string // "node_a/1: reason"
	metrics      chan string
	registry     *prometheus.Registry
}

// start runs a broker in which node_a, node_b ... log in with "secret".
// change may alter its configuration.
func start(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, connected: make(chan Client, 100), disconnected: make(chan string, 100),
		metrics: make(chan string, 100), registry: prometheus.NewRegistry()}
	certificate, roots := selfSigned(t)
	r.roots = roots
	var sessions atomic.Uint64
	cfg := Config{
		Addr: "127.0.0.1:0",
		TLS:  &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13},
		Authenticate: func(_ context.Context, nodeID string, password []byte) (int32, uint32, error) {
			if string(password) != "secret" {
				return 0, 0, fault.New(fault.BadCredentials, "no")
			}
			return int32(nodeID[len(nodeID)-1]), 3, nil
		},
		OnConnect: func(_ context.Context, c Client) (uint64, error) {
			c.Session = sessions.Add(1)
			r.connected <- c
			return c.Session, nil
		},
		OnDisconnect: func(c Client, reason string) {
			r.disconnected <- fmt.Sprintf("%s/%d: %s", c.NodeID, c.Session, reason)
		},
		OnMetrics: func(_ context.Context, c Client, payload []byte, from *Receipts) {
			r.metrics <- string(payload)
			from.Settle(1, nil)
		},
		Registerer: r.registry,
	}
	if change != nil {
		change(&cfg)
	}
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Broker = b
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return r
}

// selfSigned makes a CA that is its own server certificate.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// options of an agent's client, as package link of the agent sets them.
func (r *rig) options(nodeID string) *paho.ClientOptions {
	return paho.NewClientOptions().
		AddBroker("ssl://" + r.Addr().String()).
		SetTLSConfig(&tls.Config{RootCAs: r.roots, MinVersion: tls.VersionTLS13}).
		SetClientID(nodeID).SetUsername(nodeID).SetPassword("secret").
		SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).
		SetOrderMatters(false).SetConnectTimeout(patience)
}

// dial connects and gives what the broker answered.
func (r *rig) dial(o *paho.ClientOptions) (paho.Client, error) {
	r.t.Helper()
	c := paho.NewClient(o)
	return c, r.wait(c.Connect())
}

func (r *rig) wait(token paho.Token) error {
	r.t.Helper()
	if !token.WaitTimeout(patience) {
		r.t.Fatal("no answer from the broker")
	}
	return token.Error()
}

// node connects a node that leaves when the test ends.
func (r *rig) node(nodeID string) paho.Client {
	r.t.Helper()
	c, err := r.dial(r.options(nodeID))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Disconnect(0) })
	return c
}

// kept is what is retained of a topic.
func (r *rig) kept(topic string) string {
	if m := r.retained.get(topic); m != nil {
		return string(m.payload)
	}
	return ""
}

func (r *rig) refused(reason string) float64 {
	return testutil.ToFloat64(r.count.refused[reason])
}

// next takes what must come on a channel.
func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func want[T comparable](t *testing.T, what string, got, wanted T) {
	t.Helper()
	if got != wanted {
		t.Errorf("%s: %v, want %v", what, got, wanted)
	}
}

func topic(nodeID string, c wire.Channel) string { return wire.Topic(nodeID, c) }

func TestConfigIsChecked(t *testing.T) {
	authenticate := func(context.Context, string, []byte) (int32, uint32, error) { return 0, 0, nil }
	metrics := func(context.Context, Client, []byte, *Receipts) {}
	for name, cfg := range map[string]Config{
		"no address":        {Authenticate: authenticate, OnMetrics: metrics},
		"no TLS":            {Addr: "127.0.0.1:0", Authenticate: authenticate, OnMetrics: metrics},
		"plain to all":      {PlainAddr: ":1883", Authenticate: authenticate, OnMetrics: metrics},
		"plain to a host":   {PlainAddr: "192.0.2.1:1883", Authenticate: authenticate, OnMetrics: metrics},
		"no Authenticate":   {PlainAddr: "127.0.0.1:0", OnMetrics: metrics},
		"nobody for metric": {PlainAddr: "127.0.0.1:0", Authenticate: authenticate},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, address := range []string{"127.0.0.1:1", "[::1]:1", "localhost:1"} {
		if _, err := New(Config{PlainAddr: address, Authenticate: authenticate, OnMetrics: metrics}); err != nil {
			t.Error(err)
		}
	}
}

func TestAddressIsTaken(t *testing.T) {
	r := start(t, nil)
	second, err := New(Config{PlainAddr: r.Addr().String(), Authenticate: r.cfg.Authenticate, OnMetrics: r.cfg.OnMetrics})
	if err != nil {
		t.Fatal(err)
	}
	err = second.Start()
	want(t, "error", fmt.Sprint(err), fmt.Sprintf("MQTT address %s is taken by another program: stop it or choose another address", r.Addr()))
	want(t, "ready", second.Ready() == nil, false)
	if err := second.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCloseWithClients(t *testing.T) {
	r := start(t, nil)
	lost := make(chan error, 2)
	for _, id := range []string{"node_a", "node_b"} {
		_, err := r.dial(r.options(id).SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err }))
		want(t, "connect", err, nil)
	}
	silent, err := net.Dial("tcp", r.Addr().String()) // never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	next(t, r.connected)
	next(t, r.connected)
	want(t, "ready", r.Ready(), nil)
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	next(t, lost)
	next(t, lost)
	got := map[string]bool{next(t, r.disconnected): true, next(t, r.disconnected): true}
	if len(got) != 2 {
		t.Errorf("disconnects %v", got)
	}
	for d := range got {
		want(t, "reason", d[len("node_x/1: "):], "coordinator is closing")
	}
	want(t, "ready after close", r.Ready() == nil, false)
	want(t, "publish after close", r.Publish("x", nil, 0, false) == nil, false)
}

// Close ends what serves a listener, however soon it follows Start: goleak sees
// what would be left.
func TestCloseRightAfterStart(t *testing.T) {
	for range 100 {
		b, err := New(Config{PlainAddr: "127.0.0.1:0", Authenticate: nobody, OnMetrics: nothing})
		want(t, "new", err, nil)
		want(t, "start", b.Start(), nil)
		want(t, "close", b.Close(t.Context()), nil)
	}
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, func(c *Config) {
		c.OnStatus = func(context.Context, Client, []byte) error { close(entered); <-release; return nil }
	})
	c := r.node("node_a")
	c.Publish(topic("node_a", wire.ChannelStatus), 1, false, "m")
	next(t, entered)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close while a function hangs: %v", err)
	}
	want(t, "functions' context", r.ctx.Err(), context.Canceled)
	close(release)
	next(t, r.disconnected)
}
