package payout

import (
	"slices"
	"time"
)

// Interval is a time span: From <= t < To.
type Interval struct{ From, To time.Time }

// spans is a set of intervals in order, none empty, none touching another.
type spans []Interval

// union puts any intervals in order and joins those that overlap or touch.
func union(intervals []Interval) spans {
	sorted := slices.SortedFunc(slices.Values(intervals), func(a, b Interval) int { return a.From.Compare(b.From) })
	var out spans
	for _, next := range sorted {
		switch last := len(out) - 1; {
		case !next.From.Before(next.To): // empty
		case last >= 0 && !next.From.After(out[last].To):
			out[last].To = latest(out[last].To, next.To)
		default:
			out = append(out, next)
		}
	}
	return out
}

// and is what lies in both.
func (s spans) and(other spans) spans {
	var out spans
	for i, j := 0, 0; i < len(s) && j < len(other); {
		both := Interval{latest(s[i].From, other[j].From), earliest(s[i].To, other[j].To)}
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

// without is what lies in s and not in other.
func (s spans) without(other spans) spans {
	var out spans
	for _, span := range s {
		for _, hole := range other {
			if !hole.To.After(span.From) || !hole.From.Before(span.To) {
				continue
			}
			if span.From.Before(hole.From) {
				out = append(out, Interval{span.From, hole.From})
			}
			span.From = hole.To
		}
		if span.From.Before(span.To) {
			out = append(out, span)
		}
	}
	return out
}

// length is the sum of all spans.
func (s spans) length() time.Duration {
	var sum time.Duration
	for _, span := range s {
		sum += span.To.Sub(span.From)
	}
	return sum
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
