package collect

import (
	"os"
	"path/filepath"
	"testing"
)

// write makes a file of the machine.
func (m *machine) write(file, content string) {
	m.t.Helper()
	path := filepath.Join(m.root, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

const (
	throttledFile = "sys/devices/platform/soc/soc:firmware/get_throttled"
	alarmFolder   = "sys/class/hwmon/hwmon3"
)

func said(b *bool) string {
	if b == nil {
		return "null"
	}
	return map[bool]string{true: "yes", false: "no"}[*b]
}

func TestThrottle(t *testing.T) {
	for name, c := range map[string]struct {
		throttled, alarm               string // contents; "" for no file
		voltage, capped, slowed, limit string
	}{
		"nothing is held back":         {"0\n", "", "no", "no", "no", "no"},
		"under-voltage and throttled":  {"50005\n", "", "yes", "no", "yes", "no"},
		"hot":                          {"0xa\n", "", "no", "yes", "no", "yes"},
		"what was since boot is past":  {"f0000\n", "", "no", "no", "no", "no"},
		"the firmware goes before":     {"0\n", "1\n", "no", "no", "no", "no"},
		"only the supply is watched":   {"", "1\n", "yes", "null", "null", "null"},
		"only the supply, and it's ok": {"", "0\n", "no", "null", "null", "null"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, "pi4")
			if c.throttled != "" {
				m.write(throttledFile, c.throttled)
			}
			if c.alarm != "" {
				m.write(alarmFolder+"/name", "rpi_volt\n")
				m.write(alarmFolder+"/in0_lcrit_alarm", c.alarm)
			}
			s := m.Sample()
			accepted(t, s)
			if s.Throttle == nil {
				t.Fatalf("throttle is null: %s", s.Absent["throttle"])
			}
			equal(t, "under_voltage", said(s.Throttle.UnderVoltage), c.voltage)
			equal(t, "capped", said(s.Throttle.Capped), c.capped)
			equal(t, "throttled", said(s.Throttle.Throttled), c.slowed)
			equal(t, "soft_limit", said(s.Throttle.SoftLimit), c.limit)
		})
	}
}

func TestThrottleIsNullWithAReason(t *testing.T) {
	m := newMachine(t, "x86")
	if s := m.Sample(); s.Throttle != nil || s.Absent["throttle"] != errNoThrottle.Error() {
		t.Errorf("a PC: %+v, absent %q", s.Throttle, s.Absent["throttle"])
	}
	m.write(throttledFile, "nonsense")
	if s := m.Sample(); s.Throttle != nil || s.Absent["throttle"] == "" {
		t.Errorf("nonsense: %+v, absent %q", s.Throttle, s.Absent["throttle"])
	}
}

func TestFilesystemErrors(t *testing.T) {
	m := newMachine(t, "pi4")
	m.write("sys/dev/block/.keep", "")
	if err := os.Symlink("../../devices/platform/emmc2bus/mmc0/block/mmcblk0/mmcblk0p2", filepath.Join(m.root, "sys/dev/block/179:2")); err != nil {
		t.Fatal(err)
	}
	m.write("sys/fs/ext4/mmcblk0p2/errors_count", "7\n")
	s := m.Sample()
	accepted(t, s)
	counts := map[string]*uint64{}
	for _, f := range s.Disk.Filesystems {
		counts[f.Mount] = f.ErrorsCount
	}
	if root := counts["/"]; root == nil || *root != 7 {
		t.Errorf("root has %v, want 7", root)
	}
	if boot := counts["/boot/firmware"]; boot != nil {
		t.Errorf("vfat counts nothing, got %d", *boot)
	}
}

func FuzzThrottled(f *testing.F) {
	for _, s := range []string{"0\n", "0x50005", "80000", "", "-1", "fffffffff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := parseThrottled(text); (got == nil) == (err == nil) {
			t.Errorf("%q gives %+v and %v", text, got, err)
		}
	})
}
