package alert

import (
	"time"

	"lucid.internal/coordinator/internal/span"
)

// watched is what is known of a node when its alerts are judged.
type watched struct {
	no               int32
	id, name, poolID string
	poolNo           *int32
	observed         map[Kind]Observation
	expected         bool // it should be online
	online           bool
	left             time.Time // when it went offline; zero: it never was online
	gone             bool      // it was deleted
}

// standing is a kind of a node that is not well, as stored; the zero standing
// is one that is.
type standing struct {
	no               int64
	nodeID, nodeName string
	track            Track
	startedAt        time.Time
	firedAt          *time.Time
	told             bool
	last             Observation
	threshold        float64
}

// step is what becomes of a standing.
type step struct {
	node      *watched
	kind      Kind
	before    standing
	track     Track
	change    Change // "": only what was seen is newer
	seen      Observation
	threshold float64
	reason    string // why it ended unobserved
}

// refreshAfter is how old the last observation on record may become before a
// newer one that changes nothing is written.
const refreshAfter = time.Minute

// judge gives what is to be written of one kind of a node; ok is false when
// nothing is.
func (n *watched) judge(k Kind, before standing, th Threshold) (s step, ok bool) {
	s = step{node: n, kind: k, before: before, seen: before.last, threshold: before.threshold}
	seen, observed := n.observed[k]
	switch {
	case n.gone:
		s.track, s.change = before.track.Close()
		s.reason = "the node was deleted"
	case !th.Enabled:
		s.track, s.change = before.track.Close()
		s.reason = "alerts of this kind were switched off"
	case !observed:
		return s, false
	default:
		s.track, s.change = before.track.Next(th, seen)
		s.seen = seen
	}
	if level := th.level(s.track.Severity()); level != nil {
		s.threshold = level.Value
	}
	return s, s.change != "" || s.moved() || s.stale()
}

// moved: no state changed, but since when a level is passed did.
func (s step) moved() bool {
	return s.before.no != 0 && (!s.track.WarningSince.Equal(s.before.track.WarningSince) ||
		!s.track.CriticalSince.Equal(s.before.track.CriticalSince))
}

func (s step) stale() bool {
	return s.before.no != 0 && s.track.ObservedAt.Sub(s.before.track.ObservedAt) >= refreshAfter
}

// alert is how the alert stands after the step.
func (s step) alert(at time.Time) Alert {
	a := Alert{
		No: s.before.no, NodeID: s.node.id, NodeName: s.node.name, PoolID: s.node.poolID, Kind: s.kind, State: s.track.State(),
		Severity: s.track.Severity(), Value: s.seen.Value, Threshold: s.threshold, Detail: s.seen.Detail,
		StartedAt: s.before.startedAt, FiredAt: s.before.firedAt, ObservedAt: s.track.ObservedAt, EndReason: s.reason,
	}
	if s.before.no == 0 {
		a.StartedAt = at
	}
	switch s.change {
	case Fired:
		fired := span.Latest(at, a.StartedAt) // which a clock that was ahead may have written
		a.FiredAt = &fired
	case Ended, Dismissed:
		a.Severity, a.ResolvedAt = s.before.track.Severity(), &at
	}
	if a.ObservedAt.IsZero() {
		a.ObservedAt = at
	}
	return a
}
