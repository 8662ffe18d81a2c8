package score

import (
	"slices"
	"time"
)

// AvailabilityPeriod is how far back availability looks.
const AvailabilityPeriod = 30 * 24 * time.Hour

// ReturnTime is how soon after a fault window of ours a node must be back to
// be credited for it.
const ReturnTime = 15 * time.Minute

// Interval is From <= t < To.
type Interval struct{ From, To time.Time }

// Availability is the part of the expected time in which the node was online:
// One when it always was, or when none was expected. Fault windows of ours are
// no expected time, except that a node which is credited for one (see Credit)
// was online in it. Rounded down.
func Availability(online, expected, faults []Interval, period Interval) int64 {
	faults = merge(faults)
	credits := creditedFaults(online, expected, faults)
	expected = intersect(merge(expected), []Interval{period})
	counted := merge(slices.Concat(subtract(expected, faults), intersect(expected, credits)))
	total := length(counted)
	if total == 0 {
		return One
	}
	present := length(intersect(merge(slices.Concat(online, credits)), counted))
	return mulDiv(int64(present), One, int64(total))
}

// Credit gives the times in which a node counts as online: those in which it
// was, and the fault windows of ours for which it is credited. It is credited
// when it was online and running at the window's start, and online again at
// most ReturnTime after its end. Windows that overlap or touch are one.
func Credit(online, running, faults []Interval) []Interval {
	return merge(slices.Concat(online, creditedFaults(online, running, merge(faults))))
}

// creditedFaults gives those of the merged faults that count as time online.
func creditedFaults(online, running, faults []Interval) []Interval {
	var list []Interval
	for _, f := range faults {
		if holds(online, f.From) && holds(running, f.From) && touches(online, f.To, f.To.Add(ReturnTime)) {
			list = append(list, f)
		}
	}
	return list
}

// holds reports whether an interval covers t or ends there: what was live when
// our side went down is closed at that very instant.
func holds(list []Interval, t time.Time) bool { return touches(list, t, t) }

// touches reports whether an interval has an instant in [from, to], its own
// end included.
func touches(list []Interval, from, to time.Time) bool {
	return slices.ContainsFunc(list, func(i Interval) bool { return !i.From.After(to) && !i.To.Before(from) })
}

// merge sorts intervals and joins those that overlap or touch; empty ones drop out.
func merge(list []Interval) []Interval {
	sorted := slices.DeleteFunc(slices.Clone(list), func(i Interval) bool { return !i.From.Before(i.To) })
	slices.SortFunc(sorted, func(a, b Interval) int { return a.From.Compare(b.From) })
	var merged []Interval
	for _, i := range sorted {
		if n := len(merged); n > 0 && !merged[n-1].To.Before(i.From) {
			merged[n-1].To = latest(merged[n-1].To, i.To)
			continue
		}
		merged = append(merged, i)
	}
	return merged
}

// intersect gives the time that is in both; a and b are merged.
func intersect(a, b []Interval) []Interval {
	var both []Interval
	for len(a) > 0 && len(b) > 0 {
		i := Interval{latest(a[0].From, b[0].From), earliest(a[0].To, b[0].To)}
		if i.From.Before(i.To) {
			both = append(both, i)
		}
		if a[0].To.Before(b[0].To) {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return both
}

// subtract gives the time of a that is not in b; both are merged.
func subtract(a, b []Interval) []Interval {
	var rest []Interval
	for _, i := range a {
		for _, hole := range b {
			if !hole.From.Before(i.To) || !i.From.Before(hole.To) {
				continue
			}
			if i.From.Before(hole.From) {
				rest = append(rest, Interval{i.From, hole.From})
			}
			i.From = hole.To
		}
		if i.From.Before(i.To) {
			rest = append(rest, i)
		}
	}
	return rest
}

func length(list []Interval) (total time.Duration) {
	for _, i := range list {
		total += i.To.Sub(i.From)
	}
	return total
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
