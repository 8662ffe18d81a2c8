// Package coordinator builds the whole program bottom-up from its rooms, runs
// it and closes it in reverse.
//
// It must never hold a rule of its own beyond how the rooms are joined.
package coordinator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/job"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/outage"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/rail"
	"lucid.internal/coordinator/internal/sample"
	"lucid.internal/coordinator/internal/seal"
	"lucid.internal/coordinator/internal/webhook"
	"lucid.internal/shared/wire"
)

// Options are what a Coordinator is given beside its settings.
type Options struct {
	Version  string
	Observer Observer
}

// Coordinator is the running program.
type Coordinator struct {
	*Foundation
	observer Observer
	version  string
	metrics  *prometheus.Registry

	events    *event.Feed
	presence  *node.Presence
	heartbeat *outage.Heartbeat
	samples   *sample.Store
	ingest    *sample.Ingest
	alerts    *alert.Store
	webhooks  *webhook.Store
	referee   *challenge.Referee
	proofs    *challenge.Desk
	closer    *epoch.Closer
	round     *payout.Round
	rail      *rail.Runner // nil while another rail is chosen
	pace      *pace
	broker    transport
	remote    *remote // the same, when the broker is not ours; else nil

	listener  net.Listener
	server    *http.Server
	forgets   atomic.Pointer[error]     // why what is known of the database is not kept, as of the last try
	lastPulse atomic.Pointer[time.Time] // when this coordinator last led
	led       chan struct{}             // closed when it has led once
	ledOnce   sync.Once
	serving   chan struct{} // closed when broker and API answer
	failed    chan error    // the first reason to end before being asked to
}

// New builds a coordinator on an open foundation and takes the API's address,
// so that an address in use is found before anything starts.
func New(f *Foundation, o Options) (*Coordinator, error) {
	c := &Coordinator{
		Foundation: f, observer: o.Observer.withDefaults(), version: o.Version, metrics: prometheus.NewRegistry(),
		led: make(chan struct{}), serving: make(chan struct{}), failed: make(chan error, 1),
	}
	c.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := errors.Join(c.buildRooms(), c.buildMoney()); err != nil {
		return nil, err
	}
	c.pace = newPace(c.metrics, c.now)
	var err error
	if c.broker, err = c.newTransport(); err != nil {
		return nil, err
	}
	c.Nodes.Send = func(nodeID string, command *wire.Command) error {
		return c.publish(nodeID, wire.ChannelCommand, command)
	}
	c.Nodes.SendConfig = func(nodeID string, config *wire.Config) error {
		return c.publish(nodeID, wire.ChannelConfig, config)
	}
	c.Nodes.Disconnect = c.broker.Disconnect
	if c.server, err = c.newServer(o.Version); err != nil {
		return nil, err
	}
	if c.listener, err = net.Listen("tcp", f.Config.API.Addr()); err != nil {
		return nil, fmt.Errorf("the API cannot listen on %s: %w; choose another address with --http", f.Config.API.Addr(), errors.Unwrap(err))
	}
	return c, nil
}

// Serving is closed once broker and API answer.
func (c *Coordinator) Serving() <-chan struct{} { return c.serving }

// Run serves until ctx ends, then lets go in reverse order: no new connections,
// what is being stored is stored, jobs end, the lease is given back.
func (c *Coordinator) Run(ctx context.Context) error {
	jobs, stopJobs := context.WithCancel(context.WithoutCancel(ctx))
	defer stopJobs()
	var background sync.WaitGroup
	background.Go(func() { c.ingest.Run(jobs) })
	background.Go(func() { job.Loop(jobs, c.Log, "events", eventInterval, c.events.RunOnce) })
	background.Go(func() { job.Loop(jobs, c.Log, "signing keys", signingKeysInterval, c.reloadSigningKeys) })
	background.Go(func() { job.Loop(jobs, c.Log, "CA", signingKeysInterval, c.Authority.Reload) })
	background.Go(func() { job.Loop(jobs, c.Log, "master key", seal.RingInterval, c.ring.RunOnce) })
	lease := job.NewLease(job.LeaseConfig{Pool: c.DB, Logger: c.Log})
	background.Go(func() { lease.Run(jobs, "leader", c.lead) })
	if c.remote != nil {
		background.Go(func() { c.remote.run(jobs) })
	}
	background.Go(func() { job.Loop(jobs, c.Log, "takeover", takeoverInterval, c.watchTakeover) })
	if err := c.remember(ctx); err != nil { // before anybody can export payouts
		c.Log.Warn("it is not known whether the database is older than it was", "error", err)
	}
	background.Go(func() { job.Loop(jobs, c.Log, "memory", memoryInterval, c.remember) })
	go func() {
		if err := c.serveHTTP(); !errors.Is(err, http.ErrServerClosed) {
			c.fail(fmt.Errorf("API: %w", err))
		}
	}()
	err := c.serveUntil(ctx)
	c.shutDown()
	stopJobs()
	background.Wait()
	return err
}

// fail ends Run with the error, unless it is ending already.
func (c *Coordinator) fail(err error) {
	select {
	case c.failed <- err:
	default:
	}
}

// mayServe is closed once this coordinator leads: before that, presence that
// another one left behind has not been ended. At a broker that is not ours all
// coordinators work; what only the leader reads is read when it leads.
func (c *Coordinator) mayServe() <-chan struct{} {
	if c.remote == nil {
		return c.led
	}
	now := make(chan struct{})
	close(now)
	return now
}

// serveUntil opens the broker as soon as it may.
func (c *Coordinator) serveUntil(ctx context.Context) error {
	standby := time.AfterFunc(3*time.Second, func() {
		c.Log.Info("waiting: another coordinator works on this database, or it does not answer")
	})
	defer standby.Stop()
	select {
	case <-ctx.Done():
		return nil
	case err := <-c.failed:
		return err
	case <-c.mayServe():
	}
	standby.Stop()
	if err := c.broker.Start(); err != nil {
		return err
	}
	close(c.serving)
	c.Log.Info("serving", "api", c.URL(), "mqtt", c.BrokerAddress())
	select {
	case <-ctx.Done():
		return nil
	case err := <-c.failed:
		return err
	}
}

// shutdownTime bounds how long clients may hold up the end.
const shutdownTime = 4 * time.Second

func (c *Coordinator) shutDown() {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	c.Log.Info("stopping")
	if err := c.broker.Close(ctx); err != nil {
		c.Log.Warn("broker did not close in time", "error", err)
	}
	if err := c.server.Shutdown(ctx); err != nil {
		c.Log.Warn("API did not close in time", "error", errors.Join(err, c.server.Close()))
	}
}
