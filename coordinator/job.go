package coordinator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/fraud"
	"lucid.internal/coordinator/internal/job"
	"lucid.internal/coordinator/internal/outage"
	"lucid.internal/coordinator/internal/pool"
)

// Intervals of the leader's jobs that have no setting.
const (
	pulseInterval    = time.Second // a node that starts is challenged within two
	presenceInterval = 5 * time.Second
	nodeInterval     = time.Second // commands of another coordinator are sent within two
	rotationInterval = 10 * time.Second
	maintainInterval = time.Minute // also what bounds the dead letters
	rollupInterval   = 5 * time.Second
	closerInterval   = time.Second // due is what the tables say; asking costs little
	alertInterval    = 15 * time.Second
	webhookInterval  = time.Second
	fraudInterval    = 5 * time.Second
	railInterval     = 5 * time.Second // a block comes every three
	takeoverInterval = 2 * time.Second
	memoryInterval   = 5 * time.Second
)

// lead does the work that only one coordinator does, until ctx ends.
func (c *Coordinator) lead(ctx context.Context) {
	var jobs sync.WaitGroup
	start := func(name string, interval time.Duration, runOnce func(context.Context) error) {
		jobs.Go(func() {
			select {
			case <-c.led: // what a predecessor left open has been ended
				job.Loop(ctx, c.Log, name, interval, runOnce)
			case <-ctx.Done():
			}
		})
	}
	jobs.Go(func() { job.Loop(ctx, c.Log, "pulse", pulseInterval, c.pulse) })
	start("presence", presenceInterval, c.presence.Flush)
	start("nodes", nodeInterval, c.Nodes.RunOnce)
	start("key rotation", rotationInterval, c.Nodes.RunOnceRotation)
	start("whereabouts", rotationInterval, c.Nodes.RunOnceMove)
	start("upkeep", maintainInterval, c.maintain)
	start("rollups", rollupInterval, c.samples.RunOnceRollup)
	keeper := pool.Keeper{Store: c.Pools, Balance: c.Config.Pool.AutoBalance, Logger: c.Log}
	start("pool health", c.Config.Pool.HealthInterval, keeper.RunOnce)
	start("alerts", alertInterval, alert.NewWatch(c.alerts).RunOnce)
	start("pool summaries", summaryInterval, c.publishSummaries())
	start("ledger head", headInterval, c.publishLedgerHead())
	start("integrations", readerInterval, c.checkReaders)
	start("webhooks", webhookInterval, c.webhooks.RunOnce)
	start("proof statistics", maintainInterval, c.scores.RunOnceHours)
	start("fraud", fraudInterval, fraud.NewJudge(c.Fraud).RunOnce)
	start("forfeited payouts", fraudInterval, c.payouts.CancelForfeited)
	start("epochs", closerInterval, c.closer.RunOnce)
	start("event forwarding", forwardInterval, c.forwardEvents)
	start("payouts", c.Config.Payout.Interval, c.round.RunOnce)
	if c.rail != nil {
		start("tron rail", railInterval, c.rail.RunOnce)
	}
	if c.remote != nil {
		start("broker", remoteInterval, c.remote.lead)
	}
	jobs.Wait()
}

// pulse writes the heartbeat and only then issues and expires challenges: a gap
// of our own is on record before anybody is blamed for silence in it.
func (c *Coordinator) pulse(ctx context.Context) error {
	if c.remote != nil && c.remote.echo.overdue() {
		c.heartbeat.Disturb() // nodes are not heard, or too late
	}
	err := c.heartbeat.RunOnce(ctx)
	c.endIfSuperseded(err)
	if err != nil {
		return err
	}
	now := c.now().Round(0) // wall time: while the machine sleeps, the other clock stands
	c.lastPulse.Store(&now)
	c.ledOnce.Do(func() { close(c.led) })
	return c.referee.RunOnce(ctx)
}

// watchTakeover asks whether another coordinator leads. It runs without the
// lease too: who lost it may never get it back.
func (c *Coordinator) watchTakeover(ctx context.Context) error {
	c.endIfSuperseded(c.heartbeat.Superseded(ctx))
	return nil // a database that does not answer is told of by those who need it
}

// endIfSuperseded ends the program: a successor has ended the presence of the
// nodes that are connected here and challenges them over its own broker, so
// they have to go there. Started again, this coordinator is the standby.
func (c *Coordinator) endIfSuperseded(err error) {
	if errors.Is(err, outage.ErrSuperseded) {
		c.fail(fmt.Errorf("%w: nodes connected here must go there; start this one again as the standby", err))
	}
}

// maintain bounds what grows. Trouble with one thing lets no other grow.
func (c *Coordinator) maintain(ctx context.Context) error {
	return errors.Join(c.samples.RunOnceMaintain(ctx), c.Access.RemoveExpired(ctx), c.events.Trim(ctx), c.Nodes.RemoveExpiredTokens(ctx), c.Nodes.RunOnceHeartbeats(ctx))
}
