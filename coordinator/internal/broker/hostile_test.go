package broker

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lucid.internal/shared/wire"
)

func counterValue(t *testing.T, c prometheus.Collector) float64 {
	t.Helper()
	return testutil.ToFloat64(c)
}

// stranger opens TLS and says nothing yet.
func (r *rig) stranger() net.Conn {
	r.t.Helper()
	c, err := tls.Dial("tcp", r.Addr().String(), &tls.Config{RootCAs: r.roots, MinVersion: tls.VersionTLS13})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// wantClosed reads until the broker closes.
func wantClosed(t *testing.T, c net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("the broker did not close the connection")
	}
}

func TestStrangers(t *testing.T) {
	connect := []byte("\x10\x14\x00\x04MQTT\x04\x02\x00\x3c\x00\x08node_abc")
	for name, sent := range map[string][]byte{
		"oversized packet":            {0x10, 0xff, 0xff, 0xff, 0x7f},
		"just over the limit":         {0x10, 0x80, 0x80, 0x0a}, // 163,840 and the header
		"length of five bytes":        {0x10, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"publish before CONNECT":      []byte("\x30\x05\x00\x01abc"),
		"reserved type":               {0x00, 0x00},
		"HTTP":                        []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
		"CONNECT cut short":           append([]byte{0x10, 0x05}, connect[2:7]...),
		"CONNECT without a user name": connect,
		"CONNECT with a bad will":     []byte("\x10\x16\x00\x04MQTT\x04\x06\x00\x3c\x00\x06node_a\xff\xff\x00\x00"),
		"CONNECT of MQTT 3.1":         []byte("\x10\x14\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x06node_a"),
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, nil)
			other := r.node("node_b")
			next(t, r.connected)
			c := r.stranger()
			if _, err := c.Write(sent); err != nil {
				t.Fatal(err)
			}
			wantClosed(t, c)
			want(t, "the other node", other.IsConnectionOpen(), true)
			want(t, "further logins", len(r.connected), 0)
		})
	}
}

func TestOversizedPacketAllocatesLittle(t *testing.T) {
	r := start(t, nil)
	c := r.stranger()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := c.Write([]byte{0x10, 0xff, 0xff, 0xff, 0x7f}); err != nil { // says: 256 MiB follow
		t.Fatal(err)
	}
	wantClosed(t, c)
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8*maxPacketBytes {
		t.Errorf("five bytes of a stranger made the broker allocate %d bytes", grown)
	}
}

func TestOversizedMessageOfANode(t *testing.T) {
	r := start(t, nil)
	c := r.node("node_a")
	want(t, "largest message", r.wait(c.Publish(topic("node_a", wire.ChannelMetrics), 1, false,
		bytes.Repeat([]byte("x"), wire.MaxMessageBytes))), nil)
	c.Publish(topic("node_a", wire.ChannelMetrics), 1, false, bytes.Repeat([]byte("x"), maxPacketBytes))
	next(t, r.disconnected)
	want(t, "messages taken", len(r.metrics), 1)
}

// A client that opens a connection and says nothing, or begins and stops, is
// cut without anything being sent to it.
func TestSlowLorisIsCut(t *testing.T) {
	r := start(t, func(c *Config) { c.ConnectTimeout = 50 * time.Millisecond; c.PlainAddr = "127.0.0.1:0" })
	for name, sent := range map[string]string{"nothing": "", "half a TLS hello": "\x16\x03\x01\x02\x00\x01"} {
		c, err := net.Dial("tcp", r.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Write([]byte(sent)); err != nil {
			t.Fatal(name, err)
		}
		wantClosed(t, c)
	}
	c, err := net.Dial("tcp", r.PlainAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte("\x10\x20\x00\x04MQ")); err != nil { // half a CONNECT
		t.Fatal(err)
	}
	wantClosed(t, c)
}

// deadlineConn tells which read deadlines it is given.
type deadlineConn struct {
	net.Conn
	read chan time.Time
}

func (c *deadlineConn) SetReadDeadline(t time.Time) error {
	c.read <- t
	return c.Conn.SetReadDeadline(t)
}

// After CONNECT the deadline of the login no longer holds, but half as much
// again as the keep-alive, which is 60 s here.
func TestKeepAliveFollowsTheLogin(t *testing.T) {
	r := start(t, func(c *Config) { c.PlainAddr = "127.0.0.1:0" })
	server, client := net.Pipe()
	defer client.Close()
	raw := &deadlineConn{Conn: server, read: make(chan time.Time, 100)}
	r.listeners[1].start(raw)
	_ = client.SetDeadline(time.Now().Add(patience))
	if _, err := client.Write([]byte(loginOfNodeA)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(client, make([]byte, 4)); err != nil { // CONNACK
		t.Fatal(err)
	}
	next(t, r.connected)
	if left := time.Until(next(t, raw.read)); left < 90*time.Second-patience || left > 90*time.Second {
		t.Errorf("after the login a silent client is cut in %s, want 90 s", left)
	}
}

const loginOfNodeA = "\x10\x22\x00\x04MQTT\x04\xc2\x00\x3c\x00\x06node_a\x00\x06node_a\x00\x06secret"

// A subscriber that stopped reading is closed within the write limit, and
// holds nobody up for longer.
func TestStuckSubscriberIsClosed(t *testing.T) {
	r := start(t, func(c *Config) { c.WriteTimeout = 100 * time.Millisecond; c.PlainAddr = "127.0.0.1:0" })
	c, err := net.Dial("tcp", r.PlainAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	name := topic("node_a", wire.ChannelCommand)
	subscribe := append([]byte{0x82, byte(len(name) + 5), 0, 1, 0, byte(len(name))}, name...)
	if _, err := c.Write(append([]byte(loginOfNodeA), append(subscribe, 1)...)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 4+5)); err != nil { // CONNACK and SUBACK, and then no more
		t.Fatal(err)
	}
	payload := make([]byte, 100_000)
	for end := time.Now().Add(patience); len(r.disconnected) == 0 && time.Now().Before(end); {
		if err := r.Publish(name, payload, 1, false); err != nil {
			t.Fatal(err)
		}
	}
	next(t, r.disconnected)
}

func aclRig(t testing.TB) (*hook, *mqtt.Client, []string) {
	b, err := New(Config{PlainAddr: "127.0.0.1:0", Authenticate: nobody, OnMetrics: nothing})
	if err != nil {
		t.Fatal(err)
	}
	server, client := net.Pipe()
	t.Cleanup(func() { _, _ = server.Close(), client.Close() })
	c := newConn(server, nil, time.Second)
	c.session.Store(&session{client: Client{NodeID: "node_a"}})
	cl := b.server.NewClient(c, "tls", "node_a#1", false)
	return &hook{broker: b}, cl, []string{topic("node_a", wire.ChannelMetrics), topic("node_a", wire.ChannelChallenge)}
}

func BenchmarkACL(b *testing.B) {
	h, cl, topics := aclRig(b)
	b.ReportAllocs()
	for b.Loop() {
		if !h.OnACLCheck(cl, topics[0], true) || h.OnACLCheck(cl, topics[1], true) {
			b.Fatal("refused")
		}
	}
}

func FuzzCheckConnect(f *testing.F) {
	f.Add("node_a", "node_a", true, "lucid/v1/nodes/node_a/status", byte(1), true)
	f.Add("node_a", "node_b", false, "", byte(0), false)
	f.Fuzz(func(t *testing.T, id, user string, will bool, willTopic string, qos byte, retain bool) {
		r := checkConnect(&packets.ConnectParams{ClientIdentifier: id, Username: []byte(user), WillFlag: will,
			WillTopic: willTopic, WillQos: qos, WillRetain: retain})
		good := wire.ValidNodeID(id) && id == user &&
			(!will || (willTopic == "lucid/v1/nodes/"+id+"/status" && qos == 1 && retain))
		if (r == nil) != good {
			t.Errorf("refusal %v, want acceptance %t", r, good)
		}
	})
}

func FuzzAccess(f *testing.F) {
	f.Add("lucid/v1/nodes/node_a/metrics")
	f.Add("lucid/v1/nodes/node_a/poot/challenge")
	f.Add("lucid/v1/nodes/+/metrics")
	f.Fuzz(func(t *testing.T, name string) {
		const own = "lucid/v1/nodes/node_a/"
		publish := map[string]bool{own + "status": true, own + "info": true, own + "metrics": true,
			own + "poot/response": true, own + "command/result": true}
		read := map[string]bool{own + "poot/challenge": true, own + "poot/verdict": true, own + "command": true, own + "config": true}
		if mayPublish("node_a", name) != publish[name] || maySubscribe("node_a", name) != read[name] {
			t.Errorf("%q: publish %t, subscribe %t", name, mayPublish("node_a", name), maySubscribe("node_a", name))
		}
	})
}
