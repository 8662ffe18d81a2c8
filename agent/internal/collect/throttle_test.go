package collect

import (
	"path/filepath"
	"strconv"
	"testing"

	"lucid.internal/agent/internal/machinetest"
	"lucid.internal/shared/wire"
)

// write makes a file of the machine.
func (m *machine) write(file, content string) {
	m.t.Helper()
	machinetest.File(m.t, filepath.Join(m.root, file), content)
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
			m.remove(throttledFile)
			m.remove("sys/class/hwmon")
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

// TestUnderVoltageEvents: each time that it begins is counted once.
func TestUnderVoltageEvents(t *testing.T) {
	m := newMachine(t, "pi4")
	for i, c := range []struct {
		bits string
		want uint64
	}{{"0", 0}, {"1", 1}, {"1", 1}, {"10000", 1}, {"5", 2}} {
		m.write(throttledFile, c.bits)
		if got := m.Sample().Throttle.UnderVoltageEvents; got == nil || *got != c.want {
			t.Errorf("sample %d counts %v, want %d", i, got, c.want)
		}
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

func TestThrottleBitsAreWhatTheFirmwareSaid(t *testing.T) {
	for _, text := range []string{"0", "1", "2", "4", "8", "f", "50005"} {
		read, err := parseThrottled(text)
		if err != nil {
			t.Fatal(err)
		}
		said, err := strconv.ParseUint(text, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		if bits := ThrottleBits(read); bits != uint32(said)&0xf {
			t.Errorf("%s: %x", text, bits)
		}
	}
	low := true
	if ThrottleBits(nil) != 0 || ThrottleBits(&wire.Throttle{UnderVoltage: &low}) != 1 {
		t.Error("what is not known is not 0")
	}
}
