// Package span owns arithmetic on intervals of time, and the one rule by which
// a fault of our own counts for a node.
//
// It is pure: what the intervals mean is for those who read them from tables.
package span

import (
	"slices"
	"time"
)

// Interval is a span of time: From <= t < To.
type Interval struct{ From, To time.Time }

// Open is an interval whose end may be missing: it then ends at until, or is
// empty if it begins later.
func Open(from time.Time, to *time.Time, until time.Time) Interval {
	if to != nil {
		return Interval{from, *to}
	}
	return Interval{from, Latest(from, until)}
}

// Set is a set of instants, as intervals in order of which none is empty and
// none touches another. Of makes one.
type Set []Interval

// Of puts any intervals in order and joins those that overlap or touch.
func Of(intervals ...Interval) Set {
	sorted := slices.SortedFunc(slices.Values(intervals), func(a, b Interval) int { return a.From.Compare(b.From) })
	var out Set
	for _, next := range sorted {
		out = out.followedBy(next)
	}
	return out
}

// followedBy is s and an interval that begins no earlier than its last one.
func (s Set) followedBy(next Interval) Set {
	switch last := len(s) - 1; {
	case !next.From.Before(next.To): // empty
		return s
	case last >= 0 && !next.From.After(s[last].To):
		s[last].To = Latest(s[last].To, next.To)
		return s
	default:
		return append(s, next)
	}
}

// Or is what lies in either.
func (s Set) Or(other Set) Set { return Of(slices.Concat(s, other)...) }

// And is what lies in both.
func (s Set) And(other Set) Set {
	var out Set
	for i, j := 0, 0; i < len(s) && j < len(other); {
		both := Interval{Latest(s[i].From, other[j].From), Earliest(s[i].To, other[j].To)}
		if both.From.Before(both.To) {
			out = append(out, both)
		}
		if s[i].To.Before(other[j].To) {
			i++
		} else {
			j++
		}
	}
	return out
}

// Without is what lies in s and not in other.
func (s Set) Without(other Set) Set {
	var out Set
	for _, rest := range s {
		for len(other) > 0 && !other[0].To.After(rest.From) {
			other = other[1:]
		}
		for _, hole := range other {
			if !hole.From.Before(rest.To) {
				break
			}
			if rest.From.Before(hole.From) {
				out = append(out, Interval{rest.From, hole.From})
			}
			rest.From = hole.To
		}
		if rest.From.Before(rest.To) {
			out = append(out, rest)
		}
	}
	return out
}

// Length is the sum of all intervals.
func (s Set) Length() time.Duration {
	var sum time.Duration
	for _, i := range s {
		sum += i.To.Sub(i.From)
	}
	return sum
}

// touches reports whether an interval has an instant from a to b, its own end
// included.
func (s Set) touches(a, b time.Time) bool {
	i := s.endingFrom(a)
	return i < len(s) && !s[i].From.After(b)
}

// endingFrom is the place of the first interval that ends at or after t.
func (s Set) endingFrom(t time.Time) int {
	i, _ := slices.BinarySearchFunc(s, t, func(i Interval, t time.Time) int { return i.To.Compare(t) })
	return i
}

// Earliest of two times.
func Earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Latest of two times.
func Latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
