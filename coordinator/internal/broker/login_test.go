package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	answers "github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/mochi-mqtt/server/v2/packets"

	"lucid.internal/shared/wire"
)

func TestLogin(t *testing.T) {
	own, foreign := topic("node_a", wire.ChannelStatus), topic("node_b", wire.ChannelStatus)
	for _, c := range []struct {
		name   string
		change func(*paho.ClientOptions)
		reason string // "" when it must succeed
	}{
		{"as it should be", func(*paho.ClientOptions) {}, ""},
		{"own will", func(o *paho.ClientOptions) { o.SetWill(own, "off", 1, true) }, ""},
		{"keep-alive 0", func(o *paho.ClientOptions) { o.SetKeepAlive(0) }, ""},
		{"asks for a session to keep", func(o *paho.ClientOptions) { o.SetCleanSession(false) }, ""},
		{"wrong password", func(o *paho.ClientOptions) { o.SetPassword("guess") }, "connect_password"},
		{"no password", func(o *paho.ClientOptions) { o.SetPassword("") }, "connect_password"},
		{"other client id", func(o *paho.ClientOptions) { o.SetClientID("node_b") }, "connect_user_name"},
		{"other user name", func(o *paho.ClientOptions) { o.SetUsername("node_b") }, "connect_user_name"},
		{"no node id", func(o *paho.ClientOptions) { o.SetClientID("admin").SetUsername("admin") }, "connect_client_id"},
		{"wildcard as id", func(o *paho.ClientOptions) { o.SetClientID("node_+").SetUsername("node_+") }, "connect_client_id"},
		{"foreign will", func(o *paho.ClientOptions) { o.SetWill(foreign, "off", 1, true) }, "connect_will"},
		{"will for a challenge", func(o *paho.ClientOptions) {
			o.SetWill(topic("node_a", wire.ChannelChallenge), "x", 1, true)
		}, "connect_will"},
		{"will at QoS 0", func(o *paho.ClientOptions) { o.SetWill(own, "off", 0, true) }, "connect_will"},
		{"will not retained", func(o *paho.ClientOptions) { o.SetWill(own, "off", 1, false) }, "connect_will"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, nil)
			o := r.options("node_a")
			c.change(o)
			client, err := r.dial(o)
			if c.reason == "" {
				want(t, "error", err, nil)
				want(t, "node", next(t, r.connected), Client{NodeID: "node_a", NodeNo: 'a', KeyEpoch: 3, Session: 1, Address: netip.MustParseAddr("127.0.0.1")})
				client.Disconnect(50) // milliseconds for the goodbye to leave
				want(t, "end", next(t, r.disconnected), "node_a/1: disconnected by the node")
				return
			}
			if err == nil {
				t.Fatal("logged in")
			}
			want(t, "refused as "+c.reason, r.refused(c.reason), 1)
			want(t, "calls of OnConnect", len(r.connected), 0)
		})
	}
}

// A wrong login is told of by name, and a flood of them does not fill the log.
func TestRefusedLoginIsLogged(t *testing.T) {
	var log bytes.Buffer
	now := time.Now()
	r := start(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Now = func() time.Time { return now }
	})
	for range refusalsTold + 2 {
		if _, err := r.dial(r.options("node_gone").SetPassword("guess")); err == nil {
			t.Fatal("logged in")
		}
	}
	want(t, "lines", strings.Count(log.String(), "MQTT login refused: no such node, or not its keys\" node=node_gone"), refusalsTold)
}

func TestLoginCannotBeChecked(t *testing.T) {
	r := start(t, func(c *Config) {
		c.Authenticate = func(context.Context, string, []byte) (int32, uint32, error) {
			return 0, 0, errors.New("database is down")
		}
	})
	_, err := r.dial(r.options("node_a"))
	if !errors.Is(err, answers.ErrorRefusedServerUnavailable) {
		t.Errorf("CONNACK says %v, want server unavailable: the node must try again", err)
	}
	want(t, "refused", r.refused("connect_unavailable"), 1)
}

func TestOnConnectFails(t *testing.T) {
	r := start(t, func(c *Config) {
		c.OnConnect = func(context.Context, Client) (uint64, error) { return 0, errors.New("no") }
	})
	lost := make(chan error, 1)
	_, err := r.dial(r.options("node_a").SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err }))
	want(t, "connect", err, nil)
	next(t, lost)
	want(t, "calls of OnDisconnect", len(r.disconnected), 0)
}

func TestKeepAliveIsClamped(t *testing.T) {
	r := start(t, nil)
	for _, c := range []struct{ asked, kept uint16 }{{0, 120}, {30, 30}, {120, 120}, {121, 120}, {65535, 120}} {
		cl := r.server.NewClient(nil, "tls", "node_a", false)
		cl.State.Keepalive = c.asked
		r.fit(cl, &session{client: Client{NodeID: "node_a"}})
		want(t, "keep-alive", cl.State.Keepalive, c.kept)
	}
}

func TestWillWithDelayIsRefused(t *testing.T) {
	c := packets.ConnectParams{ClientIdentifier: "node_a", Username: []byte("node_a"), WillFlag: true, WillQos: 1,
		WillRetain: true, WillTopic: topic("node_a", wire.ChannelStatus)}
	if r := checkConnect(&c); r != nil {
		t.Fatal(r)
	}
	c.WillProperties.WillDelayInterval = 1
	if r := checkConnect(&c); r == nil {
		t.Error("a delayed will is accepted")
	}
}

func TestTakeover(t *testing.T) {
	r := start(t, nil)
	lost := make(chan error, 1)
	o := r.options("node_a").SetWill(topic("node_a", wire.ChannelStatus), "offline", 1, true)
	_, err := r.dial(o.SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err }))
	want(t, "connect", err, nil)
	want(t, "first", next(t, r.connected).Session, 1)
	second := r.node("node_a")
	want(t, "second", next(t, r.connected).Session, 2)
	next(t, lost)
	want(t, "end of the first", next(t, r.disconnected), "node_a/1: connected anew")
	want(t, "will sent", r.kept(topic("node_a", wire.ChannelStatus)), "")
	// The second is whole: it is heard and it hears.
	want(t, "publish", r.wait(second.Publish(topic("node_a", wire.ChannelMetrics), 1, false, "m")), nil)
	heard := make(chan string, 1)
	want(t, "subscribe", r.wait(second.Subscribe(topic("node_a", wire.ChannelVerdict), 1,
		func(_ paho.Client, m paho.Message) { heard <- string(m.Payload()) })), nil)
	want(t, "publish", r.Publish(topic("node_a", wire.ChannelVerdict), []byte("valid"), 1, false), nil)
	want(t, "heard", next(t, heard), "valid")
}

// waitingToBeOnline has every OnConnect say that it began, and wait.
func waitingToBeOnline(entered chan<- struct{}, release <-chan struct{}) func(*Config) {
	return func(c *Config) {
		given := c.OnConnect
		c.OnConnect = func(ctx context.Context, client Client) (uint64, error) {
			entered <- struct{}{}
			<-release
			return given(ctx, client)
		}
	}
}

// The older connection is still in OnConnect when the newer comes: session
// numbers must be given in the order of the connections.
func TestTakeoverWaitsForTheOlderOnConnect(t *testing.T) {
	entered, release := make(chan struct{}, 2), make(chan struct{})
	r := start(t, waitingToBeOnline(entered, release))
	lost := make(chan error, 1)
	_, err := r.dial(r.options("node_a").SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err }))
	want(t, "connect", err, nil)
	next(t, entered)
	r.node("node_a")
	next(t, lost) // the newer one has closed the older one
	want(t, "calls of OnConnect while the older one runs", len(entered), 0)
	close(release)
	next(t, r.connected)
	next(t, r.connected)
	want(t, "end of the older", next(t, r.disconnected), "node_a/1: connected anew")
}

// The second connection was closed while it waited for the first to be made
// online: the coordinator is told of the first and the third only.
func TestWhoLeftBeforeItsTurnIsNotMadeOnline(t *testing.T) {
	entered, release := make(chan struct{}, 3), make(chan struct{})
	r := start(t, waitingToBeOnline(entered, release))
	r.node("node_a")
	next(t, entered)
	r.node("node_a")
	r.node("node_a")
	close(release)
	want(t, "first", next(t, r.connected).Session, 1)
	want(t, "third", next(t, r.connected).Session, 2)
	want(t, "end of the first", next(t, r.disconnected), "node_a/1: connected anew")
	r.Disconnect("node_a", "suspended")
	want(t, "end of the third", next(t, r.disconnected), "node_a/2: suspended")
	want(t, "further calls of OnConnect", len(r.connected), 0)
	want(t, "counted as refused", r.refused(notOnline), 0)
}

// A connection that took over and never came online owes the will of the one
// before: else the node would be on record as online for ever.
func TestWillOfWhoWasTakenOver(t *testing.T) {
	status := topic("node_a", wire.ChannelStatus)
	broken := make(chan struct{})
	r := start(t, func(c *Config) {
		given := c.OnConnect
		c.OnConnect = func(ctx context.Context, client Client) (uint64, error) {
			select {
			case <-broken:
				return 0, errors.New("database is down")
			default:
				return given(ctx, client)
			}
		}
	})
	first, err := r.dial(r.options("node_a").SetWill(status, "offline", 1, true))
	want(t, "connect", err, nil)
	want(t, "publish", r.wait(first.Publish(status, 1, true, "online")), nil)
	close(broken)
	for range 2 {
		lost := make(chan error, 1)
		_, err = r.dial(r.options("node_a").SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err }))
		want(t, "connect anew", err, nil)
		next(t, lost)
	}
	next(t, r.disconnected)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	want(t, "close", r.Close(ctx), nil) // until every session is finished
	want(t, "retained", r.kept(status), "offline")
}

func TestWill(t *testing.T) {
	status := topic("node_a", wire.ChannelStatus)
	for _, c := range []struct {
		name string
		end  func(*rig, paho.Client)
		left string
	}{
		{"goodbye", func(_ *rig, c paho.Client) { c.Disconnect(50) }, "online"},
		{"closed by us", func(r *rig, _ paho.Client) { r.Disconnect("node_a", "suspended") }, "offline"},
		{"connection lost", func(r *rig, _ paho.Client) {
			_ = r.sessions.get("node_a").mqtt.Net.Conn.(*conn).raw.Close()
		}, "offline"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, nil)
			client, err := r.dial(r.options("node_a").SetWill(status, "offline", 1, true))
			want(t, "connect", err, nil)
			want(t, "publish", r.wait(client.Publish(status, 1, true, "online")), nil)
			c.end(r, client)
			next(t, r.disconnected)
			want(t, "retained", r.kept(status), c.left)
		})
	}
}

// A deleted node's last connection may end after it was forgotten.
func TestForgottenNodeLeavesNothingRetained(t *testing.T) {
	r, _ := startReaders(t)
	status, heard := topic("node_a", wire.ChannelStatus), make(chan string, 10)
	r.subscribe(r.mustDial(r.reader("grafana")), status, func(_ paho.Client, m paho.Message) {
		heard <- fmt.Sprintf("%q", m.Payload())
	})
	c, err := r.dial(r.options("node_a").SetWill(status, "offline", 1, true))
	want(t, "connect", err, nil)
	for _, channel := range []wire.Channel{wire.ChannelStatus, wire.ChannelInfo} {
		want(t, "publish", r.wait(c.Publish(topic("node_a", channel), 1, true, "here")), nil)
	}
	want(t, "publish", r.Publish(topic("node_a", wire.ChannelConfig), []byte("config"), 1, true), nil)
	want(t, "status", next(t, heard), `"here"`)
	want(t, "forget", r.Forget("node_a"), nil)
	want(t, "status", next(t, heard), `""`)
	r.Disconnect("node_a", "deleted")
	next(t, r.disconnected) // its will was published before
	want(t, "another's", r.wait(r.node("node_b").Publish(topic("node_b", wire.ChannelStatus), 1, true, "here")), nil)
	for _, channel := range wire.Channels() {
		want(t, string(channel), r.kept(topic("node_a", channel)), "")
	}
	want(t, "kept of another", r.kept(topic("node_b", wire.ChannelStatus)), "here")
	want(t, "heard of its will", len(heard), 0)
}
