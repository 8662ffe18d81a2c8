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
	"math"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

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

	places places // where they were given

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

// fill gives what the process left out.
func (c *Config) fill() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Notify == nil {
		c.Notify = func(string) {}
	}
}

// Set gives a setting by its key. A list has commas between its items.
func (c *Config) Set(key, value string) error {
	c.place(key, "")
	if err := c.set(key, value); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

func (c *Config) set(key, value string) (err error) {
	switch key {
	case "servers":
		c.Servers = strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
	case "sample_interval":
		err = parseInto(&c.SampleInterval, value, time.ParseDuration)
	case "publish_interval":
		err = parseInto(&c.PublishInterval, value, time.ParseDuration)
	case "state_dir":
		c.StateDir = value
	case "spool_dir":
		c.SpoolDir = value
	case "spool_max":
		err = parseInto(&c.SpoolMax, value, parseBytes)
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
	return err
}

// parseInto leaves a setting that cannot be read as it was, so that it is not
// taken for out of range besides.
func parseInto[T any](setting *T, text string, parse func(string) (T, error)) error {
	value, err := parse(text)
	if err == nil {
		*setting = value
	}
	return err
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
// wrong, and where it was given, if that was in a file.
func (c *Config) Validate() error {
	var wrong []error
	for _, server := range c.Servers {
		if host, port, err := net.SplitHostPort(server); err != nil || host == "" || port == "" {
			wrong = append(wrong, c.fault("servers", "", "%q is not host:port", server))
		}
	}
	for _, f := range wire.CheckIntervals(c.SampleInterval, c.PublishInterval) {
		wrong = append(wrong, c.fault(f.Name, "sample_interval", "%s", f.Reason)) // the bound of publish_interval
	}
	if c.StateDir == "" {
		wrong = append(wrong, c.fault("state_dir", "", "missing"))
	}
	for _, f := range c.HomeAssistant.Validate() {
		wrong = append(wrong, c.fault(homeAssistant+"."+f.Key, homeAssistant, "%s", f.Reason))
	}
	return errors.Join(wrong...)
}
