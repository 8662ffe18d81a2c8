package alert

import "time"

// lag is how much later than its own time a node's newest sample came.
type lag struct {
	received time.Time
	behind   time.Duration
	moving   bool // a backlog comes in: the sample says how the node was, not how it is
}

// steadyWithin is a lag that no backlog causes: what is live is younger.
const steadyWithin = 2 * time.Minute

// next is the lag of a newer sample. A clock that is wrong is wrong by the same
// time again and again. A node that was cut off, for hours perhaps and with all
// others, comes with a lag that grew with the time it was away, and shrinks as
// what waited comes in.
func (l lag) next(received time.Time, behind time.Duration) lag {
	passed, grew := received.Sub(l.received), behind-l.behind
	if passed <= 0 {
		return l // the same sample again
	}
	return lag{received, behind, behind > steadyWithin && (grew < -passed/20 || grew > passed/2)}
}
