package e2e

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/e2e/fleet"
)

// load is what was acknowledged of a fleet from when it was served on.
type load struct {
	samples uint64
	took    time.Duration
}

func (l load) perSecond() float64 { return float64(l.samples) / l.took.Seconds() }

// leastLoad is the share of what a fleet takes that must be acknowledged between two
// kills: restarts of its nodes lose some.
const leastLoad = 0.9

// awaitLoad waits until a fleet that takes so many samples a second is served, and then
// until as many were acknowledged as it takes in that time, a second's worth at least.
// A slow machine waits longer; one that never keeps up would show nothing of the load.
func (l *lab) awaitLoad(f *fleet.Fleet, perSecond float64) (carried load) {
	l.t.Helper()
	from := f.Progress().Acked
	var served time.Time
	l.await(within(l.t, patience), "the fleet to be served as fast as it takes samples", func(context.Context) error {
		now := f.Progress().Acked
		if served.IsZero() && now > from {
			served, from = time.Now(), now
		}
		if served.IsZero() {
			return fmt.Errorf("%d acknowledged, as before", now)
		}
		carried = load{now - from, time.Since(served)}
		return unless(float64(carried.samples) >= perSecond && carried.perSecond() >= leastLoad*perSecond,
			"%d samples in %s", carried.samples, carried.took)
	})
	return carried
}

// sumUp tells the load between kills, and the least of them.
func sumUp(carried []load) string {
	var all load
	least := carried[0]
	for _, c := range carried {
		all.samples += c.samples
		all.took += c.took
		if c.perSecond() < least.perSecond() {
			least = c
		}
	}
	return fmt.Sprintf("%.0f/s acknowledged from when it was served again to the next kill, %.0f/s in the least of the %d times, %d samples in them",
		all.perSecond(), least.perSecond(), len(carried), all.samples)
}
