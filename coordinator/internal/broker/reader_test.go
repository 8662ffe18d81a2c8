package broker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	paho "github.com/eclipse/paho.mqtt.golang"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/shared/wire"
)

// grants are what keys may read, as a test sets and changes it.
type grants struct {
	mu  sync.Mutex
	of  map[string][]string
	err error
}

func (g *grants) set(key string, filters ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.of[key] = filters
}

func (g *grants) current(context.Context, []string) (map[string][]string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.of, g.err
}

// startReaders runs a broker in which key_a logs in with "secret".
func startReaders(t *testing.T) (*rig, *grants) {
	g := &grants{of: map[string][]string{"key_a": {"lucid/v1/events/+", "lucid/v1/nodes/node_a/status", "lucid/v1/pools/+/summary"}}}
	r := start(t, func(c *Config) {
		c.PlainAddr = "127.0.0.1:0"
		c.AuthenticateReader = func(_ context.Context, keyID string, password []byte, from netip.Addr) ([]string, error) {
			switch {
			case !from.IsLoopback():
				return nil, fmt.Errorf("from %s", from)
			case string(password) == "again":
				return nil, fault.New(fault.RateLimited, "wait")
			case string(password) != "secret" || g.of[keyID] == nil:
				return nil, fault.New(fault.BadCredentials, "no")
			}
			return g.of[keyID], nil
		}
	})
	return r, g
}

func (r *rig) reader(clientID string) *paho.ClientOptions {
	return r.options(clientID).SetUsername("key_a")
}

func (r *rig) mustDial(o *paho.ClientOptions) paho.Client {
	r.t.Helper()
	c, err := r.dial(o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Disconnect(0) })
	return c
}

// subscribe gives the code of the SUBACK: 0x80 is refused.
func (r *rig) subscribe(c paho.Client, filter string, handle paho.MessageHandler) byte {
	r.t.Helper()
	token := c.Subscribe(filter, 1, handle)
	_ = r.wait(token)                                            // a refusal is an error too
	for _, code := range token.(*paho.SubscribeToken).Result() { // there is one; paho cuts $share off its name
		return code
	}
	r.t.Fatalf("%s: no answer", filter)
	return 0
}

func TestReaderReadsWhatItWasGranted(t *testing.T) {
	r, _ := startReaders(t)
	if err := r.Publish(wire.PoolSummaryTopic("pool_home"), []byte("summary"), 1, true); err != nil {
		t.Fatal(err)
	}
	c := r.mustDial(r.reader("grafana"))
	got := make(chan string, 10)
	hear := func(_ paho.Client, m paho.Message) { got <- m.Topic() + " " + string(m.Payload()) }
	for _, filter := range []string{"lucid/v1/pools/+/summary", "lucid/v1/events/alert", "lucid/v1/nodes/node_a/status"} {
		if code := r.subscribe(c, filter, hear); code != 1 {
			t.Fatalf("%s: %#x", filter, code)
		}
	}
	want(t, "retained", next(t, got), "lucid/v1/pools/pool_home/summary summary")
	for _, topic := range []string{wire.EventTopic("node"), wire.EventTopic("alert")} { // it asked for alerts only
		if err := r.Publish(topic, []byte("event"), 1, false); err != nil {
			t.Fatal(err)
		}
	}
	want(t, "event", next(t, got), "lucid/v1/events/alert event")
	node := r.mustDial(r.options("node_a"))
	if err := r.wait(node.Publish(topic("node_a", wire.ChannelStatus), 1, true, "online")); err != nil {
		t.Fatal(err)
	}
	want(t, "status", next(t, got), "lucid/v1/nodes/node_a/status online")
}

func TestReaderIsRefusedEverythingElse(t *testing.T) {
	r, _ := startReaders(t)
	c := r.mustDial(r.reader("grafana"))
	refused := []string{
		"#", "lucid/#", "lucid/v1/events/#", "lucid/v1/+/alert", "lucid/v1/nodes/+/status", "lucid/v1/nodes/node_a/#", "lucid/v1/nodes/node_a/command",
		"lucid/v1/nodes/node_b/status", "lucid/v1/nodes/node_a/metrics", "$SYS/#", "$share/g/lucid/v1/events/alert", "lucid/v1/pools/pool_home/+",
	}
	for _, filter := range refused {
		if code := r.subscribe(c, filter, nil); code < 0x80 {
			t.Errorf("%s: %#x", filter, code)
		}
	}
	want(t, "refusals counted", int(r.refused(badSubscribeTopic)), len(refused))
	for _, topic := range []string{"lucid/v1/events/alert", "lucid/v1/nodes/node_a/status", "anything"} {
		lost := make(chan error, 1)
		c := r.mustDial(r.reader("writer").SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err }))
		c.Publish(topic, 1, false, "forged")
		if next(t, lost) == nil {
			t.Errorf("%s: published and still connected", topic)
		}
	}
}

func TestReaderLogin(t *testing.T) {
	r, _ := startReaders(t)
	for name, c := range map[string]struct {
		change func(*paho.ClientOptions)
		reason string
	}{
		"wrong key":             {func(o *paho.ClientOptions) { o.SetPassword("guess") }, badPassword},
		"another's key":         {func(o *paho.ClientOptions) { o.SetUsername("key_b") }, badPassword},
		"a will":                {func(o *paho.ClientOptions) { o.SetWill("lucid/v1/events/alert", "x", 1, true) }, badWill},
		"a node's client id":    {func(o *paho.ClientOptions) { o.SetClientID("node_a") }, badUserName},
		"no key":                {func(o *paho.ClientOptions) { o.SetUsername("grafana") }, badClientID},
		"too many wrong before": {func(o *paho.ClientOptions) { o.SetPassword("again") }, tooManyTries},
	} {
		before := r.refused(c.reason)
		o := r.reader("grafana")
		c.change(o)
		if _, err := r.dial(o); err == nil {
			t.Errorf("%s: logged in", name)
		}
		if r.refused(c.reason) != before+1 {
			t.Errorf("%s: not counted as %s", name, c.reason)
		}
	}
	if len(r.connected) > 0 {
		t.Error("a reader became a node online")
	}
}

// When the key ends or may read something else, its connections are closed.
func TestReaderLosesItsConnectionWithItsGrants(t *testing.T) {
	r, g := startReaders(t)
	lost := make(chan error, 1)
	o := r.reader("grafana").SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err })
	connect := func() { // and be served, so that the broker knows of it
		t.Helper()
		r.subscribe(r.mustDial(o), "lucid/v1/events/alert", nil)
	}
	connect()
	check := func() {
		t.Helper()
		if err := r.CheckReaders(t.Context(), g.current); err != nil {
			t.Fatal(err)
		}
	}
	check()
	if len(lost) > 0 {
		t.Fatal("closed without a reason")
	}
	g.set("key_a", "lucid/v1/events/+")
	check()
	next(t, lost)
	connect() // with its new grants
	check()
	g.mu.Lock()
	delete(g.of, "key_a")
	g.mu.Unlock()
	g.err = errors.New("down")
	if err := r.CheckReaders(t.Context(), g.current); err == nil || len(lost) > 0 {
		t.Error("a database that does not answer closes connections")
	}
	g.err = nil
	check()
	next(t, lost)
	if _, err := r.dial(o); err == nil {
		t.Error("logged in without grants")
	}
}

func TestReaderConnectionsAreBounded(t *testing.T) {
	r, _ := startReaders(t)
	lost := make(chan string, 100)
	dial := func(id string) paho.Client {
		t.Helper()
		return r.mustDial(r.reader(id).SetConnectionLostHandler(func(paho.Client, error) { lost <- id }))
	}
	served := func(c paho.Client) { // then the broker knows of it
		t.Helper()
		r.subscribe(c, "lucid/v1/events/alert", nil)
	}
	served(dial("c0"))
	served(dial("c0"))
	want(t, "taken over", next(t, lost), "c0")
	for i := 1; i < maxReadersPerKey; i++ {
		served(dial(fmt.Sprint("c", i)))
	}
	if _, err := r.dial(r.reader("one-too-many")); err == nil {
		t.Error("one too many is connected")
	}
	want(t, "counted", r.refused(tooManyReaders), 1)
}
