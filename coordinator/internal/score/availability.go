package score

import (
	"time"

	"lucid.internal/coordinator/internal/span"
)

// AvailabilityDays is how many days availability looks at: today and those
// before it, by UTC. Whole days, so that a day that is over is counted once.
const AvailabilityDays = 30

const day = 24 * time.Hour

// Period is the time that availability looks at.
func Period(at time.Time) span.Interval {
	return span.Interval{From: at.Truncate(day).Add(-(AvailabilityDays - 1) * day), To: at}
}

// Evidence is what availability follows from, up to an instant.
type Evidence struct {
	Online, Expected span.Set
	Faults           span.Set // of ours
}

// counted is the time that counts, and the part of it that the node was online
// in. Faults of ours are no expected time, except that a node for which one
// counts as served (see span.Served) was online in it.
func (e Evidence) counted(at time.Time) (expected, online span.Set) {
	served, _ := span.Served(e.Faults, e.Online, e.Expected, at)
	expected = e.Expected.Without(e.Faults).Or(e.Expected.And(served))
	return expected, e.Online.Or(served).And(expected)
}

// Tally is what is counted up of a node's availability: all that was before an
// instant.
type Tally struct {
	Through time.Time
	Days    []Day // the last one is the day of Through, and none is missing before it
}

// Day is the time of a day that counts, and that of it that the node was online.
type Day struct{ Expected, Online time.Duration }

// NewTally begins to count at an instant.
func NewTally(from time.Time) Tally { return Tally{Through: from, Days: make([]Day, 1)} }

// Until counts on, up to an instant. The evidence must hold what was since
// Through, which no fault of ours may reach over (see span.Apart), and the last
// intervals that began before it: so it is known what the first fault met.
func (t Tally) Until(e Evidence, at time.Time) Tally {
	expected, online := e.counted(at)
	days := append(make([]Day, 0, len(t.Days)+1), t.Days...)
	for from := t.Through; from.Before(at); {
		midnight := from.Truncate(day).Add(day)
		piece := span.Of(span.Interval{From: from, To: span.Earliest(midnight, at)})
		today := &days[len(days)-1]
		today.Expected += expected.And(piece).Length()
		today.Online += online.And(piece).Length()
		if from = piece[0].To; from.Equal(midnight) {
			days = append(days, Day{})
		}
	}
	return Tally{Through: at, Days: days[max(0, len(days)-AvailabilityDays):]}
}

// Availability is the part of the expected time of the Period that ends at Through in
// which the node was online: One when it always was, or when none was expected.
// Rounded down.
func (t Tally) Availability() int64 {
	var sum Day
	for _, d := range t.Days {
		sum.Expected += d.Expected
		sum.Online += d.Online
	}
	if sum.Expected == 0 {
		return One
	}
	return mulDiv(int64(sum.Online), One, int64(sum.Expected))
}
