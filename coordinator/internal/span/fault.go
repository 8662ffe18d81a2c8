package span

import "time"

// BackWithin is how soon after a fault of ours a node must be back for the
// fault to count as time served.
const BackWithin = 15 * time.Minute

// Served gives the time that counts for a node as online because of faults of
// ours: it was online and running when the fault began, and online again at
// most BackWithin after its end. The time until it was back belongs to the
// fault: that agents wait longer and longer between their tries is our doing.
// Within a fault nothing is known of a node, so it counts whole or not at all.
// now is when it is asked: undecided is the time of which it cannot be said
// yet, because the node may still come back.
//
// What was live when a fault began is on record as ended at that very instant,
// so an end at the fault's begin is "was online".
func Served(faults, online, running Set, now time.Time) (served, undecided Set) {
	standing := online // and what counts as online, for a fault that follows on another
	for _, f := range faults {
		if !standing.touches(f.From, f.From) || !running.touches(f.From, f.From) {
			continue
		}
		limit := f.To.Add(BackWithin)
		back, seen := online.firstFrom(f.To)
		switch {
		case seen && !back.After(limit):
			served = served.Or(Set{{f.From, back}})
			standing = standing.Or(served)
		case !now.After(limit):
			undecided = undecided.Or(Set{{f.From, limit}})
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
