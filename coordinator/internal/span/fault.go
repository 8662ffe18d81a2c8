package span

import "time"

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
	standing := online // and what counts as online, for a fault that follows on another
	for _, f := range faults {
		from := f.From
		if !standing.touches(from, from) {
			from, _ = standing.firstFrom(from)
		}
		if from.IsZero() || from.After(f.To) || !running.touches(f.From, f.To) {
			continue
		}
		limit := f.To.Add(BackWithin)
		back, seen := online.firstFrom(f.To)
		switch {
		case seen && !back.After(limit):
			served = served.Or(Set{{from, back}})
			standing = standing.Or(served)
		case !now.After(limit):
			undecided = undecided.Or(Set{{from, limit}})
		}
	}
	return served, undecided
}

// firstFrom is the first instant of s at or after t.
func (s Set) firstFrom(t time.Time) (time.Time, bool) {
	for _, i := range s {
		if i.To.After(t) {
			return Latest(i.From, t), true
		}
	}
	return time.Time{}, false
}
