package wire

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Config is retained on a node's config topic: what its operator wants of the
// agent. MAC is made by package proof under the node's command key over every
// other field and the node's id. The agent answers with a CommandResult that
// names ConfigID.
type Config struct {
	V         int    `json:"v"`
	ConfigID  string `json:"config_id"` // 32 hexadecimal digits
	Version   uint64 `json:"version"`   // rises with every configuration of the node: Unix milliseconds, or one above the one before
	IssuedMs  int64  `json:"issued_ms"`
	ExpiresMs int64  `json:"expires_ms"` // not taken afterwards; what was taken stays
	// Both 0: the agent keeps to its own settings.
	SampleIntervalMs  int64   `json:"sample_interval_ms"`
	PublishIntervalMs int64   `json:"publish_interval_ms"`
	Update            *Update `json:"update,omitempty"` // nil: none is announced
	MAC               []byte  `json:"mac"`              // base64 in JSON
}

// Update announces a version of the agent. Agents show it and never install
// anything.
type Update struct {
	Version string `json:"version"`
	Ring    string `json:"ring"`             // the part of the fleet that it is for
	Window  string `json:"window,omitempty"` // HH:MM-HH:MM at the node's place; "": any time
}

// MaxConfigMs bounds how long a configuration may wait to be taken.
const MaxConfigMs int64 = 30 * 24 * 60 * 60 * 1000

// Bounds of an agent's intervals.
const (
	MinSampleInterval  = time.Second
	MaxPublishInterval = time.Hour
)

// Intervals are what the configuration asks for; both 0 for the agent's own.
// What no Duration holds is as wrong as it was, and not an overflow.
func (c *Config) Intervals() (sample, publish time.Duration) {
	of := func(ms int64) time.Duration {
		return time.Duration(min(max(ms, -1), (2*MaxPublishInterval).Milliseconds())) * time.Millisecond
	}
	return of(c.SampleIntervalMs), of(c.PublishIntervalMs)
}

// IntervalFault says which of the two intervals is wrong, and why.
type IntervalFault struct{ Name, Reason string }

// CheckIntervals tells every fault of an agent's intervals.
func CheckIntervals(sample, publish time.Duration) (faults []IntervalFault) {
	add := func(name, format string, args ...any) {
		faults = append(faults, IntervalFault{name, fmt.Sprintf(format, args...)})
	}
	if sample < MinSampleInterval {
		add("sample_interval", "%s is below %s", sample, MinSampleInterval)
	}
	if publish > MaxPublishInterval {
		add("publish_interval", "%s is above %s", publish, MaxPublishInterval)
	}
	if publish < sample {
		add("publish_interval", "%s is below sample_interval (%s)", publish, sample)
	} else if sample > 0 && publish/sample > MaxSamplesPerMessage {
		add("publish_interval", "%s holds more than %d samples", publish, MaxSamplesPerMessage)
	}
	return faults
}

// Check tells the first fault of an announcement.
func (u *Update) Check() error {
	switch {
	case u == nil:
		return nil
	case !isRelease(u.Version):
		return fmt.Errorf("update.version %.80q is no version such as 1.4.0 or 1.5.0-rc.1", u.Version)
	case !spelled(u.Ring, 32, digits+lower, "_-"):
		return fmt.Errorf("update.ring %.40q is not 1 to 32 lower-case letters, digits, _ or -", u.Ring)
	case u.Window != "" && !isWindow(u.Window):
		return fmt.Errorf("update.window %.40q is not HH:MM-HH:MM, such as 02:00-04:00, or begins when it ends", u.Window)
	}
	return nil
}

const (
	digits = "0123456789"
	lower  = "abcdefghijklmnopqrstuvwxyz"
)

// spelled reports whether s is 1 to most of these letters and marks, and begins
// with a letter. By hand: package regexp would be a fortieth of the agent's
// memory, for these three texts.
func spelled(s string, most int, letters, marks string) bool {
	return s != "" && len(s) <= most && strings.Trim(s, letters+marks) == "" && strings.IndexByte(marks, s[0]) < 0
}

// isRelease reports whether s is three numbers, and what follows them as a
// package writes it: 1.4.0, 1.5.0-rc.1, 1.5.0~rc1.
func isRelease(s string) bool {
	numbers, rest := s, ""
	if at := strings.IndexAny(s, "-+~"); at >= 0 {
		numbers, rest = s[:at], s[at+1:]
		if !spelled(rest, 32, digits+lower+strings.ToUpper(lower), ".+~-") {
			return false
		}
	}
	parts := strings.Split(numbers, ".")
	for _, n := range parts {
		if !spelled(n, 9, digits, "") || len(n) > 1 && n[0] == '0' {
			return false
		}
	}
	return len(parts) == 3
}

// isWindow reports whether s is HH:MM-HH:MM, of some length.
func isWindow(s string) bool {
	from, to, found := strings.Cut(s, "-")
	return found && isClock(from) && isClock(to) && from != to
}

func isClock(s string) bool {
	_, err := time.Parse("15:04", s)
	return err == nil && len(s) == len("15:04")
}

// DecodeConfig parses and checks the form of a configuration. Whether its
// intervals can be kept is the agent's to say, and its MAC is for package proof.
func DecodeConfig(payload []byte) (*Config, error) {
	c := new(Config)
	if err := decode("a configuration", payload, c); err != nil {
		return nil, err
	}
	if err := cmp.Or(version(c.V), hexID("config_id", c.ConfigID), exactly("mac", c.MAC, 32), c.Update.Check()); err != nil {
		return nil, err
	}
	if err := validity("configurations", c.Version, c.IssuedMs, c.ExpiresMs, MaxConfigMs); err != nil {
		return nil, err
	}
	return c, nil
}
