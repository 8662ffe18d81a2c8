package payout

import "time"

// backWithin is how soon after a fault of ours a node must be back for the
// fault to count as time served.
const backWithin = 15 * time.Minute

// The two statuses of a node that matter here; only an active node earns.
const (
	statusActive    = "active"
	statusSuspended = "suspended"
)

// Evidence is what is known of one node around an epoch. An interval that is
// still open ends after everything that is looked at.
type Evidence struct {
	Membership []Interval // in the pool
	Presence   []Interval // connected
	States     []State
}

// State is a status of a node and when it had it.
type State struct {
	Interval
	Status string
}

// Credit is what a node served in an epoch.
type Credit struct {
	MemberMs   int64    // time in the pool
	CreditedMs int64    // of it: active, and connected or cut off by a fault of ours
	Reasons    []string // why CreditedMs is not the whole epoch, or how a fault counted
	// Undecided: the node may still come back in time for a fault of ours to
	// count, so the epoch cannot be closed yet.
	Undecided bool
}

// Reasons of a Credit.
const (
	ReasonPartial    = "partial_membership" // joined or left within the epoch
	ReasonSuspended  = "suspended"
	ReasonInactive   = "inactive" // any other status than active
	ReasonOffline    = "offline"
	ReasonFaultSpent = "fault_window" // a fault of ours was credited
)

// CreditOf measures what a node served in an epoch. windows are the faults of
// ours around it; within one nothing is known of a node, so it counts in full
// for a node that was connected and active at its start and is back within 15
// minutes of its end, and not at all for others. now is when it is measured.
func CreditOf(epoch Interval, e Evidence, windows []Interval, now time.Time) Credit {
	member := union(e.Membership).and(spans{epoch})
	active, suspended := union(intervalsIn(e.States, statusActive)), union(intervalsIn(e.States, statusSuspended))
	presence := union(e.Presence)
	faults := union(windows)
	served, undecided := faultsServed(faults, presence, active, now)
	running := member.and(active)
	seen := running.and(presence.without(faults))
	credited := running.and(union(append(presence.without(faults), served...)))

	c := Credit{
		MemberMs:   member.length().Milliseconds(),
		CreditedMs: credited.length().Milliseconds(),
		Undecided:  len(running.and(undecided)) > 0,
		Reasons:    []string{},
	}
	for _, r := range []struct {
		reason  string
		applies bool
	}{
		{ReasonPartial, len(spans{epoch}.without(member)) > 0},
		{ReasonSuspended, len(member.and(suspended)) > 0},
		{ReasonInactive, len(member.without(active).without(suspended)) > 0},
		{ReasonOffline, len(running.without(credited)) > 0},
		{ReasonFaultSpent, len(credited.without(seen)) > 0},
	} {
		if r.applies {
			c.Reasons = append(c.Reasons, r.reason)
		}
	}
	return c
}

// faultsServed gives the windows that count for the node, and those of which
// it cannot be said yet.
func faultsServed(faults, presence, active spans, now time.Time) (served, undecided spans) {
	for _, w := range faults {
		if !presence.reach(w.From) || !active.reach(w.From) {
			continue
		}
		limit := w.To.Add(backWithin)
		switch {
		case presence.meets(w.To, limit):
			served = append(served, w)
		case !now.After(limit):
			undecided = append(undecided, w)
		}
	}
	return served, undecided
}

// reach reports whether s holds at t, or did until t: what a crash cut short is
// recorded as ended at the last sign of life, where the fault begins.
func (s spans) reach(t time.Time) bool {
	for _, span := range s {
		if !span.From.After(t) && !span.To.Before(t) {
			return true
		}
	}
	return false
}

// meets reports whether s holds at any time from a until b, both included.
func (s spans) meets(a, b time.Time) bool {
	for _, span := range s {
		if !span.From.After(b) && span.To.After(a) {
			return true
		}
	}
	return false
}

func intervalsIn(states []State, status string) []Interval {
	var out []Interval
	for _, s := range states {
		if s.Status == status {
			out = append(out, s.Interval)
		}
	}
	return out
}
