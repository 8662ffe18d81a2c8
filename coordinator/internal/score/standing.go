package score

import "time"

// Thresholds. A suspension is lifted further up than it begins, so that a node
// on the edge does not flutter.
const (
	reputationDisqualifies = 800_000_000
	reputationSuspends     = 900_000_000
	reputationLifts        = 920_000_000
	timelinessSuspends     = 600_000_000
	timelinessLifts        = 700_000_000
)

// Grace is how long a node that fell to disqualification has to repair what is
// broken: a worn card answers as wrongly as a thief.
const Grace = 72 * time.Hour

// Standing is what a node's record means for its work.
type Standing struct {
	Disqualified  bool `json:"disqualified"`   // for good: no later answer lifts it
	LowReputation bool `json:"low_reputation"` // suspended: too many wrong answers
	LowTimeliness bool `json:"low_timeliness"` // suspended: too many late or missing answers
	// DoubtSince is when reputation fell to disqualification, in Unix milliseconds;
	// 0: it did not, or a suspension was lifted since.
	DoubtSince int64 `json:"doubt_since,omitempty"`
}

// DisqualifiesAt is when grace ends; false when there is none to end.
func (s Standing) DisqualifiesAt() (time.Time, bool) {
	return time.UnixMilli(s.DoubtSince).Add(Grace).UTC(), s.DoubtSince != 0 && !s.Disqualified
}

// Suspended reports whether the node must not earn for now.
func (s Standing) Suspended() bool { return s.LowReputation || s.LowTimeliness }

// Reason names what suspends or disqualifies the node; "" when nothing does.
func (s Standing) Reason() string {
	switch {
	case s.Disqualified:
		return "reputation_lost"
	case s.LowReputation && s.LowTimeliness:
		return "low_reputation_and_timeliness"
	case s.LowReputation:
		return "low_reputation"
	case s.LowTimeliness:
		return "low_timeliness"
	}
	return ""
}

func (s Standing) next(reputation, timeliness int64, at time.Time) Standing {
	s.LowReputation = reputation <= reputationSuspends || s.LowReputation && reputation < reputationLifts
	s.LowTimeliness = timeliness <= timelinessSuspends || s.LowTimeliness && timeliness < timelinessLifts
	switch {
	case !s.LowReputation:
		s.DoubtSince = 0
	case reputation <= reputationDisqualifies && s.DoubtSince == 0:
		s.DoubtSince = at.UnixMilli()
	case reputation <= reputationDisqualifies && at.Sub(time.UnixMilli(s.DoubtSince)) >= Grace:
		s.Disqualified = true
	}
	return s
}

// EarlyWarning is the number of FailuresLeft below which a node is warned.
const EarlyWarning = 10

// Warned reports whether a node is to be warned early.
func Warned(failuresLeft int, s Standing) bool {
	return failuresLeft < EarlyWarning && !s.Suspended() && !s.Disqualified
}

// FailuresLeft is how many further failures in a row separate the node from
// suspension: wrong answers, or late and missing ones, whichever needs fewer.
// It is 0 when the node is suspended. A mixed row never needs fewer, since a
// failure of one kind does not lower what the other counts.
func FailuresLeft(c Counters) int {
	return min(failuresLeft(c, Invalid), failuresLeft(c, Missed))
}

func failuresLeft(c Counters, failure Result) int {
	n := 0
	for ; !c.Standing.Suspended() && !c.Standing.Disqualified; n++ {
		c, _ = Apply(c, Judged{Result: failure}) // a known result cannot fail, and each lowers a reputation
	}
	return n
}
