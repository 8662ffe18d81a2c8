package fleet

import (
	"time"

	"lucid.internal/shared/wire"
)

// run is what one start of an agent knows of its own samples.
type run struct {
	id     wire.RunID
	nodeID string
	kind   Kind
	seq    uint64 // of the last sample taken
	sent   uint64 // of the last sample that left at least once

	acked   spans // acknowledged: must be stored, once
	letters spans // acknowledged as dead letters: must not be stored
	unsure  spans // acknowledged, but at the border between both
}

// message waits in a node's queue.
type message struct {
	first, last uint64 // sequence numbers
	newest      time.Time
	payload     []byte // never changed
	delayed     bool   // it was held back, as a fault
}

// maxAhead is how far in the future a coordinator takes a sample; what is
// further becomes a dead letter. Clocks of two machines may differ by margin.
const (
	maxAhead = 10 * time.Minute
	margin   = 30 * time.Second
)

// acknowledge books a message that was last sent and acknowledged at these
// moments, and reports whether it became a dead letter for certain.
func (r *run) acknowledge(m *message, sent, acked time.Time) (letter bool) {
	switch {
	case m.newest.After(acked.Add(maxAhead + margin)):
		r.letters.add(m.first, m.last)
		return true
	case m.newest.After(sent.Add(maxAhead - margin)):
		r.unsure.add(m.first, m.last)
	default:
		r.acked.add(m.first, m.last)
	}
	return false
}
