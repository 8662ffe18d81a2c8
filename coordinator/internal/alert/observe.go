package alert

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"lucid.internal/coordinator/internal/span"
	"lucid.internal/shared/wire"
)

// observe reads the kinds that a sample speaks of. What the machine did not
// say is no observation. received is when it came, by our clock.
func observe(s *wire.Sample, received time.Time) map[Kind]Observation {
	seen := make(map[Kind]Observation, len(Kinds()))
	see := func(k Kind, value float64, detail string) {
		seen[k] = Observation{At: received, Value: value, Detail: detail}
	}
	if c := s.CPU; c != nil {
		if c.UsagePercent != nil {
			see(CPU, *c.UsagePercent, "")
		}
		if c.TemperatureCelsius != nil {
			see(Temperature, *c.TemperatureCelsius, "")
		}
	}
	if m := s.Memory; m != nil && m.TotalBytes > 0 {
		see(Memory, percent(m.TotalBytes-m.AvailableBytes, m.TotalBytes), "")
	}
	if s.Disk != nil {
		observeDisk(s.Disk, see)
	}
	if t := s.Throttle; t != nil {
		if t.UnderVoltage != nil {
			see(UnderVoltage, number(*t.UnderVoltage), "")
		}
		if t.Throttled != nil && t.Capped != nil {
			see(Throttled, number(*t.Throttled || *t.Capped), "")
		}
	}
	observeClock(received.Sub(time.UnixMilli(s.AtMs)), see)
	return seen
}

// observeDisk finds the fullest filesystem that can be written, and sums the
// errors that are counted.
func observeDisk(d *wire.Disk, see func(Kind, float64, string)) {
	full, mount, known := 0.0, "", false
	var errors uint64
	var counted []string
	for _, f := range d.Filesystems {
		if used := f.UsedBytes + f.FreeBytes; used > 0 && !f.ReadOnly { // as df counts, without what is kept for root
			if p := percent(f.UsedBytes, used); !known || p > full {
				full, mount, known = p, f.Mount, true
			}
		}
		if f.ErrorsCount != nil {
			errors += *f.ErrorsCount
			counted = append(counted, f.Mount)
		}
	}
	if known {
		see(Disk, full, mount)
	}
	if len(counted) > 0 {
		worst := slices.MaxFunc(d.Filesystems, func(a, b wire.Filesystem) int { return cmp.Compare(errorsOf(a), errorsOf(b)) })
		see(SDErrors, float64(errors), worst.Mount)
	}
}

func errorsOf(f wire.Filesystem) uint64 {
	if f.ErrorsCount == nil {
		return 0
	}
	return *f.ErrorsCount
}

// observeClock: behind is how much later than its own time the sample came.
// Its way counts as well, so that a slow link looks like a slow clock.
func observeClock(behind time.Duration, see func(Kind, float64, string)) {
	if behind < 0 {
		see(ClockSkew, -behind.Seconds(), "ahead")
		return
	}
	see(ClockSkew, behind.Seconds(), "behind")
}

func percent(part, whole uint64) float64 { return float64(part) / float64(whole) * 100 }

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// offlineFor is how long a node that left at since counts as offline at now.
// Faults of ours count for nothing. One that stood when the node left took it
// away: then it also has the time that payouts give it to come back.
func offlineFor(since, now time.Time, faults span.Set) time.Duration {
	from := since
	for _, f := range faults {
		if !f.From.After(from) && !f.To.Before(since) {
			from = span.Latest(from, f.To.Add(span.BackWithin))
		}
	}
	return span.Of(span.Interval{From: from, To: now}).Without(faults).Length()
}

// describe says in one sentence what an alert is about.
func describe(k Kind, value, threshold float64, detail string) string {
	switch k {
	case CPU:
		return fmt.Sprintf("CPU at %.0f %%, threshold %.0f %%", value, threshold)
	case Memory:
		return fmt.Sprintf("memory at %.0f %%, threshold %.0f %%", value, threshold)
	case Disk:
		return fmt.Sprintf("%s is %.0f %% full, threshold %.0f %%", detail, value, threshold)
	case Temperature:
		return fmt.Sprintf("processor at %.1f °C, threshold %.1f °C", value, threshold)
	case Throttled:
		return "the firmware slows the processor down"
	case UnderVoltage:
		return "the power supply is too weak"
	case Offline:
		return fmt.Sprintf("offline for %s", time.Duration(value)*time.Second)
	case ClockSkew:
		return fmt.Sprintf("clock %.0f s %s, threshold %.0f s", value, detail, threshold)
	case ProofFailures:
		return fmt.Sprintf("%.0f challenges failed in a row", value)
	case SDErrors:
		return fmt.Sprintf("%.0f filesystem errors, most on %s", value, detail)
	}
	return fmt.Sprintf("%s at %g, threshold %g", k, value, threshold)
}
