package coordinator

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

const (
	patience  = time.Minute      // bounds waits that end by themselves when all is well
	wholeLife = 10 * time.Minute // bounds all of a test, a stream that it reads to its end too
)

// life is a whole coordinator, an admin's key, and the stream of node events.
type life struct {
	*Coordinator
	t      *testing.T
	key    string
	events *bufio.Scanner
}

func newLife(t *testing.T) *life { return newLifeTelling(t, slog.DiscardHandler) }

func newLifeTelling(t *testing.T, log slog.Handler) *life {
	t.Helper()
	owner := dbtest.URL(t)
	config, _, err := Load(ProfileDev, "", nil, []Override{
		{Key: "data_dir", Value: t.TempDir()}, {Key: "database.url", Value: dbtest.ProgramURL(t, owner)}, {Key: "database.owner_url", Value: owner}, {Key: "api.port", Value: "0"},
		{Key: "mqtt.addr", Value: "127.0.0.1:0"}, {Key: "node.command_timeout", Value: "1s"},
	})
	l := &life{t: t}
	l.must(err)
	f, err := OpenFoundation(t.Context(), config, slog.New(log))
	l.must(err)
	t.Cleanup(f.Close)
	l.Coordinator, err = New(f, Options{Version: "test"})
	l.must(err)
	_, l.key, err = f.CreateKey(t.Context(), KeyRequest{Name: "test-admin", Role: "admin"})
	l.must(err)
	ctx, stop := context.WithTimeout(context.Background(), wholeLife)
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-l.Serving()
	answer := l.send(http.MethodGet, "/events?kind=node", "")
	t.Cleanup(func() { _ = answer.Body.Close() })
	l.events = bufio.NewScanner(answer.Body)
	return l
}

func (l *life) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *life) send(method, path, body string) *http.Response {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wholeLife)
	l.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, "http://"+l.listener.Addr().String()+"/api/v1"+path, strings.NewReader(body))
	l.must(err)
	r.Header.Set("Authorization", "Bearer "+l.key)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	l.must(err)
	return answer
}

func (l *life) call(method, path, body string, want int, into any) {
	l.t.Helper()
	answer := l.send(method, path, body)
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	l.must(err)
	if answer.StatusCode != want {
		l.t.Fatalf("%s %s: %d %s, want %d", method, path, answer.StatusCode, content, want)
	}
	if into != nil {
		l.must(json.Unmarshal(content, into))
	}
}

// device does what an agent does: it proves itself and obeys, unless it is
// deaf to commands.
type device struct {
	*life
	id    string
	root  proof.Key // of the keys
	keys  proof.Keys
	sign  ed25519.PrivateKey
	ca    *x509.CertPool
	run   wire.RunID
	count uint32
	deaf  atomic.Bool
	other func(paho.Client, *wire.Command) // takes what is neither start nor stop
	door  net.Addr                         // of the broker
	alive time.Duration                    // keepalive that it promises
	mute  atomic.Bool                      // what it sends gets lost, its keepalive too

	client paho.Client
	conn   net.Conn
	lost   chan error
}

func (l *life) enrol(token string) *device {
	l.t.Helper()
	exchange, err := ecdh.X25519().GenerateKey(rand.Reader)
	l.must(err)
	_, sign, err := ed25519.GenerateKey(rand.Reader)
	l.must(err)
	r := &wire.EnrollRequest{
		V: wire.ProtocolVersion, Token: token, X25519Public: exchange.PublicKey().Bytes(),
		DevicePublic: sign.Public().(ed25519.PublicKey), Inventory: []byte(`{"hostname":"pi"}`),
	}
	r.Signature = ed25519.Sign(sign, proof.EnrollRequestTranscript(r))
	body, err := json.Marshal(r)
	l.must(err)
	var identity wire.EnrollResponse
	l.call(http.MethodPost, "/enroll", string(body), http.StatusOK, &identity)
	root, err := proof.RootFrom(exchange, identity.X25519Public, token, proof.EnrollTranscript(r, &identity))
	l.must(err)
	d := &device{life: l, id: identity.NodeID, root: root, keys: root.Derive(), sign: sign, ca: x509.NewCertPool(), run: wire.NewRunID(), door: l.broker.Addr(), alive: 30 * time.Second}
	d.ca.AppendCertsFromPEM([]byte(identity.CAPEM))
	return d
}

// dial logs in; the will is the node's own status.
func (d *device) dial() error {
	d.count++
	lost := make(chan error, 1)
	d.lost = lost
	options := paho.NewClientOptions().AddBroker("tcp://broker").SetClientID(d.id).SetUsername(d.id).SetPassword(d.keys.MQTTPassword).
		SetCleanSession(true).SetAutoReconnect(false).SetProtocolVersion(4).SetOrderMatters(false).SetConnectTimeout(10*time.Second).SetKeepAlive(d.alive).
		SetBinaryWill(wire.Topic(d.id, wire.ChannelStatus), d.status(false), 1, true).
		SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err }).
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
			conn, err := tls.Dial("tcp", d.door.String(), &tls.Config{RootCAs: d.ca, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13})
			d.conn = conn
			return lossy{conn, &d.mute}, err
		})
	d.client = paho.NewClient(options)
	return done(d.client.Connect())
}

func (d *device) connect() {
	d.t.Helper()
	d.must(d.dial())
	d.begin()
}

// begin is the work of a device once it is logged in.
func (d *device) begin() {
	d.t.Helper()
	client := d.client
	d.t.Cleanup(func() { client.Disconnect(0) })
	d.must(done(client.Subscribe(wire.Topic(d.id, wire.ChannelCommand), 1, d.obey)))
	d.must(done(client.Subscribe(wire.Topic(d.id, wire.ChannelChallenge), 0, d.prove)))
	d.must(done(client.Publish(wire.Topic(d.id, wire.ChannelStatus), 1, true, d.status(true))))
}

// lossy loses what is written while lost is set.
type lossy struct {
	net.Conn
	lost *atomic.Bool
}

func (c lossy) Write(b []byte) (int, error) {
	if c.lost.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// cut ends the connection as a power cut does, without a word.
func (d *device) cut() {
	d.t.Helper()
	d.must(d.conn.Close())
}

func done(token paho.Token) error {
	if !token.WaitTimeout(patience) {
		return fmt.Errorf("the broker has not answered within %s", patience)
	}
	return token.Error()
}

func (d *device) status(on bool) []byte {
	return d.encode(wire.Status{
		V: wire.ProtocolVersion, Online: on, Run: d.run, Connection: d.count, BootID: "boot", AgentVersion: "test", State: wire.StateRunning,
	})
}

func (d *device) encode(v any) []byte {
	payload, err := json.Marshal(v)
	if err != nil {
		d.t.Error(err)
	}
	return payload
}

func (d *device) obey(client paho.Client, m paho.Message) {
	c, err := wire.DecodeCommand(m.Payload())
	if err != nil || !proof.VerifyCommand(d.keys.Command, d.id, c) {
		d.t.Errorf("command %s: %v", m.Payload(), err)
		return
	}
	if d.other != nil && (c.Kind == wire.CommandRotateKey || c.Kind == wire.CommandMove) {
		d.other(client, c)
		return
	}
	if !d.deaf.Load() {
		client.Publish(wire.Topic(d.id, wire.ChannelCommandResult), 1, false,
			d.encode(wire.CommandResult{V: wire.ProtocolVersion, CommandID: c.CommandID, Result: wire.CommandDone}))
	}
}

func (d *device) prove(client paho.Client, m paho.Message) {
	var message wire.Challenge
	err := json.Unmarshal(m.Payload(), &message)
	asked, decodeErr := proof.DecodeChallenge(message.Bytes, d.keys.Challenge)
	if err != nil || decodeErr != nil {
		d.t.Errorf("challenge: %v, %v", err, decodeErr)
		return
	}
	solutions, err := asked.Solve(context.Background())
	if err != nil {
		d.t.Errorf("challenge: %v", err)
		return
	}
	r := proof.Response{ChallengeID: asked.ID, ChallengeHash: proof.HashChallenge(message.Bytes), Solutions: solutions, BootID: [16]byte{1}, Run: d.run}
	client.Publish(wire.Topic(d.id, wire.ChannelResponse), 1, false, d.encode(wire.Response{
		V: wire.ProtocolVersion, ChallengeID: message.ChallengeID, Bytes: r.Encode(d.keys.Response, d.sign),
	}))
}
