package coordinator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/api"
	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/manual"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/outage"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/sample"
	"lucid.internal/coordinator/internal/span"
	"lucid.internal/coordinator/internal/webhook"
)

// buildRooms makes what turns messages into samples, verdicts and scores.
func (c *Coordinator) buildRooms() (err error) {
	c.events = event.NewFeed(event.Config{Pool: c.DB, Now: c.now})
	c.webhooks = webhook.NewStore(webhook.Config{
		Pool: c.DB, Box: c.box, AllowLinkLocal: c.Config.Alert.WebhookLinkLocal, Source: c.URL(), Version: c.version, Now: c.now, Logger: c.Log,
	})
	c.alerts = alert.NewStore(alert.Config{Pool: c.DB, FaultWindows: c.faultsSoFar, Tell: c.webhooks.Enqueue, Now: c.now, Logger: c.Log})
	c.presence = node.NewPresence(c.DB, c.now)
	c.heartbeat, err = outage.NewHeartbeat(outage.Config{Pool: c.DB, Now: c.now, Logger: c.Log, OnStart: c.afterAbsence})
	if err != nil {
		return err
	}
	c.samples = sample.NewStore(sample.Config{Pool: c.DB, Now: c.now, Retention: sample.Retention(c.Config.Retention)})
	own, err := c.reserve(sample.DefaultWriters, ingestConns)
	if err != nil {
		return err
	}
	c.ingest, err = sample.NewIngest(sample.IngestConfig{
		Store: c.samples, Pool: own, OnStored: c.onStored, OnFailed: c.notTaken, Logger: c.Log, Registerer: c.metrics,
	})
	if err != nil {
		return err
	}
	ignored := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lucid_poot_answers_ignored_total", Help: "Answers to challenges that changed nothing, by reason.",
	}, []string{"reason"})
	c.metrics.MustRegister(ignored)
	p := c.Config.Poot
	c.referee = challenge.New(challenge.Config{
		Pool: c.DB, Nodes: c.Nodes, PuzzleKey: c.puzzleKey, Count: p.Puzzles, Difficulty: p.Difficulty,
		Interval: p.Interval, Deadline: p.Deadline, Validity: p.Validity, Quiet: min(quietAfterStart, p.Interval),
		Suspects: c.Fraud.Suspects, Publish: c.publish, ChainAt: c.samples.ChainAt, OurFault: c.ourFault, Heard: c.heard,
		OnVerdict: c.onVerdict, Standing: c.standing,
		AfterVerdict: c.observer.Verdict, Counted: func(reason string) { ignored.WithLabelValues(reason).Inc() },
		Logger: c.Log, Now: c.now,
	})
	c.proofs = challenge.NewDesk(challenge.DeskConfig{Pool: c.DB, Nodes: c.Nodes, PuzzleKey: c.puzzleKey, Now: c.now})
	return nil
}

// ingestConns are ingest's alone. When a fleet comes back, its logins queue for
// all the others for longer than samples may wait, and whose sample is late is
// cut again. One stands for each writer; one that a hanging database holds is
// replaced by a further one.
const ingestConns = 4

// longestProofWait leaves a demanded proof's answer time to be written before the
// server's own limit.
const longestProofWait = 45 * time.Second

// quietAfterStart is how long nodes have to come back after a start of ours
// before routine challenges begin.
const quietAfterStart = 2 * time.Minute

// afterAbsence ends the presence that a predecessor left open.
func (c *Coordinator) afterAbsence(ctx context.Context, tx db.Tx, last time.Time) error {
	if last.IsZero() {
		last = c.now()
	}
	return node.EndAll(ctx, tx, last)
}

// ourFault refuses to answer while a window may still be unrecorded: when we
// stood still, answers are read before the next pulse finds the gap.
func (c *Coordinator) ourFault(ctx context.Context, tx db.Tx, from, to time.Time) (bool, error) {
	if err := c.leads(); err != nil {
		return false, fmt.Errorf("a fault of ours may not be on record yet: %w", err)
	}
	windows, err := outage.Windows(ctx, tx, from, to)
	return len(windows) > 0, err
}

func (c *Coordinator) standing(ctx context.Context, nodeNo int32) (challenge.Standing, error) {
	s, err := c.scores.Get(ctx, nodeNo)
	return challenge.Standing{
		ScoreNano: s.Score, ConfidenceNano: s.Confidence, Factors: factors(s.Factors),
		FailuresLeft: s.FailuresLeft, EarlyWarning: s.EarlyWarning(),
	}, err
}

// buildMoney makes what turns scores and presence into earnings and payouts.
func (c *Coordinator) buildMoney() (err error) {
	e := c.Config.Epoch
	c.round = payout.NewRound(c.payouts, c.observer.Payout)
	c.closer, err = epoch.NewCloser(epoch.Config{
		Pool: c.DB, ScoreAsOf: c.scoreAsOf, FaultWindows: c.faultWindows, OnEarning: c.observer.Earning, AfterClosing: c.round.RunOnce,
		Epoch: e.Length, Grace: e.Grace, DailyCap: e.DailyCap, Now: c.now, Logger: c.Log,
	})
	if err != nil || c.Config.Payout.Rail != RailTRON {
		return err
	}
	signer, err := c.Config.signer()
	if err != nil {
		return err
	}
	c.rail, err = c.newRail(signer)
	return err
}

// faultWindows refuses to answer while a window, or the end of a presence, may
// still be unrecorded.
func (c *Coordinator) faultWindows(ctx context.Context, tx db.Tx, from, to time.Time) ([]span.Interval, error) {
	if err := c.leads(); err != nil {
		return nil, fmt.Errorf("a fault of ours may not be on record yet: %w", err)
	}
	if n := c.presence.Waiting(); n > 0 {
		return nil, fmt.Errorf("%w: %d disconnections", epoch.ErrNotYet, n) // whoever cannot write them says so
	}
	// Whoever recomputes this later must find the same: what a crash right after
	// would end, it ends at the last pulse.
	if last := c.lastPulse.Load(); last.Before(to) {
		return nil, fmt.Errorf("%w: the last heartbeat, at %s, does not reach %s", epoch.ErrNotYet, last.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano))
	}
	return windowsOnRecord(ctx, tx, from, to)
}

// faultsSoFar is for who looks again soon: what follows the last heartbeat counts
// as a fault of ours until the next one tells.
func (c *Coordinator) faultsSoFar(ctx context.Context, tx db.Tx, from, to time.Time) ([]span.Interval, error) {
	if err := c.leads(); err != nil {
		return nil, fmt.Errorf("a fault of ours may not be on record yet: %w", err)
	}
	windows, err := windowsOnRecord(ctx, tx, from, to)
	if last := span.Latest(from, *c.lastPulse.Load()); last.Before(to) {
		windows = append(windows, span.Interval{From: last, To: to})
	}
	return windows, err
}

func (c *Coordinator) newServer(version string) (*http.Server, error) {
	handler, err := api.New(api.Config{
		Access: c.Access, Nodes: c.Nodes, Pools: c.Pools,
		Samples: c.samples, Alerts: c.alerts, Webhooks: c.webhooks,
		Scores: c.scores, Proofs: c.proofs, ProofWait: min(c.Config.Poot.Deadline+2*pulseInterval, longestProofWait),
		Epochs: epoch.NewStore(c.DB), Statements: c.Statements(), Payouts: c.Payouts(), Fraud: c.Fraud,
		Manual: manual.NewStore(manual.Config{Pool: c.DB, Payouts: c.payouts, Now: c.now}),
		Audit:  c.Audit, Events: c.events, EnrolFile: c.enrolFile,
		Checks:  c.checks(),
		Readers: max(1, int(c.DB.Config().MaxConns)/2), // the others are for ingest, and for what changes something
		Limits:  api.Limits{Anonymous: c.Config.API.RateAnonymous, User: c.Config.API.RateUser, Service: c.Config.API.RateService},
		Origins: c.Config.API.CORSOrigins, Hosts: c.trustedHosts(), Proxies: c.Config.API.TrustedProxies,
		Version: version, Metrics: c.metrics, Logger: c.Log, Now: c.now,
	})
	if err != nil {
		return nil, err
	}
	server := api.NewServer(handler, c.Log)
	server.RegisterOnShutdown(c.events.Close) // it waits for open requests, and streams would not end by themselves
	return server, nil
}

// checks are what /ready asks.
func (c *Coordinator) checks() []api.Check {
	return []api.Check{
		{Name: "database", Run: func(ctx context.Context) error { return c.DB.Ping(ctx) }},
		{Name: "migrations", Run: func(ctx context.Context) error { return db.CheckSchema(ctx, c.DB) }},
		{Name: "disk", Run: func(context.Context) error { return checkDisk(c.Config.DataDir, c.Config.DataMinFree) }},
		{Name: "memory", Run: func(context.Context) error { return c.remembers() }},
		{Name: "broker", Run: func(context.Context) error { return c.brokerReady() }},
		{Name: "leader", Run: func(context.Context) error { return c.leads() }},
	}
}

// remember keeps beside the database where its chains end, and for /ready how
// that went.
func (c *Coordinator) remember(ctx context.Context) error {
	err := c.payouts.Remember(ctx)
	c.forgets.Store(&err)
	return err
}

func (c *Coordinator) remembers() error {
	if last := c.forgets.Load(); last != nil {
		return *last
	}
	return errors.New("it was not tried yet")
}

func (c *Coordinator) brokerReady() error {
	select {
	case <-c.serving:
		return c.broker.Ready()
	default:
		return errors.New("the broker is not open yet")
	}
}

// leads refuses work that needs the heartbeat once a fault window may be missing.
func (c *Coordinator) leads() error {
	if last := c.lastPulse.Load(); last == nil || c.now().Sub(*last) > outage.DefaultThreshold {
		return errors.New("this coordinator does not hold the lease, or cannot write its heartbeat")
	}
	return nil
}

// serveHTTP serves the API with the configured kind of TLS.
func (c *Coordinator) serveHTTP() error {
	switch c.Config.API.TLS {
	case TLSOff:
		return c.server.Serve(proxied{c.listener, c.Config.API.TrustedProxies})
	case TLSFiles:
		c.server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		return c.server.ServeTLS(c.listener, c.Config.API.CertFile, c.Config.API.KeyFile)
	}
	config, err := c.Authority.ServerTLS(c.certificateHosts())
	if err != nil {
		return err
	}
	c.server.TLSConfig = config
	return c.server.ServeTLS(c.listener, "", "")
}
