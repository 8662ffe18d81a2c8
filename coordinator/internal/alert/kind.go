package alert

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"lucid.internal/coordinator/internal/fault"
)

// Kind is what an alert is about.
type Kind string

// The kinds, with the unit of their values.
const (
	CPU           Kind = "cpu"            // percent of all cores
	Memory        Kind = "memory"         // percent that is not available
	Disk          Kind = "disk"           // percent of the fullest filesystem
	Temperature   Kind = "temperature"    // degrees Celsius of the processor
	Throttled     Kind = "throttled"      // 1 while the firmware slows the processor down, else 0
	UnderVoltage  Kind = "under_voltage"  // 1 while the supply is too low, else 0
	Offline       Kind = "offline"        // seconds, faults of ours left out
	ClockSkew     Kind = "clock_skew"     // seconds between the node's clock and ours
	ProofFailures Kind = "proof_failures" // challenges failed in a row
	SDErrors      Kind = "sd_errors"      // errors that the filesystems have noted
)

// Unit is what values of a kind are measured in.
type Unit string

// The units.
const (
	Percent Unit = "percent"
	Celsius Unit = "celsius"
	Seconds Unit = "seconds"
	Count   Unit = "count"
	Flag    Unit = "flag" // 1 for yes, 0 for no
)

// Unit is that of the kind's values, of the levels of its threshold, and of their
// hysteresis.
func (k Kind) Unit() Unit {
	switch k {
	case CPU, Memory, Disk:
		return Percent
	case Temperature:
		return Celsius
	case Throttled, UnderVoltage:
		return Flag
	case Offline, ClockSkew:
		return Seconds
	}
	return Count
}

// Kinds are all of them.
func Kinds() []Kind {
	return []Kind{CPU, Memory, Disk, Temperature, Throttled, UnderVoltage, Offline, ClockSkew, ProofFailures, SDErrors}
}

// Valid reports whether k is one of the kinds.
func (k Kind) Valid() bool { return slices.Contains(Kinds(), k) }

// most is the greatest value that a level of the kind can have a use for.
func (k Kind) most() float64 {
	switch k.Unit() {
	case Percent:
		return 100
	case Celsius:
		return 150
	case Flag:
		return 1
	}
	return 1e9
}

// Default is the threshold of a kind for which nobody has set another.
func Default(k Kind) Threshold {
	set := func(warning, critical, hysteresis float64, held time.Duration) Threshold {
		return Threshold{Enabled: true, Warning: &Level{warning, held}, Critical: &Level{critical, held}, Hysteresis: hysteresis}
	}
	switch k {
	case CPU:
		return set(90, 98, 5, 10*time.Minute)
	case Memory:
		return set(90, 97, 5, 10*time.Minute)
	case Disk:
		return set(85, 95, 2, 10*time.Minute)
	case Temperature: // a Raspberry Pi slows down from 80 degrees on
		return set(75, 82, 3, 5*time.Minute)
	case Throttled:
		return Threshold{Enabled: true, Warning: &Level{1, 5 * time.Minute}}
	case UnderVoltage: // it spoils SD cards in the long run
		return Threshold{Enabled: true, Warning: &Level{1, 2 * time.Minute}, Critical: &Level{1, 30 * time.Minute}}
	case Offline: // its value is a time already
		return set(300, 1800, 0, 0)
	case ClockSkew: // a sample may wait for its message for a minute
		return set(180, 900, 30, 10*time.Minute)
	case ProofFailures:
		return set(2, 5, 0, 0)
	case SDErrors:
		return set(1, 10, 0, 0)
	}
	return Threshold{}
}

// maxFor bounds how long a breach may have to last.
const maxFor = 7 * 24 * time.Hour

// check tells what is wrong with a threshold of a kind.
func (t Threshold) check(k Kind) (bad []fault.Field) {
	field := func(name, format string, args ...any) {
		bad = append(bad, fault.Field{Name: string(k) + "." + name, Reason: fmt.Sprintf(format, args...)})
	}
	for name, l := range map[string]*Level{"warning": t.Warning, "critical": t.Critical} {
		switch {
		case l == nil:
		case math.IsNaN(l.Value) || l.Value <= 0 || l.Value > k.most():
			field(name, "must be above 0 and at most %g", k.most())
		case l.For < 0 || l.For > maxFor:
			field(name+"_for_seconds", "must be from 0 to %d", int(maxFor/time.Second))
		case t.Hysteresis >= l.Value:
			field("hysteresis", "is %g, but must be below %s (%g), or the alert would never end", t.Hysteresis, name, l.Value)
		}
	}
	if w, c := t.Warning, t.Critical; w != nil && c != nil && c.Value < w.Value {
		field("critical", "must not be below warning")
	}
	if t.Enabled && t.Warning == nil && t.Critical == nil {
		field("warning", "must be given, or critical")
	}
	if t.Hysteresis < 0 || math.IsNaN(t.Hysteresis) || math.IsInf(t.Hysteresis, 0) {
		field("hysteresis", "must not be below 0")
	}
	slices.SortFunc(bad, func(a, b fault.Field) int { return strings.Compare(a.Name, b.Name) })
	return bad
}
