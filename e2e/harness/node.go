package harness

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// Node is an enrolled machine of the test's own: it decides itself what it
// sends. Its run lasts as long as the value.
type Node struct {
	ID     string
	Run    wire.RunID
	Keys   proof.Keys
	device ed25519.PrivateKey
	broker string
	caPEM  string
	bootID [16]byte
	booted time.Time

	mu    sync.Mutex
	acked uint64   // sequence number of the last acknowledged message
	chain [32]byte // running hash after it
}

func newNode(d *Device, resp *wire.EnrollResponse, keys proof.Keys) *Node {
	n := &Node{
		ID: resp.NodeID, Run: wire.NewRunID(), Keys: keys, device: d.Signing,
		broker: resp.MQTT[0], caPEM: resp.CAPEM, booted: time.Now(),
	}
	_, _ = rand.Read(n.bootID[:])
	return n
}

// Session is one connection of a node.
type Session struct {
	node   *Node
	client mqtt.Client
	lost   chan error // one error when the connection ends by itself
}

// Connect logs in over TLS.
func (n *Node) Connect(ctx context.Context) (*Session, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(n.caPEM)) {
		return nil, errors.New("the enrolment's CA is no certificate")
	}
	s := &Session{node: n, lost: make(chan error, 1)}
	// paho reports a loss truthfully only without AutoReconnect and with a
	// clean session; a client value serves one connection.
	options := mqtt.NewClientOptions().AddBroker("ssl://" + n.broker).SetClientID(n.ID).SetUsername(n.ID).
		SetPassword(n.Keys.MQTTPassword).SetCleanSession(true).SetAutoReconnect(false).SetProtocolVersion(4).
		SetTLSConfig(&tls.Config{RootCAs: roots}).SetConnectTimeout(30 * time.Second).SetWriteTimeout(30 * time.Second).
		SetOrderMatters(false).SetConnectionLostHandler(func(_ mqtt.Client, err error) { s.lost <- err })
	s.client = mqtt.NewClient(options)
	if err := await(ctx, s.client.Connect()); err != nil {
		return nil, fmt.Errorf("%s connects to %s: %w", n.ID, n.broker, err)
	}
	return s, nil
}

// Close ends the connection politely.
func (s *Session) Close() { s.client.Disconnect(100) }

// Lost delivers the reason once the connection has ended by itself.
func (s *Session) Lost() <-chan error { return s.lost }

// Publish sends to a topic at QoS 1 and waits for the acknowledgement.
func (s *Session) Publish(ctx context.Context, topic string, payload []byte) error {
	return await(ctx, s.client.Publish(topic, 1, false, payload))
}

// Send publishes a metrics message; nil means that it was acknowledged.
func (s *Session) Send(ctx context.Context, m Message) error {
	if err := s.Publish(ctx, wire.Topic(s.node.ID, wire.ChannelMetrics), m.Bytes); err != nil {
		return err
	}
	s.node.mu.Lock()
	defer s.node.mu.Unlock()
	s.node.acked, s.node.chain = m.Seq, proof.ChainNext(s.node.chain, m.Bytes)
	return nil
}

func await(ctx context.Context, token mqtt.Token) error {
	select {
	case <-token.Done():
		return token.Error()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Prove answers every challenge honestly until the session ends. A failure is
// delivered to failed, which must not block.
func (s *Session) Prove(ctx context.Context, failed func(error)) error {
	return s.Challenged(ctx, func(challenge []byte) {
		if err := s.Answer(ctx, challenge); err != nil {
			failed(err)
		}
	})
}

// Challenged hands each challenge on, for Answer, until the session ends.
func (s *Session) Challenged(ctx context.Context, asked func(challenge []byte)) error {
	topic := wire.Topic(s.node.ID, wire.ChannelChallenge)
	return await(ctx, s.client.Subscribe(topic, 0, func(_ mqtt.Client, m mqtt.Message) { asked(m.Payload()) }))
}

// Answer answers a challenge honestly; nil means that the broker has the answer.
func (s *Session) Answer(ctx context.Context, challenge []byte) error {
	answer, err := s.node.answer(ctx, challenge)
	if err != nil {
		return err
	}
	return s.Publish(ctx, wire.Topic(s.node.ID, wire.ChannelResponse), answer)
}

// Online tells the status of a running agent, which a broker that is not the
// coordinator's own needs.
func (s *Session) Online(ctx context.Context) error {
	status, err := json.Marshal(wire.Status{
		V: wire.ProtocolVersion, Run: s.node.Run, Connection: 1, Online: true, State: wire.StateRunning, BootID: "boot", AgentVersion: "1.0.0",
	})
	if err != nil {
		return err
	}
	return await(ctx, s.client.Publish(wire.Topic(s.node.ID, wire.ChannelStatus), 1, true, status))
}

func (n *Node) answer(ctx context.Context, payload []byte) ([]byte, error) {
	var envelope wire.Challenge
	if err := json.Unmarshal(payload, &envelope); err != nil {
		return nil, err
	}
	c, err := proof.DecodeChallenge(envelope.Bytes, n.Keys.Challenge)
	if err != nil {
		return nil, err
	}
	solutions, err := c.Solve(ctx)
	if err != nil {
		return nil, err
	}
	r := proof.Response{
		ChallengeID: c.ID, ChallengeHash: proof.HashChallenge(envelope.Bytes), Solutions: solutions,
		BootID: n.bootID, BootTimeMs: uint64(time.Since(n.booted).Milliseconds()), Run: n.Run,
	}
	n.mu.Lock()
	r.Seq, r.Chain = n.acked, n.chain
	n.mu.Unlock()
	return json.Marshal(wire.Response{
		V: wire.ProtocolVersion, ChallengeID: envelope.ChallengeID, Bytes: r.Encode(n.Keys.Response, n.device),
	})
}
