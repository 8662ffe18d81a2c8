package fleet

import (
	"math/rand/v2"
	"time"
)

// task is something that a node does at its time.
type task int

const (
	taskPublish task = iota // turn what was sampled into a message
	taskResend              // the head of the queue has been held back long enough
	taskPing                // show a sign of life
	taskGiveUp              // the acknowledgement does not come
	taskCut                 // the network breaks
	taskRestart             // the agent restarts
	tasks
)

// agenda has the moment of each task; zero for one that is not planned.
type agenda [tasks]time.Time

// next is the earliest moment and its task; a zero moment when nothing is
// planned.
func (a *agenda) next() (first task, at time.Time) {
	for t := range tasks {
		if !a[t].IsZero() && (at.IsZero() || a[t].Before(at)) {
			first, at = t, a[t]
		}
	}
	return first, at
}

// following draws the moment after another of something that happens at a
// rate, a minute; zero when it never does.
func following(after time.Time, perMinute float64, dice *rand.Rand) time.Time {
	if perMinute <= 0 {
		return time.Time{}
	}
	return after.Add(exponential(time.Duration(float64(time.Minute)/perMinute), dice))
}

// exponential draws a time with no memory, bounded at ten means.
func exponential(mean time.Duration, dice *rand.Rand) time.Duration {
	return time.Duration(min(dice.ExpFloat64(), 10) * float64(mean))
}
