package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"syscall"

	mqtt "github.com/mochi-mqtt/server/v2"

	"lucid.internal/coordinator/internal/limit"
	"lucid.internal/shared/wire"
)

// Broker is one MQTT server. Make it with New, start it once, close it once.
type Broker struct {
	cfg       Config
	server    *mqtt.Server
	sessions  registry
	readers   readerRegistry
	retained  retained
	listeners []*listener
	count     *counters
	gate      *gate
	desk      *desk
	refusals  *limit.Limiter[struct{}] // that the log told of
	ctx       context.Context          // of every given function; ends when Close gives up waiting
	cancel    context.CancelFunc
	connNo    atomic.Uint64
	started   atomic.Bool
	closing   atomic.Bool
}

// New checks the configuration; nothing listens yet.
func New(cfg Config) (*Broker, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	count, err := newCounters(cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	b := &Broker{cfg: cfg, count: count, gate: newGate(&cfg), desk: newDesk(cfg.Calls), refusals: limit.New[struct{}](1), server: mqtt.New(options())}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.sessions.current = make(map[string]*session)
	b.readers.all = make(map[*session]struct{})
	b.retained.of, b.retained.forgotten = make(map[string]*message), make(map[string]struct{})
	if err := b.server.AddHook(&hook{broker: b}, nil); err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	return b, nil
}

// options are the server's limits. It is never started: it reads and checks
// packets and answers some; accepting, subscriptions and what is retained are
// ours. Its own log is silenced: it prints whole packets of strangers; what
// matters is counted and logged here.
func options() *mqtt.Options {
	limits := mqtt.NewDefaultServerCapabilities()
	limits.MaximumClientWritesPending = 0 // outbox.go
	limits.MaximumPacketSize = maxPacketBytes
	limits.MaximumQos = 1
	limits.TopicAliasMaximum = 0            // the access check runs before an alias is resolved
	limits.MinimumProtocolVersion = 4       // MQTT 3.1.1
	limits.MaximumSessionExpiryInterval = 0 // clean sessions only
	return &mqtt.Options{
		Capabilities: limits,
		Logger:       slog.New(slog.DiscardHandler),
		// A connection reads ahead itself (input.go): more would only be memory
		// that each holds.
		ClientNetReadBufferSize: 64,
	}
}

// Start opens the listeners and serves. An address that cannot be had is one
// clear error, and nothing is left open.
func (b *Broker) Start() error {
	if err := b.listen("tls", b.cfg.Addr, b.cfg.TLS); err != nil {
		return err
	}
	if err := b.listen("plain", b.cfg.PlainAddr, nil); err != nil {
		b.closeListeners()
		return err
	}
	for _, l := range b.listeners {
		l.serve()
	}
	b.started.Store(true)
	b.warnOfFewFiles()
	return nil
}

func (b *Broker) listen(id, address string, config *tls.Config) error {
	if address == "" {
		return nil
	}
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("MQTT address %s is taken by another program: stop it or choose another address", address)
	}
	if err != nil {
		return fmt.Errorf("MQTT cannot listen on %s: %w", address, err)
	}
	b.listeners = append(b.listeners, newListener(id, l, config, b))
	return nil
}

func (b *Broker) closeListeners() {
	for _, l := range b.listeners {
		l.close()
	}
}

// Addr is where the first listener (TLS when there is one) really listens; nil
// before Start.
func (b *Broker) Addr() net.Addr { return b.addr(0) }

// PlainAddr is where the plain listener really listens; nil without one.
func (b *Broker) PlainAddr() net.Addr {
	if b.cfg.PlainAddr == "" {
		return nil
	}
	return b.addr(len(b.listeners) - 1)
}

func (b *Broker) addr(i int) net.Addr {
	if i < 0 || i >= len(b.listeners) {
		return nil
	}
	return b.listeners[i].inner.Addr()
}

// Ready reports why connections would not be accepted, nil when they are.
func (b *Broker) Ready() error {
	switch {
	case b.closing.Load():
		return errors.New("MQTT broker is closing")
	case !b.started.Load():
		return errors.New("MQTT broker is not started")
	}
	for _, l := range b.listeners {
		if err := l.failure.Load(); err != nil {
			return fmt.Errorf("MQTT broker cannot accept connections: %w", *err)
		}
	}
	return nil
}

// Publish sends a message to whoever subscribed and, with retain, keeps it for
// those who will. The payload must not change afterwards; qos is 0 or 1. It never
// waits: a subscriber with too many messages pending loses it, and one that
// stopped reading is closed after WriteTimeout. Nil does not mean that anybody
// was there.
func (b *Broker) Publish(topic string, payload []byte, qos byte, retain bool) error {
	if err := b.Ready(); err != nil {
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	b.publish(&message{topic, payload, qos, retain})
	return nil
}

// publish: what is for a node nobody else may read.
func (b *Broker) publish(m *message) {
	nodeID, channel, ok := wire.ParseTopic(m.topic)
	if m.retain && !b.retained.keep(nodeID, m) {
		return
	}
	if !ok || !channel.ToNode() {
		b.readers.send(m)
	} else if s := b.sessions.get(nodeID); s != nil {
		s.outbox.send(m)
	}
	if m.retain && len(m.payload) > 0 && b.retained.forgets(nodeID) { // meanwhile
		b.readers.send(&message{m.topic, nil, 1, true})
	}
}

// Disconnect closes the node's connection, if it has one. The node may come
// back at once; whether it may log in is for Authenticate to say.
func (b *Broker) Disconnect(nodeID, reason string) {
	if s := b.sessions.get(nodeID); s != nil {
		s.mqtt.Stop(errors.New(reason))
	}
}

// Forget takes back what is retained of a node that is deleted: an empty message
// tells who reads it. Nothing of it is retained from then on, since the will of
// its last connection may come later than this.
func (b *Broker) Forget(nodeID string) error {
	b.retained.forget(nodeID)
	for _, topic := range wire.RetainedTopics(nodeID) {
		b.readers.send(&message{topic, nil, 1, true})
	}
	return nil
}

// Close stops accepting, closes every connection and waits until the given
// functions returned, but no longer than ctx: then their own context ends too
// and the error says so.
func (b *Broker) Close(ctx context.Context) error {
	if b.closing.Swap(true) {
		return nil
	}
	defer b.cancel()
	b.closeListeners()
	if !b.started.Load() {
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, l := range b.listeners {
			l.wait()
		}
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("MQTT broker still had connections at work when closing: %w", ctx.Err())
	}
}

// statusTopic is the only topic that a will may have.
func statusTopic(nodeID string) string { return wire.Topic(nodeID, wire.ChannelStatus) }
