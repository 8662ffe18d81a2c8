package alert

import "time"

// Severity is how bad it is; "" is not at all.
type Severity string

// The severities.
const (
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// State is where an alert stands.
type State string

// The states. A breach that has not lasted long enough yet is pending.
const (
	Pending  State = "pending"
	Firing   State = "firing"
	Resolved State = "resolved"
)

// Change is what an observation did to an alert; "" is nothing.
type Change string

// The changes.
const (
	Began     Change = "pending"
	Fired     Change = "firing"
	Shifted   Change = "severity" // it goes on firing, better or worse
	Ended     Change = "resolved"
	Dismissed Change = "dismissed" // a breach that ended before it had lasted long enough
)

// Level is a value from which on a severity is due, once it has been held for
// that long.
type Level struct {
	Value float64
	For   time.Duration
}

// Threshold says when a kind of alert is due. A nil level is never reached.
type Threshold struct {
	Enabled           bool
	Warning, Critical *Level
	// Hysteresis is how far below a level the value must fall to leave it.
	Hysteresis float64
}

// level is that of a severity, nil without one.
func (t Threshold) level(s Severity) *Level {
	if s == Critical {
		return t.Critical
	}
	return t.Warning
}

// Observation is what was seen of a node, of one kind, at a time of our clock.
type Observation struct {
	At     time.Time
	Value  float64
	Detail string // what the value is about: a mount point
}

// MaxGap is how long a value that was seen twice is taken to have held in
// between. After a longer gap a breach that is not firing begins anew.
const MaxGap = 10 * time.Minute

// Track is what is remembered of a node's kind between two observations. The
// zero Track is of one that is well.
type Track struct {
	WarningSince, CriticalSince time.Time // since when the value is beyond the level; zero: it is not
	Firing                      Severity
	ObservedAt                  time.Time
}

// State is where the alert of the track stands; Resolved also when there is
// none.
func (t Track) State() State {
	switch {
	case t.Firing != "":
		return Firing
	case t.pendingFor() != "":
		return Pending
	}
	return Resolved
}

// Severity is what fires, or would.
func (t Track) Severity() Severity {
	if t.Firing != "" {
		return t.Firing
	}
	return t.pendingFor()
}

func (t Track) pendingFor() Severity {
	switch {
	case !t.CriticalSince.IsZero():
		return Critical
	case !t.WarningSince.IsZero():
		return Warning
	}
	return ""
}

// Next is the track after an observation, and what that changed. An
// observation that is not newer than the last one changes nothing. The silence
// of a node is no observation: what fires goes on firing.
func (t Track) Next(th Threshold, o Observation) (Track, Change) {
	if !t.ObservedAt.IsZero() && !o.At.After(t.ObservedAt) {
		return t, ""
	}
	if !th.Enabled {
		return t.Close()
	}
	next := Track{
		WarningSince:  t.since(t.WarningSince, th.Warning, th.Hysteresis, o),
		CriticalSince: t.since(t.CriticalSince, th.Critical, th.Hysteresis, o),
		ObservedAt:    o.At,
	}
	switch {
	case lasted(next.CriticalSince, th.Critical, o.At) || t.Firing == Critical && !next.CriticalSince.IsZero():
		next.Firing = Critical
	case lasted(next.WarningSince, th.Warning, o.At) || t.Firing != "" && !next.WarningSince.IsZero():
		next.Firing = Warning
	}
	return next, changeOf(t, next)
}

// Close is the end of an alert whose reason to be is gone, observed or not.
func (t Track) Close() (Track, Change) { return Track{}, changeOf(t, Track{}) }

// since is a Schmitt trigger: a breach begins at the level, ends below level
// minus hysteresis, and begins anew after a gap unless it is firing.
func (t Track) since(since time.Time, level *Level, hysteresis float64, o Observation) time.Time {
	switch {
	case level == nil:
		return time.Time{}
	case since.IsZero() && o.Value < level.Value, o.Value < level.Value-hysteresis:
		return time.Time{}
	case since.IsZero(), t.Firing == "" && o.At.Sub(t.ObservedAt) > MaxGap:
		return o.At
	}
	return since
}

func lasted(since time.Time, level *Level, at time.Time) bool {
	return level != nil && !since.IsZero() && at.Sub(since) >= level.For
}

func changeOf(before, after Track) Change {
	was, is := before.State(), after.State()
	switch {
	case was == Firing && is == Firing && before.Firing != after.Firing:
		return Shifted
	case was == is:
		return ""
	case is == Firing:
		return Fired
	case is == Pending:
		return Began
	case was == Firing:
		return Ended
	}
	return Dismissed
}
