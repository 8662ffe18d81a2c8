package agent

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"lucid.internal/agent/internal/doctor"
)

// clockPatience is how long samples wait for a clock that has no battery to be
// synchronised. After it the time is taken as it is: there may be no time
// server at all.
const clockPatience = 10 * time.Minute

// clock tells whether the machine's time can be written into a sample.
type clock struct {
	root         string
	now          func() time.Time
	started      time.Time // with the monotonic clock
	battery      bool      // time went on while the machine was off
	synchronised func() (bool, error)
}

func newClock(root string, now func() time.Time) *clock {
	c := &clock{root: filepath.Join("/", root), now: now, started: now(), synchronised: doctor.ClockSynchronised}
	model, _ := os.ReadFile(filepath.Join(c.root, "proc/device-tree/model")) // none: no board
	clocks, _ := filepath.Glob(filepath.Join(c.root, "sys/class/rtc/rtc*"))
	c.battery = len(clocks) > 0 || !strings.Contains(string(model), "Raspberry Pi")
	return c
}

// set reports whether the time is right, as far as can be known. A Raspberry
// Pi before model 5 starts with the time at which it was switched off, which
// looks well and is wrong until the network corrects it.
func (c *clock) set() bool {
	now := c.now()
	switch {
	case !doctor.ClockPossible(now):
		return false
	case c.battery || now.Sub(c.started) >= clockPatience:
		return true
	}
	// The service may not ask the kernel (ProtectClock=); systemd-timesyncd
	// leaves a file.
	if _, err := os.Stat(filepath.Join(c.root, "run/systemd/timesync/synchronized")); err == nil {
		return true
	}
	synchronised, err := c.synchronised()
	return err == nil && synchronised
}
