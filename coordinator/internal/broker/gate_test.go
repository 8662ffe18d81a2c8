package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	answers "github.com/eclipse/paho.mqtt.golang/packets"
)

// gateRig has limits, a clock of its own, and counts what is checked.
type gateRig struct {
	*rig
	passed  atomic.Int64 // nanoseconds since the clock's begin
	checked atomic.Int64
}

func gated(t *testing.T, connects, failures int) *gateRig {
	t.Helper()
	g := new(gateRig)
	begin := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	g.rig = start(t, func(c *Config) {
		c.PlainAddr = "127.0.0.1:0"
		c.ConnectRate, c.FailedLoginRate = connects, failures
		c.Now = func() time.Time { return begin.Add(time.Duration(g.passed.Load())) }
		check := c.Authenticate
		c.Authenticate = func(ctx context.Context, nodeID string, password []byte) (int32, uint32, error) {
			g.checked.Add(1)
			return check(ctx, nodeID, password)
		}
	})
	return g
}

// from logs in from one of this machine's addresses, and says goodbye.
func (g *gateRig) from(address, nodeID, password string) error {
	g.t.Helper()
	o := g.options(nodeID).SetPassword(password).SetDialer(&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}})
	c := paho.NewClient(o)
	err := g.wait(c.Connect())
	if err == nil {
		c.Disconnect(50)
		next(g.t, g.disconnected)
	}
	return err
}

const here, elsewhere = "127.0.0.1", "127.0.0.2"

func TestConnectionsAreLimitedByNetwork(t *testing.T) {
	g := gated(t, 3, 0)
	for range 3 {
		if err := g.from(here, "node_a", "guess"); !errors.Is(err, answers.ErrorRefusedNotAuthorised) {
			t.Fatalf("within the limit: CONNACK says %v, want not authorized", err)
		}
	}
	if err := g.from(here, "node_b", "secret"); err == nil {
		t.Error("a fourth connection logged in")
	}
	want(t, "refused", g.refused("connect_rate"), 1)
	want(t, "logins checked", g.checked.Load(), 3)
	want(t, "from another network", g.from(elsewhere, "node_b", "secret"), nil)
	for range 5 { // what ends TLS on this machine connects for all nodes
		c, err := logIn(g.PlainAddr(), "node_c")
		want(t, "plain", err, nil)
		_ = c.Close()
	}
	g.passed.Add(int64(20 * time.Second))
	want(t, "a third of a minute later", g.from(here, "node_b", "secret"), nil)
}

func TestFailedLoginsAreLimitedByNetwork(t *testing.T) {
	g := gated(t, 0, 2)
	want(t, "a node at home", g.from(here, "node_k", "secret"), nil)
	for range 2 {
		if err := g.from(here, "node_b", "guess"); !errors.Is(err, answers.ErrorRefusedNotAuthorised) {
			t.Fatalf("CONNACK says %v, want not authorized", err)
		}
	}
	for _, password := range []string{"guess", "secret"} {
		if err := g.from(here, "node_b", password); !errors.Is(err, answers.ErrorRefusedServerUnavailable) {
			t.Errorf("CONNACK says %v, want server unavailable: the node must try again", err)
		}
	}
	want(t, "wrong passwords", g.refused("connect_password"), 2)
	want(t, "refused unseen", g.refused("connect_too_many_tries"), 2)
	want(t, "logins checked", g.checked.Load(), 3)
	want(t, "the node at home", g.from(here, "node_k", "secret"), nil)
	want(t, "from another network", g.from(elsewhere, "node_b", "secret"), nil)
	g.passed.Add(int64(30 * time.Second))
	want(t, "half a minute later", g.from(here, "node_b", "secret"), nil)
}

// Who knows a node's name has one guess for each of its own logins.
func TestKnownNameIsGoodForOneGuess(t *testing.T) {
	g := gated(t, 0, 1)
	want(t, "a node at home", g.from(here, "node_k", "secret"), nil)
	for _, nodeID := range []string{"node_b", "node_k", "node_k", "node_k"} {
		if err := g.from(here, nodeID, "guess"); err == nil {
			t.Fatal("logged in")
		}
	}
	want(t, "logins checked", g.checked.Load(), 3)
	want(t, "refused unseen", g.refused("connect_too_many_tries"), 2)
}

// Many guesses at the same moment get no further than as many in a row: all of
// them have come before the first one is found wrong.
func TestGuessesAtOnce(t *testing.T) {
	const guesses = 40
	release := make(chan struct{})
	var checked atomic.Int64
	g := start(t, func(c *Config) {
		c.FailedLoginRate = 5
		check := c.Authenticate
		c.Authenticate = func(ctx context.Context, nodeID string, password []byte) (int32, uint32, error) {
			checked.Add(1)
			<-release
			return check(ctx, nodeID, password)
		}
	})
	var running sync.WaitGroup
	for i := range guesses {
		c := g.stranger()
		running.Go(func() {
			if greet(c, fmt.Sprintf("node_%d", i), "guess") == nil {
				t.Error("logged in")
			}
		})
	}
	for end := time.Now().Add(patience / 2); g.gate.turns.users() < guesses && time.Now().Before(end); {
		runtime.Gosched()
	}
	close(release)
	running.Wait()
	want(t, "logins checked", checked.Load(), 5)
	want(t, "refused unseen", g.refused("connect_too_many_tries"), 35)
}

// All nodes behind one NAT come back at once, as after our own restart: the
// limits that serve has let them in.
func TestNATComesBackAtOnce(t *testing.T) {
	r := plainRig(t, func(c *Config) { c.ConnectRate, c.FailedLoginRate = 1000, 20 })
	begin := make(chan struct{})
	var running sync.WaitGroup
	for i := range 400 {
		running.Go(func() {
			<-begin
			c, err := tls.Dial("tcp", r.Addr().String(), &tls.Config{RootCAs: r.roots, MinVersion: tls.VersionTLS13})
			if err == nil {
				err = greet(c, fmt.Sprintf("node_%d", i), "secret")
			}
			if err != nil {
				t.Errorf("node_%d: %v", i, err)
				return
			}
			_ = c.Close()
		})
	}
	close(begin)
	running.Wait()
}

// users is how many logins are checked or wait for it, of all networks.
func (t *turns) users() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range t.of {
		n += one.users
	}
	return n
}

func TestTurnsAreTakenOneByOne(t *testing.T) {
	turns := turns{of: make(map[caller]*turn)}
	network, other := caller{network: netip.MustParseAddr("192.0.2.1")}, caller{network: netip.MustParseAddr("192.0.2.2")}
	first, err := turns.take(t.Context(), network)
	want(t, "the first", err, nil)
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = turns.take(impatient, network)
	want(t, "the second, while the first has it", err, context.Canceled)
	another, err := turns.take(t.Context(), other)
	want(t, "of another network", err, nil)
	another()
	first()
	third, err := turns.take(t.Context(), network)
	want(t, "the third", err, nil)
	third()
	want(t, "networks remembered", len(turns.of), 0)
}
