package fleet

import (
	"context"
	"fmt"
	"time"
)

// pace is what a fleet did from its first connection to the end of its time.
type pace struct {
	early   bool          // it was ended before
	lived   time.Duration // with the backlog
	excused time.Duration // of all nodes together
	acked   uint64        // samples
}

// count is everything up to now.
func (f *Fleet) count() pace {
	return pace{
		lived: time.Since(f.series), excused: time.Duration(f.counts.excusedNs.Load()), acked: f.counts.acked.Load(),
	}
}

// since is what came after the count that was made when the fleet began.
func (p pace) since(began pace) pace {
	p.excused -= began.excused
	p.acked -= began.acked
	return p
}

// due is how many samples must be acknowledged of a fleet that nothing befalls but
// what it was told to suffer: what was taken within the newest publish interval may
// still wait in a node.
func (c *Config) due(p pace) uint64 {
	taken := float64(c.Nodes)*float64(p.lived-c.PublishInterval) - float64(p.excused)
	return uint64(max(0, taken/float64(c.SampleInterval)))
}

// awaitConnected waits until all nodes were connected at once, but for those away by
// faults: however busy the machine is, the measured time begins then. It waits no
// longer than ten times that time; what a fleet lacks then, Shortfall says.
func (f *Fleet) awaitConnected(ctx context.Context) error {
	limit := time.Now().Add(10 * f.config.Duration)
	for f.counts.connected.peak.Load()+f.counts.away.peak.Load() < int64(f.config.Nodes) && time.Now().Before(limit) {
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// leastDelivered is the share of the samples due that must be acknowledged. A machine
// that simulates all of a fleet may be behind by a little, a fleet that nobody serves
// is behind by far.
const leastDelivered = 0.5

// Shortfall says by what a fleet that lived its whole time fell short of its own
// size and pace. Faults on demand are no fault.
func (r *Report) Shortfall() error {
	switch {
	case r.EndedEarly:
		return nil
	case r.PeakConnections+r.PeakAway < int64(r.Enrolment.Nodes):
		return fmt.Errorf("of %d nodes at most %d were connected at once, and %d away by faults on demand",
			r.Enrolment.Nodes, r.PeakConnections, r.PeakAway)
	case float64(r.Delivered) < leastDelivered*float64(r.Due):
		return fmt.Errorf("of %d samples that were due %d were acknowledged in time", r.Due, r.Delivered)
	}
	return nil
}
