package coordinator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"lucid.internal/coordinator/internal/broker"
	"lucid.internal/coordinator/internal/bus"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/job"
	"lucid.internal/coordinator/internal/sample"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// brokerUser is who coordinators are at a broker that is not their own.
const brokerUser = "lucid-coordinator"

const (
	remoteInterval = time.Second // after the leader's reading ended
	metricsLanes   = 512         // messages that wait for their commit at once
	leaderLanes    = 32
	// knownTime is how long a node's number and key are believed: a node that is
	// deleted is heard no longer than this.
	knownTime = 30 * time.Second
	maxKnown  = 200_000
)

// remote is this coordinator's place at a broker that it shares with others.
// Metrics are shared out among all; what has an order (presence, answers,
// results of commands) is read by the leader alone.
type remote struct {
	*bus.Bus
	c    *Coordinator
	echo echo

	mu       sync.Mutex
	sessions map[string]remoteSession // by node; of the leader
	known    map[string]knownNode
}

// remoteSession is a connection of a node, as its own status names it.
type remoteSession struct {
	client     broker.Client
	run        wire.RunID
	connection uint32
}

type knownNode struct {
	no    int32
	key   proof.Key
	until time.Time
}

func newRemote(c *Coordinator) *remote {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.Authority.CAPEM()))
	m := c.Config.MQTT
	return &remote{
		c: c, echo: echo{now: c.now}, sessions: make(map[string]remoteSession), known: make(map[string]knownNode),
		Bus: bus.New(bus.Config{
			URL: m.BrokerURL, User: brokerUser, Password: string(m.BrokerPassword),
			TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, Logger: c.Log,
		}),
	}
}

// Start has nothing to open: run connects, and again when it has to.
func (r *remote) Start() error { return nil }

// Addr is nil: nothing listens here.
func (r *remote) Addr() net.Addr { return nil }

// Close has nothing to wait for: run ends with the background.
func (r *remote) Close(context.Context) error { return nil }

// Disconnect cannot be asked of another's broker. The node's messages are
// refused once its number is no longer known, and it counts as gone.
func (r *remote) Disconnect(nodeID, reason string) {
	r.mu.Lock()
	s, live := r.sessions[nodeID]
	delete(r.sessions, nodeID)
	delete(r.known, nodeID)
	r.mu.Unlock()
	if live {
		r.c.onDisconnect(s.client, reason)
	}
	r.c.Log.Info("node is to be disconnected: give its broker new passwords (broker mosquitto-config)", "node_id", nodeID, "reason", reason)
}

// Forget takes back what is retained of a deleted node.
func (r *remote) Forget(nodeID string) error {
	r.mu.Lock()
	delete(r.known, nodeID)
	r.mu.Unlock()
	var errs []error
	for _, topic := range wire.RetainedTopics(nodeID) {
		errs = append(errs, r.Publish(topic, nil, 1, true))
	}
	return errors.Join(errs...)
}

// run publishes and takes its share of the metrics until ctx ends.
func (r *remote) run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { r.Bus.Run(ctx) })
	slots := job.NewSlots(job.NewLease(job.LeaseConfig{Pool: r.c.DB, Logger: r.c.Log}))
	running.Go(func() {
		slots.Run(ctx,
			func(ctx context.Context, slot int32) { r.Consume(ctx, r.metrics(slot)) },
			func(ctx context.Context, slot int32) error { return r.Drain(ctx, r.metrics(slot)) })
	})
	running.Wait()
}

// metrics is the session that holds a slot's share of the metrics.
func (r *remote) metrics(slot int32) bus.Subscription {
	return bus.Subscription{
		ClientID: fmt.Sprintf("lucid-metrics-%d", slot), Filters: []string{"$share/lucid/" + wire.Topic("+", wire.ChannelMetrics)},
		Lanes: metricsLanes, Handle: r.takeMetrics,
	}
}

// lead reads what only the leader reads. Called again after the lease was away,
// it goes on with the sessions that it knew: had another coordinator led in
// between, this one would end.
func (r *remote) lead(ctx context.Context) error {
	s := bus.Subscription{ClientID: "lucid-leader", Filters: []string{echoTopic}, Last: echoTopic, Lanes: leaderLanes, Handle: r.takeAsLeader}
	for _, channel := range []wire.Channel{wire.ChannelStatus, wire.ChannelInfo, wire.ChannelResponse, wire.ChannelCommandResult} {
		s.Filters = append(s.Filters, wire.Topic("+", channel))
	}
	r.echo.begin()
	var running sync.WaitGroup
	running.Go(func() { r.callOut(ctx) })
	r.Consume(ctx, s)
	running.Wait()
	return nil
}

// takeMetrics stores a message, then tells its node.
func (r *remote) takeMetrics(ctx context.Context, m bus.Message) error {
	nodeID, _, ok := wire.ParseTopic(m.Topic)
	if !ok {
		return nil
	}
	n, found, err := r.lookUp(ctx, nodeID)
	if err != nil || !found {
		return err
	}
	if err := r.store(ctx, n.no, nodeID, m.Payload); err != nil {
		return err
	}
	ack := wire.MetricsAck{V: wire.ProtocolVersion}
	if ack.Run, ack.Seq, ok = wire.NameMetrics(m.Payload); !ok {
		return nil // a dead letter without a name
	}
	proof.SignAck(n.key, nodeID, &ack)
	if err := r.c.publish(nodeID, wire.ChannelMetricsAck, ack); err != nil {
		// The node sends it again, and is told then.
		r.c.Log.Debug("acknowledgement not published", "node_id", nodeID, "error", err)
	}
	return nil
}

// store waits for the commit.
func (r *remote) store(ctx context.Context, nodeNo int32, nodeID string, payload []byte) error {
	settled := make(chan error, 1)
	r.c.ingest.Take(nodeNo, nodeID, payload, sample.Alone(func(err error) { settled <- err }))
	select {
	case err := <-settled:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lookUp gives a node's number and key; found is false for one that is not
// enrolled, of whom nothing is taken.
func (r *remote) lookUp(ctx context.Context, nodeID string) (n knownNode, found bool, err error) {
	now := r.c.now()
	r.mu.Lock()
	n, found = r.known[nodeID]
	r.mu.Unlock()
	if found && now.Before(n.until) {
		return n, true, nil
	}
	no, keys, err := r.c.Nodes.LiveKeys(ctx, nodeID)
	if fault.Has(err, fault.NodeNotFound) {
		return n, false, nil
	}
	if err != nil {
		return n, false, err
	}
	n = knownNode{no: no, key: keys.Challenge, until: now.Add(knownTime)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= maxKnown {
		clear(r.known)
	}
	r.known[nodeID] = n
	return n, true, nil
}

// takeAsLeader hands a message to the room that it is for.
func (r *remote) takeAsLeader(ctx context.Context, m bus.Message) error {
	if m.Topic == echoTopic {
		r.echo.back(string(m.Payload))
		return nil
	}
	nodeID, channel, ok := wire.ParseTopic(m.Topic)
	if !ok {
		return nil
	}
	if len(m.Payload) == 0 && channel.Retained() { // a coordinator took back what was retained
		return nil
	}
	known, found, err := r.lookUp(ctx, nodeID)
	if err != nil {
		return err
	}
	if !found {
		r.takeBack(m.Topic, channel)
		return nil
	}
	client := r.client(nodeID, known.no)
	switch channel {
	case wire.ChannelStatus:
		err = r.takeStatus(ctx, client, m.Payload)
	case wire.ChannelInfo:
		err = r.c.onInfo(ctx, client, m.Payload)
	case wire.ChannelCommandResult:
		err = r.c.onCommandResult(ctx, client, m.Payload)
	case wire.ChannelResponse:
		r.c.onResponse(ctx, client, m.Payload, broker.Arrival{At: m.Received, Held: r.echo.held(m.Received)})
	}
	if fault.Has(err, fault.BadCredentials) { // deleted since it was looked up: nothing is taken of it
		r.Disconnect(nodeID, err.Error())
		return nil
	}
	r.c.notTaken(err)
	if errors.Is(err, broker.ErrIgnore) {
		return nil
	}
	return err
}

// takeBack removes what is retained of a node that is not enrolled (any more): its
// broker may not have been told yet, its last connection ends later than it was
// deleted, and nobody may have led then. The leader is sent all that is retained
// whenever it begins.
func (r *remote) takeBack(topic string, channel wire.Channel) {
	if !channel.Retained() {
		return
	}
	if err := r.Publish(topic, nil, 1, true); err != nil {
		r.c.Log.Debug("what a deleted node told is not taken back yet", "topic", topic, "error", err)
	}
}

// client is the node's live connection; session 0 when none is known. Which key
// it logged in with is the broker's to know, so it is node.AnyKey.
func (r *remote) client(nodeID string, no int32) broker.Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, found := r.sessions[nodeID]; found {
		return s.client
	}
	return broker.Client{NodeID: nodeID, NodeNo: no}
}

// takeStatus makes presence of what nodes, and their wills, say: the broker
// tells nobody who comes and goes.
func (r *remote) takeStatus(ctx context.Context, client broker.Client, payload []byte) error {
	status, err := wire.DecodeStatus(payload)
	if err != nil {
		return r.c.reject(ctx, client, wire.ChannelStatus, err, payload)
	}
	r.mu.Lock()
	s, live := r.sessions[client.NodeID]
	r.mu.Unlock()
	same := live && s.run == status.Run && s.connection == status.Connection
	switch {
	case !status.Online && !same:
		return nil // of a connection that another one followed
	case !status.Online:
		r.forget(client.NodeID)
		r.c.onDisconnect(client, "its status says so")
		return nil
	case !r.c.pace.hears(client.NodeNo, wire.ChannelStatus):
		return nil // it ends no session: an end is always heard
	case !same:
		if client.Session, err = r.c.onConnect(ctx, client); err != nil {
			return err
		}
		r.mu.Lock()
		r.sessions[client.NodeID] = remoteSession{client, status.Run, status.Connection}
		r.mu.Unlock()
	}
	return r.c.Nodes.SetAgent(ctx, client.NodeNo, client.Session, status)
}

func (r *remote) forget(nodeID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, nodeID)
}
