package agent

import (
	"context"
	"time"

	"lucid.internal/shared/wire"
)

// drainTimeout bounds the farewell after the agent was told to end: 5 s, with
// a margin for the rest of the end.
const drainTimeout = 4500 * time.Millisecond

// goodbyeTime is the part of it that is kept for the goodbye.
const goodbyeTime = time.Second

// connectGrace is for a connection that is just coming up at that moment.
const connectGrace = time.Second

// leave writes what was not acknowledged to the disk, for the next run to
// deliver.
func (a *Agent) leave() {
	a.spill()
	if left := a.queue.Stats(); left.MemoryBytes > 0 {
		a.config.Logger.Warn("ending with samples that nobody took", "samples_lost", left.Samples)
	}
	if n := len(a.recorder.pending); n > 0 {
		a.config.Logger.Warn("ending before the clock was set: these have no time", "samples_lost", n)
	}
}

// drain delivers what is waiting, as far as a connection and the time
// allow, and tells the coordinator that this node leaves.
func (a *Agent) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	a.recorder.flush()
	soon, giveUp := context.WithTimeout(ctx, connectGrace)
	defer giveUp()
	session, err := a.link.Session(soon)
	if err != nil {
		a.config.Logger.Warn("ending without a connection", "samples_waiting", a.queue.Stats().Samples)
		return
	}
	delivery, expire := context.WithTimeout(ctx, drainTimeout-goodbyeTime)
	defer expire()
	for a.queue.Stats().Messages > 0 {
		select {
		case <-a.delivered:
			continue
		case <-session.Lost():
		case <-delivery.Done():
		}
		break
	}
	if err := session.Publish(ctx, wire.ChannelStatus, a.status(session.Connection, false), 1, true); err != nil {
		a.config.Logger.Warn("could not say goodbye: the will has to", "error", err)
		return // a clean end would take the will back
	}
	session.Leave()
}
