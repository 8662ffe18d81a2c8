package coordinator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/shared/wire"
)

const integratorPatience = 30 * time.Second

// serving starts a whole coordinator and waits until it serves.
func serving(t *testing.T) *Coordinator {
	t.Helper()
	f := newFoundation(t, testConfig(t))
	c, err := New(f, Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-c.Serving():
	case err := <-ended:
		t.Fatalf("ended before it served: %v", err)
	}
	return c
}

// integrator is a real client with an API key.
type integrator struct {
	paho.Client
	t    *testing.T
	got  chan paho.Message
	lost chan error
}

func (c *Coordinator) integrator(t *testing.T, keyID, secret string) *integrator {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.Authority.CAPEM()))
	i := &integrator{t: t, got: make(chan paho.Message, 100), lost: make(chan error, 1)}
	i.Client = paho.NewClient(paho.NewClientOptions().AddBroker("ssl://" + c.broker.Addr().String()).
		SetTLSConfig(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}).SetClientID("grafana").SetUsername(keyID).SetPassword(secret).
		SetAutoReconnect(false).SetConnectionLostHandler(func(_ paho.Client, err error) { i.lost <- err }))
	if err := i.wait(i.Connect()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Disconnect(0) })
	return i
}

func (i *integrator) wait(token paho.Token) error {
	i.t.Helper()
	if !token.WaitTimeout(integratorPatience) {
		i.t.Fatal("no answer")
	}
	return token.Error()
}

// subscribe gives the code of the SUBACK: 0x80 is refused.
func (i *integrator) subscribe(filter string, hear paho.MessageHandler) byte {
	i.t.Helper()
	token := i.Subscribe(filter, 1, hear)
	_ = i.wait(token)
	return token.(*paho.SubscribeToken).Result()[filter]
}

// until takes messages of a topic until one is as wanted.
func until[T any](i *integrator, topic string, wanted func(T) bool) {
	i.t.Helper()
	for timeout := time.After(integratorPatience); ; {
		select {
		case m := <-i.got:
			var body T
			if m.Topic() != topic {
				continue
			}
			if err := json.Unmarshal(m.Payload(), &body); err != nil {
				i.t.Fatalf("%v: %s", err, m.Payload())
			}
			if wanted(body) {
				return
			}
		case <-timeout:
			i.t.Fatalf("%s never said what it should", topic)
		}
	}
}

// TestIntegrator: an API key reads summaries and events over MQTT as it was
// granted, nothing else, and only for as long as it may.
func TestIntegrator(t *testing.T) {
	c := serving(t)
	ctx := t.Context()
	key, secret, err := c.CreateKey(ctx, KeyRequest{Name: "grafana", Role: string(access.Viewer)})
	if err != nil {
		t.Fatal(err)
	}
	for _, filter := range []string{wire.PoolSummaryTopic("+"), wire.EventTopic("pool")} {
		if _, err := c.Access.GrantTopic(ctx, ByCLI(), key.ID, filter); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Pools.Create(ctx, ByCLI(), pool.New{ID: "pool_home", Name: "home"}); err != nil {
		t.Fatal(err)
	}
	i := c.integrator(t, key.ID, secret)
	hear := func(_ paho.Client, m paho.Message) { i.got <- m }
	for _, filter := range []string{wire.PoolSummaryTopic("+"), wire.EventTopic("pool")} {
		if code := i.subscribe(filter, hear); code != 1 {
			t.Fatalf("%s: %#x", filter, code)
		}
	}
	until(i, wire.PoolSummaryTopic("pool_home"), func(s pool.Summary) bool { return s.V == 1 && s.Name == "home" && s.MaxNodes == 100 })
	name := "house"
	if _, err := c.Pools.Update(ctx, ByCLI(), "pool_home", nil, pool.Patch{Name: &name}); err != nil {
		t.Fatal(err)
	}
	until(i, wire.PoolSummaryTopic("pool_home"), func(s pool.Summary) bool { return s.Name == "house" })
	if _, err := c.Pools.Create(ctx, ByCLI(), pool.New{ID: "pool_two", Name: "two"}); err != nil {
		t.Fatal(err)
	}
	until(i, wire.EventTopic("pool"), func(m event.Message) bool { return m.Kind == event.Pool && m.PoolID == "pool_two" })

	for _, filter := range []string{"#", "lucid/#", wire.EventTopic("+"), wire.EventTopic("node"), wire.Topic("+", wire.ChannelStatus), "$SYS/#"} {
		if code := i.subscribe(filter, nil); code < 0x80 {
			t.Errorf("%s: subscribed, %#x", filter, code)
		}
	}
	if err := c.RevokeKey(ctx, key.ID); err != nil {
		t.Fatal(err)
	}
	select {
	case <-i.lost: // the leader looks every few seconds
	case <-time.After(integratorPatience):
		t.Error("a revoked key stays connected")
	}
}

// What a node told of itself is taken back when it is deleted.
func TestDeletedNodeIsTakenBackFromIntegrations(t *testing.T) {
	c := serving(t)
	ctx := t.Context()
	key, secret, err := c.CreateKey(ctx, KeyRequest{Name: "grafana", Role: string(access.Viewer)})
	if err != nil {
		t.Fatal(err)
	}
	n, _, err := c.Nodes.Create(ctx, ByCLI(), node.New{Name: "shed-pi"})
	if err != nil {
		t.Fatal(err)
	}
	info := wire.Topic(n.ID, wire.ChannelInfo)
	if _, err := c.Access.GrantTopic(ctx, ByCLI(), key.ID, info); err != nil {
		t.Fatal(err)
	}
	if err := c.broker.Publish(info, []byte("addresses"), 1, true); err != nil {
		t.Fatal(err)
	}
	i := c.integrator(t, key.ID, secret)
	if code := i.subscribe(info, func(_ paho.Client, m paho.Message) { i.got <- m }); code != 1 {
		t.Fatalf("not subscribed, %#x", code)
	}
	for _, want := range []string{"addresses", ""} {
		select {
		case m := <-i.got:
			if got := string(m.Payload()); got != want {
				t.Errorf("heard %q, want %q", got, want)
			}
		case <-time.After(integratorPatience):
			t.Fatalf("nothing came, want %q", want)
		}
		if want == "" {
			return
		}
		if err := c.Nodes.Delete(ctx, ByCLI(), n.ID, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// What did not change is not published again, what is gone is taken back, and
// what could not be published is tried again.
func TestSummariesArePublishedWhenTheyChange(t *testing.T) {
	now := []pool.Summary{{PoolID: "pool_a", NodeCount: 1, At: time.Unix(1, 0)}, {PoolID: "pool_b"}}
	var published []string
	var refuse error
	s := &summaries{
		read:    func(context.Context) ([]pool.Summary, error) { return now, nil },
		deleted: func(context.Context) ([]string, error) { return []string{"pool_gone"}, nil },
		publish: func(topic string, payload []byte, qos byte, retain bool) error {
			if !retain || qos != 1 {
				t.Errorf("%s: retain %t, QoS %d", topic, retain, qos)
			}
			if refuse == nil {
				published = append(published, topic+map[bool]string{true: "", false: " ..."}[len(payload) == 0])
			}
			return refuse
		},
	}
	run := func(want ...string) {
		t.Helper()
		published = nil
		if err := s.RunOnce(t.Context()); (err != nil) != (refuse != nil) {
			t.Error(err)
		}
		if len(published) != len(want) {
			t.Fatalf("published %q, want %q", published, want)
		}
		for i := range want {
			if published[i] != want[i] {
				t.Errorf("published %q, want %q", published, want)
			}
		}
	}
	refuse = errors.New("closed") // whoever led before left a summary that is to be taken back
	run()
	refuse = nil
	run("lucid/v1/pools/pool_gone/summary", "lucid/v1/pools/pool_a/summary ...", "lucid/v1/pools/pool_b/summary ...")
	now[0].At = time.Unix(2, 0)
	run()
	now[0].NodeCount, refuse = 2, errors.New("closed")
	run()
	refuse = nil
	run("lucid/v1/pools/pool_a/summary ...")
	now = now[:1]
	run("lucid/v1/pools/pool_b/summary")
	run()
}
