// Package agent joins what internal holds into the agent of a node: it
// samples the machine, delivers the samples, and answers challenges.
//
// It must never run another program, and writes nothing to a disk while it
// is online: its status file belongs in /run.
package agent

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"lucid.internal/agent/internal/homeassistant"
	"lucid.internal/agent/internal/spool"
	"lucid.internal/shared/wire"
)

var errNoSetting = homeassistant.ErrNoSetting

// homeAssistant is the one section of a file.
const homeAssistant = "home_assistant"

// Config of an agent. Default gives usable settings.
type Config struct {
	// Settings: from the configuration file and flags, by their key.
	Servers         []string      // servers: MQTT, host:port; default those of the enrolment
	SampleInterval  time.Duration // sample_interval
	PublishInterval time.Duration // publish_interval
	StateDir        string        // state_dir: keys and identity
	SpoolDir        string        // spool_dir: samples that wait long; default StateDir/spool
	SpoolMax        int64         // spool_max: bytes there; 0: samples wait in memory only
	StatusFile      string        // status_file: on tmpfs; "" writes none
	LogLevel        slog.Level    // log_level

	HomeAssistant homeassistant.Settings // section [home_assistant]

	// What the process gives.
	Version  string
	Root     string             // where proc, sys and etc are found; default "/"
	Logger   *slog.Logger       // default discards
	Now      func() time.Time   // default time.Now
	Notify   func(state string) // tells the service manager; default nobody
	Watchdog time.Duration      // how often the service manager wants a sign of life; 0: never

	minBackoff  time.Duration // of the link; a test does not wait a second
	spillAfter  time.Duration // default spillAfter; a test does not wait for it
	reportEvery time.Duration // default 5 s; a test shows that it does not wait for it
}

// Default settings.
func Default() Config {
	return Config{
		SampleInterval:  10 * time.Second,
		PublishInterval: time.Minute,
		StateDir:        "/var/lib/lucid-agent",
		SpoolMax:        spool.DefaultDiskBytes,
		StatusFile:      "/run/lucid-agent/status.json",
		LogLevel:        slog.LevelInfo,
	}
}

// Load takes the settings of a TOML text, which came from the file of that
// name. Its error names every key that is wrong, with file and line.
func (c *Config) Load(file, text string) error {
	values := make(map[string]toml.Primitive)
	meta, err := toml.Decode(text, &values)
	if err != nil {
		return inFile(file, err)
	}
	var wrong []error
	if meta.Type(homeAssistant) == "Hash" { // another type stays, and is no setting
		inner := make(map[string]toml.Primitive)
		if err := meta.PrimitiveDecode(values[homeAssistant], &inner); err != nil {
			wrong = append(wrong, inFile(file, err))
		}
		delete(values, homeAssistant)
		for key, value := range inner {
			values[homeAssistant+"."+key] = value
		}
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if err := meta.PrimitiveDecode(values[key], setting{c, key}); err != nil {
			wrong = append(wrong, inFile(file, err))
		}
	}
	return errors.Join(wrong...)
}

// inFile says where in the file the error lies.
func inFile(file string, err error) error {
	at, ok := errors.AsType[toml.ParseError](err)
	switch {
	case !ok:
		return fmt.Errorf("%s: %w", file, err)
	case at.Position.Line == 0: // a.b = 1: the decoder keeps no line for a
		return fmt.Errorf("%s: %s", file, at.Message)
	}
	return fmt.Errorf("%s:%d: %s", file, at.Position.Line, at.Message)
}

// setting takes the value of its key in a file. The decoder calls it, so
// that its errors get their line.
type setting struct {
	config *Config
	key    string
}

// UnmarshalTOML implements toml.Unmarshaler.
func (s setting) UnmarshalTOML(value any) error {
	text, err := settingText(value)
	if setErr := s.config.Set(s.key, text); err == nil || errors.Is(setErr, errNoSetting) {
		return setErr
	}
	return fmt.Errorf("%s: %w", s.key, err)
}

// settingText is a TOML value as a flag would give it.
func settingText(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case []any:
		items := make([]string, len(v))
		for i := range v {
			item, ok := v[i].(string)
			if !ok {
				return "", fmt.Errorf("item %d is %v, want a text in quotes", i+1, v[i])
			}
			items[i] = item
		}
		return strings.Join(items, ","), nil
	}
	return "", fmt.Errorf("%v is not a text in quotes", value)
}

// Set gives a setting by its key. A list has commas between its items.
func (c *Config) Set(key, value string) (err error) {
	switch key {
	case "servers":
		c.Servers = strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
	case "sample_interval":
		c.SampleInterval, err = time.ParseDuration(value)
	case "publish_interval":
		c.PublishInterval, err = time.ParseDuration(value)
	case "state_dir":
		c.StateDir = value
	case "spool_dir":
		c.SpoolDir = value
	case "spool_max":
		c.SpoolMax, err = parseBytes(value)
	case "status_file":
		c.StatusFile = value
	case "log_level":
		if err = c.LogLevel.UnmarshalText([]byte(value)); err != nil {
			err = fmt.Errorf("%q is not one of debug, info, warn, error", value)
		}
	default:
		err = errNoSetting
		if inner, found := strings.CutPrefix(key, homeAssistant+"."); found {
			err = c.HomeAssistant.Set(inner, value)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// sizeUnits are what a size may end in.
var sizeUnits = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"", 1}}

// parseBytes reads a size such as 64MiB.
func parseBytes(text string) (int64, error) {
	for _, unit := range sizeUnits {
		number, found := strings.CutSuffix(text, unit.suffix)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/unit.bytes {
			return 0, fmt.Errorf("%q is not a size such as 64MiB", text)
		}
		return n * unit.bytes, nil
	}
	return 0, nil // not reached: the last suffix is empty
}

// spoolDir is where samples wait that have waited long; "": in memory only.
func (c *Config) spoolDir() string {
	if c.SpoolMax == 0 {
		return ""
	}
	return cmp.Or(c.SpoolDir, filepath.Join(c.StateDir, "spool"))
}

// Validate checks the settings together. Its error names every key that is
// wrong.
func (c *Config) Validate() error {
	var wrong []error
	refuse := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	for _, server := range c.Servers {
		if host, port, err := net.SplitHostPort(server); err != nil || host == "" || port == "" {
			refuse("servers: %q is not host:port", server)
		}
	}
	for _, f := range wire.CheckIntervals(c.SampleInterval, c.PublishInterval) {
		refuse("%s: %s", f.Name, f.Reason)
	}
	if c.StateDir == "" {
		refuse("state_dir: missing")
	}
	for _, err := range c.HomeAssistant.Validate() {
		refuse("%s.%w", homeAssistant, err)
	}
	return errors.Join(wrong...)
}
