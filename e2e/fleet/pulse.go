package fleet

import (
	"sync/atomic"
	"time"
)

// Pulse is how a node fares: when it was last acknowledged, the zero time when
// never, and how many of its connections the other side ended or refused.
type Pulse struct {
	Kind   Kind
	Acked  time.Time
	Failed uint64
}

// pulse is what others may read of a node while it lives.
type pulse struct {
	acked  atomic.Int64 // Unix nanoseconds
	failed atomic.Uint64
}

// Pulses are those of all nodes, in the same order each time. Call it once Run
// has made progress.
func (f *Fleet) Pulses() []Pulse {
	all := make([]Pulse, len(f.nodes))
	for i, n := range f.nodes {
		all[i].Kind = n.kind
		if at := n.pulse.acked.Load(); at != 0 {
			all[i].Acked = time.Unix(0, at)
		}
		all[i].Failed = n.pulse.failed.Load()
	}
	return all
}
