package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"lucid.internal/shared/wire"
)

// delivery is a metrics message that a test settles.
type delivery struct {
	from     string
	receipts *Receipts
}

func (d delivery) settle(err error) { d.receipts.Settle(1, err) }

// byHand has a test settle the messages.
func byHand(deliveries chan delivery) func(*Config) {
	return func(c *Config) {
		c.OnMetrics = func(_ context.Context, c Client, payload []byte, from *Receipts) {
			deliveries <- delivery{fmt.Sprintf("%s/%d/%d %s", c.NodeID, c.NodeNo, c.Session, payload), from}
		}
	}
}

// publication is a PUBLISH packet of node_a at QoS 1.
func publication(channel wire.Channel, id byte) []byte {
	name := topic("node_a", channel)
	body := fmt.Appendf([]byte{0, byte(len(name))}, "%s\x00%c{}", name, id)
	return append([]byte{0x32, byte(len(body))}, body...)
}

// wantAcknowledged reads the acknowledgements of these messages.
func wantAcknowledged(t *testing.T, c net.Conn, from, to int) {
	t.Helper()
	for id := from; id <= to; id++ {
		answer := make([]byte, 4)
		if _, err := io.ReadFull(c, answer); err != nil || string(answer) != string([]byte{0x40, 2, 0, byte(id)}) {
			t.Fatalf("% x, %v, want the acknowledgement of %d", answer, err, id)
		}
	}
}

func TestAcknowledgementWaitsForTheCommit(t *testing.T) {
	deliveries := make(chan delivery, 10)
	r := start(t, byHand(deliveries))
	c := r.node("node_a")
	token := c.Publish(topic("node_a", wire.ChannelMetrics), 1, true, "m1")
	first := next(t, deliveries)
	want(t, "message", first.from, "node_a/97/1 m1")
	// The connection goes on reading meanwhile.
	want(t, "subscribe", r.wait(c.Subscribe(topic("node_a", wire.ChannelConfig), 1, nil)), nil)
	select {
	case <-token.Done():
		t.Fatal("acknowledged before it was settled")
	default:
	}
	first.settle(nil)
	want(t, "acknowledged", r.wait(token), nil)
	want(t, "retained metrics", r.kept(topic("node_a", wire.ChannelMetrics)), "")
	want(t, "counted", counterValue(t, r.count.taken[wire.ChannelMetrics].accepted), 1)
	// An error: no acknowledgement, and the connection ends.
	token = c.Publish(topic("node_a", wire.ChannelMetrics), 1, false, "m2")
	next(t, deliveries).settle(errors.New("database is down"))
	if err := r.wait(token); err == nil {
		t.Error("acknowledged although it was not taken")
	}
	want(t, "end", next(t, r.disconnected), "node_a/1: "+errNotTaken.Error())
	want(t, "counted", counterValue(t, r.count.taken[wire.ChannelMetrics].failed), 1)
}

// What a node sent behind a message that was not taken must not be taken
// either: it sends all again, in order.
func TestNothingIsTakenBehindAMessageNotTaken(t *testing.T) {
	deliveries := make(chan delivery, 10)
	r := start(t, byHand(deliveries))
	c := r.node("node_a")
	var tokens []paho.Token
	for i := range 2 {
		tokens = append(tokens, c.Publish(topic("node_a", wire.ChannelMetrics), 1, false, fmt.Sprint("m", i)))
	}
	first, second := next(t, deliveries), next(t, deliveries)
	want(t, "failed before", second.receipts.Failed(), false)
	first.settle(errors.New("no"))
	want(t, "failed", second.receipts.Failed(), true)
	tokens = append(tokens, c.Publish(topic("node_a", wire.ChannelMetrics), 1, false, "behind"))
	for i, token := range tokens {
		if r.wait(token) == nil {
			t.Errorf("message %d is acknowledged", i)
		}
	}
	second.settle(errors.New("not behind that one"))
	next(t, r.disconnected)
	want(t, "messages taken behind it", len(deliveries), 0)
}

// A connection has a window of messages with OnMetrics, or one while that has
// much to do, and goes on when the oldest is settled.
func TestMessagesOnTheirWayAreBounded(t *testing.T) {
	deliveries, crowded := make(chan delivery, 100), new(atomic.Bool)
	r := plainRig(t, func(c *Config) {
		byHand(deliveries)(c)
		c.Crowded = crowded.Load
	})
	c, err := logIn(r.PlainAddr(), "node_a")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var sent []byte
	const messages = wire.MaxUnacknowledged + 3
	for id := range byte(messages) {
		sent = append(sent, publication(wire.ChannelMetrics, id+1)...)
	}
	if _, err := c.Write(sent); err != nil {
		t.Fatal(err)
	}
	var taken []delivery
	for range wire.MaxUnacknowledged {
		taken = append(taken, next(t, deliveries))
	}
	taken[0].receipts.Settle(2, nil)
	wantAcknowledged(t, c, 1, 2)
	next(t, deliveries)
	next(t, deliveries)
	want(t, "taken beyond the window", len(deliveries), 0)
	crowded.Store(true)
	taken[0].receipts.Settle(wire.MaxUnacknowledged-1, nil)
	wantAcknowledged(t, c, 3, wire.MaxUnacknowledged+1)
	want(t, "taken while it is crowded", len(deliveries), 0)
	taken[0].receipts.Settle(1, nil)
	last := next(t, deliveries)
	wantAcknowledged(t, c, messages-1, messages-1)
	if _, err := c.Write([]byte{0xc0, 0}); err != nil { // PINGREQ, answered meanwhile
		t.Fatal(err)
	}
	answer := make([]byte, 2)
	_, err = io.ReadFull(c, answer)
	want(t, "answer to the ping", fmt.Sprintf("% x, %v", answer, err), "d0 00, <nil>")
	last.settle(nil)
	wantAcknowledged(t, c, messages, messages)
}

// A status sent behind samples is taken, and acknowledged, after them.
func TestOtherChannelsWaitForMetrics(t *testing.T) {
	deliveries, statuses := make(chan delivery, 10), make(chan struct{}, 10)
	r := start(t, func(c *Config) {
		byHand(deliveries)(c)
		c.OnStatus = func(context.Context, Client, []byte) error { statuses <- struct{}{}; return nil }
	})
	c := r.node("node_a")
	samples := c.Publish(topic("node_a", wire.ChannelMetrics), 1, false, "m1")
	d := next(t, deliveries)
	status := c.Publish(topic("node_a", wire.ChannelStatus), 1, false, "s")
	want(t, "status taken before the samples", len(statuses), 0)
	d.settle(nil)
	want(t, "samples", r.wait(samples), nil)
	want(t, "status", r.wait(status), nil)
	want(t, "taken", len(statuses), 1)
}

func TestPanicEndsOneConnection(t *testing.T) {
	r := start(t, func(c *Config) {
		c.OnMetrics = func(context.Context, Client, []byte, *Receipts) { panic("metrics") }
		c.OnResponse = func(context.Context, Client, []byte, Arrival) { panic("response") }
		c.OnStatus = func(context.Context, Client, []byte) error { panic("status") }
		given := c.Authenticate
		c.Authenticate = func(ctx context.Context, nodeID string, password []byte) (int32, uint32, error) {
			if nodeID == "node_p" {
				panic("login")
			}
			return given(ctx, nodeID, password)
		}
	})
	other := r.node("node_b")
	next(t, r.connected)
	panics := 0
	for _, channel := range []wire.Channel{wire.ChannelMetrics, wire.ChannelResponse, wire.ChannelStatus} {
		c := r.node("node_a")
		if err := r.wait(c.Publish(topic("node_a", channel), 1, true, "m")); err == nil {
			t.Errorf("%s: acknowledged although its function panicked", channel)
		}
		next(t, r.disconnected)
		panics++
		want(t, "panics counted", counterValue(t, r.count.panics), float64(panics))
	}
	if _, err := r.dial(r.options("node_p")); err == nil {
		t.Error("logged in although Authenticate panicked")
	}
	want(t, "the other node", other.IsConnectionOpen(), true)
	want(t, "subscribe", r.wait(other.Subscribe(topic("node_b", wire.ChannelConfig), 1, nil)), nil)
}

func TestForeignTopicsAreRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		topic string
		qos   byte
	}{
		{"another node's metrics", topic("node_b", wire.ChannelMetrics), 1},
		{"another node's metrics at QoS 0", topic("node_b", wire.ChannelMetrics), 0},
		{"its own challenge", topic("node_a", wire.ChannelChallenge), 1},
		{"an unknown channel", "lucid/v1/nodes/node_a/other", 1},
		{"outside", "homeassistant/x", 0},
		{"the server's own", "$SYS/broker/version", 1},
		{"nothing after its id", "lucid/v1/nodes/node_a", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, nil)
			b := r.node("node_b")
			next(t, r.connected)
			a := r.node("node_a")
			next(t, r.connected)
			a.Publish(c.topic, c.qos, false, "x")
			next(t, r.disconnected)
			want(t, "counted", r.refused("publish_topic"), 1)
			want(t, "others connected", b.IsConnectionOpen(), true)
			want(t, "taken", len(r.metrics), 0)
		})
	}
}

func TestQoSMustBe1(t *testing.T) {
	for _, qos := range []byte{0, 2} {
		r := start(t, nil)
		r.node("node_a").Publish(topic("node_a", wire.ChannelMetrics), qos, false, "x")
		next(t, r.disconnected)
		want(t, "counted", r.refused("publish_qos"), 1)
		want(t, "taken", len(r.metrics), 0)
	}
}

func TestSubscriptions(t *testing.T) {
	r := start(t, nil)
	c := r.node("node_a")
	refused := 0.0
	for _, filter := range []string{"#", "+/+", "lucid/v1/nodes/+/poot/challenge", "lucid/v1/nodes/node_a/#",
		topic("node_b", wire.ChannelChallenge), topic("node_a", wire.ChannelMetrics), "$SYS/#",
		"$share/x/" + topic("node_a", wire.ChannelChallenge), topic("node_b", wire.ChannelMetricsAck)} {
		token := c.Subscribe(filter, 1, nil)
		_ = r.wait(token)
		for _, code := range token.(*paho.SubscribeToken).Result() {
			want(t, filter, code, 0x80)
		}
		refused++
		want(t, "counted", r.refused("subscribe_topic"), refused)
	}
	// A refusal tells a node that this broker's acknowledgement is the commit.
	acks := topic("node_a", wire.ChannelMetricsAck)
	token := c.Subscribe(acks, 1, nil)
	_ = r.wait(token)
	want(t, acks, token.(*paho.SubscribeToken).Result()[acks], 0x80)
	want(t, "counted", r.refused("subscribe_topic"), refused)
	want(t, "still connected", c.IsConnectionOpen(), true)
	heard := make(chan string, 10)
	for _, channel := range []wire.Channel{wire.ChannelChallenge, wire.ChannelVerdict, wire.ChannelCommand, wire.ChannelConfig} {
		want(t, "subscribe", r.wait(c.Subscribe(topic("node_a", channel), 1, func(_ paho.Client, m paho.Message) {
			heard <- fmt.Sprintf("%s qos %d", m.Payload(), m.Qos())
		})), nil)
		for _, qos := range []byte{0, 1} {
			want(t, "publish", r.Publish(topic("node_a", channel), []byte(channel), qos, false), nil)
			want(t, "publish to another", r.Publish(topic("node_b", channel), []byte("other"), qos, false), nil)
			want(t, "heard", next(t, heard), fmt.Sprintf("%s qos %d", channel, qos))
		}
	}
}

func TestOtherChannels(t *testing.T) {
	calls := make(chan string, 10)
	result := func(name string) func(context.Context, Client, []byte) error {
		return func(_ context.Context, c Client, payload []byte) error {
			calls <- name + " " + string(payload)
			if string(payload) == "ignore" {
				return fmt.Errorf("malformed: %w", ErrIgnore)
			}
			return nil
		}
	}
	received := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := start(t, func(c *Config) {
		c.OnStatus, c.OnInfo, c.OnCommandResult = result("status"), result("info"), result("result")
		c.OnResponse = func(_ context.Context, _ Client, payload []byte, a Arrival) {
			calls <- "response " + string(payload) + " " + a.At.Format(time.RFC3339)
		}
		c.Now = func() time.Time { return received }
	})
	c := r.node("node_a")
	for _, step := range []struct {
		channel wire.Channel
		payload string
		retain  bool
		call    string
		kept    string
	}{
		{wire.ChannelStatus, "ignore", true, "status ignore", ""},
		{wire.ChannelStatus, "s", false, "status s", "s"}, // the broker sees to it
		{wire.ChannelInfo, "i", true, "info i", "i"},
		{wire.ChannelCommandResult, "r", true, "result r", ""},
		{wire.ChannelResponse, "p", true, "response p 2026-01-02T03:04:05Z", ""},
	} {
		want(t, "acknowledged", r.wait(c.Publish(topic("node_a", step.channel), 1, step.retain, step.payload)), nil)
		want(t, "call", next(t, calls), step.call)
		want(t, step.call+" retained", r.kept(topic("node_a", step.channel)), step.kept)
	}
}

func TestRetainedMessageIsKept(t *testing.T) {
	r := start(t, nil)
	name := topic("node_a", wire.ChannelConfig)
	want(t, "publish", r.Publish(name, []byte("c"), 1, true), nil)
	heard := make(chan string, 1)
	want(t, "subscribe", r.wait(r.node("node_a").Subscribe(name, 1,
		func(_ paho.Client, m paho.Message) { heard <- string(m.Payload()) })), nil)
	want(t, "heard", next(t, heard), "c")
}

func TestACLAllocatesNothing(t *testing.T) {
	h, cl, topics := aclRig(t)
	for _, name := range topics {
		if n := testing.AllocsPerRun(100, func() { h.OnACLCheck(cl, name, true) }); n != 0 {
			t.Errorf("OnACLCheck(%s) allocates %v times", name, n)
		}
	}
}
