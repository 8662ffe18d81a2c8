package fleet

import "sync/atomic"

// gauge counts who is there, and the most that ever were at once.
type gauge struct{ now, peak atomic.Int64 }

func (g *gauge) enter() {
	now := g.now.Add(1)
	for peak := g.peak.Load(); now > peak && !g.peak.CompareAndSwap(peak, now); {
		peak = g.peak.Load()
	}
}

func (g *gauge) leave() { g.now.Add(-1) }
