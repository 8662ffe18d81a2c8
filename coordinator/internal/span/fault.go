package span

import (
	"slices"
	"time"
)

// BackWithin is how soon after a fault of ours a node must be back for the
// fault to count as time served.
const BackWithin = 15 * time.Minute

// Served gives the time that counts for a node as online because of faults of
// ours: it was online when the fault began or came within it, ran by its end,
// and was online again at most BackWithin after that. The time until it was back
// belongs to the fault: that agents wait longer and longer between their tries is
// our doing. Of the rest of a fault nothing is known, so it counts from when the
// node was there, or not at all. now is when it is asked: undecided is the time
// of which it cannot be said yet, because the node may still come back.
//
// A fault is on record from the last beat before it. So what was live when it
// came has ended there at that very instant, or began within it: an end at the
// fault's begin is "was online", and a node that came or was started between the
// beat and the crash pays for the crash no more than others.
func Served(faults, online, running Set, now time.Time) (served, undecided Set) {
	for _, f := range faults {
		from := f.From
		// What counts as online is so for a fault that follows on another, too.
		if !online.touches(from, from) && !served.touches(from, from) {
			from, _ = online.firstFrom(from)
		}
		if from.IsZero() || from.After(f.To) || !running.touches(f.From, f.To) {
			continue
		}
		limit := f.To.Add(BackWithin)
		back, seen := online.firstFrom(f.To)
		switch {
		case seen && !back.After(limit):
			served = served.followedBy(Interval{from, back})
		case !now.After(limit):
			undecided = undecided.followedBy(Interval{from, limit})
		}
	}
	return served, undecided
}

// firstFrom is the first instant of s at or after t.
func (s Set) firstFrom(t time.Time) (time.Time, bool) {
	i := s.endingFrom(t)
	if i < len(s) && s[i].To.Equal(t) {
		i++ // its end is not in it
	}
	if i == len(s) {
		return time.Time{}, false
	}
	return Latest(s[i].From, t), true
}

// Apart is the last instant up to t that no fault reaches over, the time to come
// back in included: what faults before it mean does not depend on what was after
// it, nor the other way round.
func Apart(faults Set, t time.Time) time.Time {
	for _, f := range slices.Backward(faults) {
		if f.From.Before(t) && !f.To.Add(BackWithin).Before(t) {
			t = f.From
		}
	}
	return t
}
