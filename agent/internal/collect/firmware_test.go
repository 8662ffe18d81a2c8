package collect

import (
	"encoding/binary"
	"errors"
	"strings"
	"syscall"
	"testing"
)

// fakeFirmware answers property messages as the firmware does: in place, with
// the state set, and an unknown command with an error number and a text.
type fakeFirmware struct {
	answers map[string]string
	asked   []string
	broken  error
}

func (f *fakeFirmware) open(string) (exchange, func(), error) {
	return f.exchange, func() {}, nil
}

func (f *fakeFirmware) exchange(message []byte) error {
	if f.broken != nil {
		return f.broken
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(message[4*i:]) }
	if int(word(0)) != len(message) || word(1) != 0 || word(2) != 0x00030080 || word(3) != 1024 || word(262) != 0 {
		return errors.New("not a question that vcgencmd would send")
	}
	command, _, _ := strings.Cut(string(message[24:24+1024]), "\x00")
	f.asked = append(f.asked, command)
	binary.LittleEndian.PutUint32(message[4:], 0x80000000)
	result, known := f.answers[command]
	if !known {
		binary.LittleEndian.PutUint32(message[20:], 1)
		result = `error=1 error_msg="Command not registered"`
	}
	clear(message[24 : 24+1024])
	copy(message[24:], result)
	return nil
}

func TestFirmware(t *testing.T) {
	const gpuClock = "frequency(46)=500000992"
	good := map[string]string{"measure_clock arm": "frequency(48)=1500345728\n", "get_mem gpu": "gpu=76M\n", "measure_clock v3d": gpuClock}
	for name, c := range map[string]struct {
		answers map[string]string
		broken  error
		mhz     float64 // 0: what cpufreq says stays
		memory  uint64  // 0: null
		absent  string  // part of the reason
	}{
		"both":              {answers: good, mhz: 1500.346, memory: 76 << 20},
		"no clock":          {answers: map[string]string{"get_mem gpu": "gpu=76M", "measure_clock v3d": gpuClock}, memory: 76 << 20, absent: "measure_clock arm: refused with error 1"},
		"no memory":         {answers: map[string]string{"measure_clock arm": "frequency(0)=600000000", "measure_clock v3d": gpuClock}, mhz: 600, absent: "get_mem gpu: refused"},
		"a clock of 0":      {answers: map[string]string{"measure_clock arm": "frequency(48)=0", "get_mem gpu": "gpu=76M", "measure_clock v3d": gpuClock}, memory: 76 << 20, absent: `it says "frequency(48)=0"`},
		"memory in words":   {answers: map[string]string{"measure_clock arm": "frequency(48)=600000000", "get_mem gpu": "gpu=lots", "measure_clock v3d": gpuClock}, mhz: 600, absent: `it says "gpu=lots"`},
		"no GPU clock":      {answers: map[string]string{"measure_clock arm": "frequency(48)=600000000", "get_mem gpu": "gpu=76M"}, mhz: 600, memory: 76 << 20, absent: "measure_clock v3d: refused"},
		"the device breaks": {broken: syscall.EIO, absent: "measure_clock arm: input/output error"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, "pi4")
			m.write(gencmdDevice, "")
			fake := &fakeFirmware{answers: c.answers, broken: c.broken}
			m.config.Firmware = fake.open
			before := *m.frequency()
			s := m.Sample()
			accepted(t, s)
			want := c.mhz
			if want == 0 {
				want = before
			}
			if got := *s.CPU.FrequencyMHz; got != want {
				t.Errorf("%g MHz, want %g", got, want)
			}
			if got := s.GPU.MemoryTotalBytes; c.memory == 0 && got != nil || c.memory != 0 && (got == nil || *got != c.memory) {
				t.Errorf("GPU memory %v, want %d", got, c.memory)
			}
			if why := s.Absent["firmware"]; !strings.Contains(why, c.absent) || (c.absent == "") != (why == "") {
				t.Errorf("absent because %q, want %q", why, c.absent)
			}
		})
	}
}

func TestFirmwareGivesMemoryToAGPUWithoutCounters(t *testing.T) {
	m := newMachine(t, "pi4")
	m.remove("sys/class/drm")
	m.write(gencmdDevice, "")
	m.config.Firmware = (&fakeFirmware{answers: map[string]string{"get_mem gpu": "gpu=64M", "measure_clock arm": "frequency(48)=1"}}).open
	s := m.Sample()
	accepted(t, s)
	if s.GPU == nil || *s.GPU.MemoryTotalBytes != 64<<20 || s.GPU.UsagePercent != nil || s.Absent["gpu"] != "" || s.Absent["gpu.usage_percent"] == "" {
		t.Errorf("GPU %+v, absent %v", s.GPU, s.Absent)
	}
}

// TestNoFirmware: without the device nobody is asked; one that may not be
// opened is another reason.
func TestNoFirmware(t *testing.T) {
	m := newMachine(t, "pi4")
	m.config.Firmware = func(string) (exchange, func(), error) { t.Error("opened"); return nil, nil, errors.New("no") }
	if why := m.Sample().Absent["firmware"]; why != "no /"+gencmdDevice {
		t.Errorf("absent because %q, without a device", why)
	}
	m.write(gencmdDevice, "")
	m.config.Firmware = func(string) (exchange, func(), error) { return nil, nil, syscall.EACCES }
	if why := m.Sample().Absent["firmware"]; !strings.Contains(why, "that may be asked") {
		t.Errorf("absent because %q", why)
	}
}

// TestMailboxCall: the number that the kernel's driver knows, for both sizes
// of a pointer (_IOWR(100, 0, char *)).
func TestMailboxCall(t *testing.T) {
	want := map[int]uintptr{64: 0xC0086400, 32: 0xC0046400}[intBits]
	if mailboxCall != want {
		t.Errorf("%#x, want %#x", uintptr(mailboxCall), want)
	}
}

const intBits = 32 << (^uint(0) >> 63)

// TestOpenFirmware asks a device that is none: the kernel refuses the call,
// and nothing breaks.
func TestOpenFirmware(t *testing.T) {
	do, done, err := openFirmware("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if _, err := ask(do, "measure_clock arm", parseClock); !errors.Is(err, syscall.ENOTTY) {
		t.Errorf("error = %v, want that this is no such device", err)
	}
}
