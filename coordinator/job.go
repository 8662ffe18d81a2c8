package coordinator

import (
	"context"
	"sync"
	"time"

	"lucid.internal/coordinator/internal/job"
	"lucid.internal/coordinator/internal/pool"
)

// Intervals of the leader's jobs that have no setting.
const (
	pulseInterval    = time.Second // a node that starts is challenged within two
	presenceInterval = 5 * time.Second
	nodeInterval     = time.Second // commands of another coordinator are sent within two
	maintainInterval = time.Minute // also what bounds the dead letters
	closerInterval   = time.Second // due is what the tables say; asking costs little
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
	start("upkeep", maintainInterval, c.maintain)
	keeper := pool.Keeper{Store: c.Pools, Balance: c.Config.Pool.AutoBalance, Logger: c.Log}
	start("pool health", c.Config.Pool.HealthInterval, keeper.RunOnce)
	start("epochs", closerInterval, c.closer.RunOnce)
	start("event forwarding", forwardInterval, c.forwardEvents)
	start("payouts", c.Config.Payout.Interval, c.round.RunOnce)
	jobs.Wait()
}

// pulse writes the heartbeat and only then issues and expires challenges: a gap
// of our own is on record before anybody is blamed for silence in it.
func (c *Coordinator) pulse(ctx context.Context) error {
	if err := c.heartbeat.RunOnce(ctx); err != nil {
		return err
	}
	now := c.now()
	c.lastPulse.Store(&now)
	c.ledOnce.Do(func() { close(c.led) })
	return c.referee.RunOnce(ctx)
}

func (c *Coordinator) maintain(ctx context.Context) error {
	if err := c.samples.RunOnceMaintain(ctx); err != nil {
		return err
	}
	if err := c.Access.RemoveExpiredSessions(ctx); err != nil {
		return err
	}
	if err := c.events.Trim(ctx); err != nil {
		return err
	}
	return c.Nodes.RemoveExpiredTokens(ctx)
}
