package epoch

import (
	"time"

	"lucid.internal/coordinator/internal/span"
)

// The two statuses of a node that matter here; only an active node earns.
const (
	statusActive    = "active"
	statusSuspended = "suspended"
)

// Evidence is what is known of one node around an epoch. An interval that is
// still open ends after everything that is looked at.
type Evidence struct {
	Membership []span.Interval // in the pool
	Presence   []span.Interval // connected
	States     []State
}

// State is a status of a node and when it had it.
type State struct {
	span.Interval
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
// ours around it: see span.Served for whom they count, and from when on. now is
// when it is measured.
func CreditOf(epoch span.Interval, e Evidence, windows []span.Interval, now time.Time) Credit {
	member := span.Of(e.Membership...).And(span.Set{epoch})
	active, suspended := span.Of(intervalsIn(e.States, statusActive)...), span.Of(intervalsIn(e.States, statusSuspended)...)
	presence := span.Of(e.Presence...)
	faults := span.Of(windows...)
	served, undecided := span.Served(faults, presence, active, now)
	running := member.And(active)
	seen := running.And(presence.Without(faults))
	credited := running.And(presence.Without(faults).Or(served))

	c := Credit{
		MemberMs:   member.Length().Milliseconds(),
		CreditedMs: credited.Length().Milliseconds(),
		Undecided:  len(running.And(undecided)) > 0,
		Reasons:    []string{},
	}
	for _, r := range []struct {
		reason  string
		applies bool
	}{
		{ReasonPartial, len(span.Set{epoch}.Without(member)) > 0},
		{ReasonSuspended, len(member.And(suspended)) > 0},
		{ReasonInactive, len(member.Without(active).Without(suspended)) > 0},
		{ReasonOffline, len(running.Without(credited)) > 0},
		{ReasonFaultSpent, len(credited.Without(seen)) > 0},
	} {
		if r.applies {
			c.Reasons = append(c.Reasons, r.reason)
		}
	}
	return c
}

func intervalsIn(states []State, status string) []span.Interval {
	var out []span.Interval
	for _, s := range states {
		if s.Status == status {
			out = append(out, s.Interval)
		}
	}
	return out
}
