package span

import "time"

// BackWithin is how soon after a fault of ours a node must be back for the
// fault to count as time served.
const BackWithin = 15 * time.Minute

// Served gives the faults of ours that count for a node as time online: it was
// online and running when the fault began, and online again at most BackWithin
// after its end. Within a fault nothing is known of a node, so it counts whole
// or not at all. now is when it is asked: undecided are those for which the
// node may still come back in time.
//
// What was live when a fault began is on record as ended at that very instant,
// so an end at the fault's begin is "was online".
func Served(faults, online, running Set, now time.Time) (served, undecided Set) {
	for _, f := range faults {
		if !online.touches(f.From, f.From) || !running.touches(f.From, f.From) {
			continue
		}
		limit := f.To.Add(BackWithin)
		switch {
		case online.after(f.To).touches(f.To, limit):
			served = append(served, f)
		case !now.After(limit):
			undecided = append(undecided, f)
		}
	}
	return served, undecided
}

// after leaves out intervals that end at or before t.
func (s Set) after(t time.Time) Set {
	for i, interval := range s {
		if interval.To.After(t) {
			return s[i:]
		}
	}
	return nil
}
