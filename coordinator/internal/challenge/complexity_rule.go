package challenge

import (
	"math/bits"
	"time"

	"lucid.internal/shared/proof"
)

// The work of a challenge is set by its bits: each more doubles it. What is
// aimed at is solveTarget of one low-priority thread. Slowness lowers the
// quality of a node, never its bits.
const (
	solveTarget  = 200 * time.Millisecond
	raiseBelow   = solveTarget * 6 / 10 // a mean below it has room for twice the work
	tuneAfter    = 16                   // answers that a mean is taken of
	unknownModel = 14                   // bits of a machine that is not in the table
)

// tuning is what was measured of a node: the bits it has come to, and how long it
// took for its answers since.
type tuning struct {
	bits  int
	taken time.Duration // of all seen
	seen  int
}

// next takes one more valid answer into account. Bits only rise, by one at a time.
// What the network takes counts as solving, so who is far away keeps easier
// puzzles than it could do; nobody gets harder ones than it has shown to be fit
// for.
func (t tuning) next(taken time.Duration, highest int) tuning {
	t.taken += taken
	if t.seen++; t.seen < tuneAfter {
		return t
	}
	if t.taken/tuneAfter < raiseBelow && t.bits < highest {
		t.bits++
	}
	return tuning{bits: t.bits}
}

// leastBits is the floor of a model: what takes it at most solveTarget. Other
// machines begin at unknownModel.
func leastBits(model string, count int) int {
	rate, known := rateOf(model)
	if !known {
		return unknownModel
	}
	return bitsWithin(rate*2*solveTarget.Seconds(), count)
}

// highestBits is the most that a node can be asked: count puzzles of so many
// bits are at most a quarter of what its rate can search before the deadline.
func highestBits(rate float64, count int, deadline time.Duration) int {
	return bitsWithin(rate*deadline.Seconds()/4, count)
}

// fastestRate is more than any processor does on one thread: what even it could
// not search is asked of nobody.
const fastestRate = 5_000_000

// HighestDifficulty is the most bits that can be set for challenges of so many
// puzzles: of a model, or of all nodes ("").
func HighestDifficulty(model string, count int, deadline time.Duration) int {
	rate, known := rateOf(model)
	if !known {
		rate = fastestRate
	}
	return highestBits(rate, count, deadline)
}

// bitsWithin is the largest d with count * 2^d <= hashes.
func bitsWithin(hashes float64, count int) int {
	return min(max(bits.Len64(uint64(hashes)/uint64(count))-1, 0), proof.MaxDifficulty)
}

// nearest is the difficulty that is set for a node: its own, else its pool's, else
// that of all nodes; Calibrated when nobody has set one.
func nearest(node, pool, fleet int) int {
	switch {
	case node != Calibrated:
		return node
	case pool != Calibrated:
		return pool
	}
	return fleet
}

// bitsFor is how hard the puzzles of a node are: what is set, or the floor of its
// model and what it has come to above it. What is set for a pool or for all is too
// much for some of their nodes: none is asked more than its model can do.
func bitsFor(set int, model string, t tuning, count int, deadline time.Duration) int {
	if set != Calibrated {
		return min(set, HighestDifficulty(model, count, deadline))
	}
	return max(leastBits(model, count), t.bits)
}

// rateShown is the rate that a node must have to have been raised so far, or the
// one that is assumed of its model.
func rateShown(model string, t tuning, count int) float64 {
	rate, _ := rateOf(model)
	if t.bits == 0 {
		return rate
	}
	return max(rate, float64(count)*float64(uint64(1)<<t.bits)/2/solveTarget.Seconds())
}
