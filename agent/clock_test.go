package agent

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lucid.internal/shared/wire"
)

func TestClock(t *testing.T) {
	const (
		pi   = "proc/device-tree/model"
		rtc  = "sys/class/rtc/rtc0/name"
		file = "run/systemd/timesync/synchronized"
	)
	for name, c := range map[string]struct {
		files        map[string]string
		now          time.Time
		waited       time.Duration
		synchronised bool
		err          error
		want         bool
	}{
		"a server":                           {now: noon, want: true},
		"a server in 1970":                   {now: time.Unix(0, 0)},
		"a Pi that has just started":         {files: map[string]string{pi: "Raspberry Pi 4 Model B\x00"}, now: noon},
		"a Pi in 1970, after a day":          {files: map[string]string{pi: "Raspberry Pi 4 Model B\x00"}, now: time.Unix(0, 0), waited: 24 * time.Hour},
		"synchronised, says the kernel":      {files: map[string]string{pi: "Raspberry Pi 4 Model B\x00"}, now: noon, synchronised: true, want: true},
		"the kernel does not tell":           {files: map[string]string{pi: "Raspberry Pi 4 Model B\x00"}, now: noon, synchronised: true, err: errors.New("denied")},
		"synchronised, says systemd":         {files: map[string]string{pi: "Raspberry Pi 4 Model B\x00", file: ""}, now: noon, err: errors.New("denied"), want: true},
		"a Pi 5 with its clock":              {files: map[string]string{pi: "Raspberry Pi 5 Model B\x00", rtc: "rpi-rtc"}, now: noon, want: true},
		"no time server for ten minutes":     {files: map[string]string{pi: "Raspberry Pi 4 Model B\x00"}, now: noon, waited: clockPatience, want: true},
		"no time server, a second before it": {files: map[string]string{pi: "Raspberry Pi 4 Model B\x00"}, now: noon, waited: clockPatience - time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for name, content := range c.files {
				write(t, filepath.Join(root, name), content)
			}
			now := c.now
			k := newClock(root, func() time.Time { return now })
			k.synchronised = func() (bool, error) { return c.synchronised, c.err }
			now = now.Add(c.waited)
			if got := k.set(); got != c.want {
				t.Errorf("set = %v, want %v", got, c.want)
			}
		})
	}
}

// TestSamplesWaitForTheClock: what was taken before the clock was corrected
// gets the corrected time, by the monotonic clock.
func TestSamplesWaitForTheClock(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "proc/device-tree/model"), "Raspberry Pi 3 Model B\x00")
	b := newBench(t, noon.Add(-72*time.Hour)) // when it was switched off
	b.clock = newClock(root, func() time.Time { return b.now })
	b.clock.synchronised = func() (bool, error) { return false, nil }
	b.record(wire.Sample{})
	b.flush()
	if n := len(b.messages(t)); n != 0 {
		t.Fatalf("%d messages with a time that is three days old", n)
	}
	if err := os.MkdirAll(filepath.Join(root, "run/systemd/timesync"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "run/systemd/timesync/synchronized"), "")
	b.flush()
	if n := len(b.messages(t)); n != 1 {
		t.Errorf("%d messages once the clock is right, want 1", n)
	}
}
