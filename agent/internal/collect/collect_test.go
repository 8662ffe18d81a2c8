package collect

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v3/disk"
	"go.uber.org/goleak"

	"lucid.internal/agent/internal/machinetest"
	"lucid.internal/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// machine is one of machinetest that a test may change, and a clock.
type machine struct {
	*Collector
	t    *testing.T
	root string
	now  time.Time
}

func newMachine(t *testing.T, fixture string) *machine {
	t.Helper()
	m := &machine{t: t, root: t.TempDir(), now: time.Unix(1_800_000_000, 0)}
	firmware := &fakeFirmware{answers: machinetest.Plant(t, m.root, fixture)}
	if len(firmware.answers) > 0 {
		m.write(gencmdDevice, "")
	}
	m.Collector = New(Config{
		Root:     m.root,
		Firmware: firmware.open,
		Now:      func() time.Time { return m.now },
		Usage: func(path string) (*disk.UsageStat, error) {
			return &disk.UsageStat{Path: path, Total: 1000, Used: 600, Free: 300}, nil
		},
		Addresses: func(string) []string { return []string{"192.0.2.7"} },
	})
	return m
}

// replace changes text in a file of the machine.
func (m *machine) replace(file, from, to string) {
	m.t.Helper()
	path := filepath.Join(m.root, file)
	b, err := os.ReadFile(path)
	if err != nil {
		m.t.Fatal(err)
	}
	if !strings.Contains(string(b), from) {
		m.t.Fatalf("%s does not contain %q", file, from)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(b), from, to)), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) remove(file string) {
	m.t.Helper()
	if err := os.RemoveAll(filepath.Join(m.root, file)); err != nil {
		m.t.Fatal(err)
	}
}

// accepted checks that the coordinator would take the sample.
func accepted(t *testing.T, s wire.Sample) {
	t.Helper()
	s.Seq, s.AtMs = 1, 1_800_000_000_000
	payload, err := json.Marshal(wire.Metrics{V: wire.ProtocolVersion, Run: wire.NewRunID(), Samples: []wire.Sample{s}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.DecodeMetrics(payload); err != nil {
		t.Fatalf("the wire refuses the sample: %v\n%s", err, payload)
	}
}

func TestRaspberryPiFirstSampleHasNoRates(t *testing.T) {
	m := newMachine(t, "pi4")
	s := m.Sample()
	accepted(t, s)
	if s.CPU == nil || s.CPU.UsagePercent != nil || s.CPU.PerCore != nil {
		t.Errorf("cpu = %+v, want figures without usage", s.CPU)
	}
	if s.Disk == nil || s.Disk.ReadIOPS != nil || s.Disk.WriteThroughputMBps != nil {
		t.Errorf("disk = %+v, want figures without rates", s.Disk)
	}
	if s.GPU == nil || s.GPU.UsagePercent != nil {
		t.Errorf("gpu = %+v, want it without usage", s.GPU)
	}
	for _, what := range []string{"cpu.usage_percent", "disk.rates", "gpu.usage_percent"} {
		if s.Absent[what] != "no earlier reading to compare with" {
			t.Errorf("absent[%s] = %q", what, s.Absent[what])
		}
	}
}

func TestRaspberryPi(t *testing.T) {
	m := newMachine(t, "pi4")
	m.Sample()
	m.now = m.now.Add(10 * time.Second)
	// 4 cores for 10 s are 4000 ticks: 1000 busy, 3000 idle; cpu0 does it all.
	m.replace("proc/stat", "cpu  102340 412 38211 4120034", "cpu  103340 412 38211 4123034")
	m.replace("proc/stat", "cpu0 25610 101 10211 1028001", "cpu0 26610 101 10211 1028001")
	m.replace("proc/stat", "1030511", "1031511")
	m.replace("proc/stat", "1030811", "1031811")
	m.replace("proc/stat", "1030711", "1031711")
	// 50 reads of 4 KiB, 20 writes of 512 KiB on the card; the partition's and zram's do not count.
	m.replace("proc/diskstats", "mmcblk0 31021 9120 2140212 41233 18204 21110 812344",
		"mmcblk0 31071 9120 2140612 41233 18224 21110 832824")
	m.replace("proc/diskstats", "zram0 500", "zram0 900")
	// The render queue worked 2 of 10 seconds.
	m.replace("sys/class/drm/card1/device/gpu_stats", "render\t239043079420\t22619\t27284814161", "render\t249043079420\t22700\t29284814161")
	s := m.Sample()
	accepted(t, s)

	equal(t, "cpu.usage", *s.CPU.UsagePercent, 25)
	equal(t, "cpu.per_core[0]", s.CPU.PerCore[0], 100)
	equal(t, "cpu.per_core[3]", s.CPU.PerCore[3], 0)
	equal(t, "cpu.cores", s.CPU.Cores, 4)
	equal(t, "cpu.frequency", *s.CPU.FrequencyMHz, 1500)
	equal(t, "cpu.load", s.CPU.LoadAverage, [3]float64{0.31, 0.22, 0.18})
	equal(t, "cpu.temperature", *s.CPU.TemperatureCelsius, 47.712)

	s.Memory.Zram = nil // see TestMachines
	equal(t, "memory", *s.Memory, wire.Memory{
		TotalBytes:     3884316 << 10,
		UsedBytes:      (3884316 - 2210040 - 71200 - 1020340 - 52100) << 10,
		FreeBytes:      2210040 << 10,
		AvailableBytes: 3310212 << 10,
		CachedBytes:    (1020340 + 52100) << 10,
		SwapTotalBytes: 524284 << 10,
		SwapUsedBytes:  24000 << 10,
	})

	equal(t, "filesystems", len(s.Disk.Filesystems), 3)
	s.Disk.Filesystems[0].ErrorsCount, s.Disk.Filesystems[0].LifetimeWriteBytes = nil, nil // see TestMachines
	equal(t, "root", s.Disk.Filesystems[0], wire.Filesystem{Mount: "/", TotalBytes: 1000, UsedBytes: 600, FreeBytes: 300})
	equal(t, "boot is read-only", s.Disk.Filesystems[1].ReadOnly, true)
	equal(t, "mount with a space", s.Disk.Filesystems[2].Mount, "/media/pi/my disk")
	equal(t, "disk.total", s.Disk.TotalBytes, 3000)
	equal(t, "disk.read_iops", *s.Disk.ReadIOPS, 5)
	equal(t, "disk.write_iops", *s.Disk.WriteIOPS, 2)
	equal(t, "disk.read_mbps", *s.Disk.ReadThroughputMBps, 0.02048)    // 204,800 bytes in 10 s
	equal(t, "disk.write_mbps", *s.Disk.WriteThroughputMBps, 1.048576) // 10,485,760 bytes in 10 s

	equal(t, "interfaces", len(s.Network.Interfaces), 2)
	equal(t, "network.in", s.Network.TotalBytesIn, 812340122+40960)
	equal(t, "network.packets_out", s.Network.PacketsOut, 612003+14)
	equal(t, "network.errors_in", s.Network.ErrorsIn, 2)

	equal(t, "gpu.usage", *s.GPU.UsagePercent, 20)
	equal(t, "gpu.temperature", *s.GPU.TemperatureCelsius, 47.712)
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func TestPC(t *testing.T) {
	s := newMachine(t, "x86").Sample()
	accepted(t, s)
	equal(t, "frequency is the mean of /proc/cpuinfo", *s.CPU.FrequencyMHz, 2000)
	equal(t, "temperature comes from hwmon, not from acpitz", *s.CPU.TemperatureCelsius, 61)
	equal(t, "subvolumes of one device count once", len(s.Disk.Filesystems), 2)
	equal(t, "tunnels are not counted twice", s.Network.TotalBytesIn, 7000)
	if s.GPU != nil || s.Absent["gpu"] == "" {
		t.Errorf("gpu = %v, absent = %q; want null with a reason", s.GPU, s.Absent["gpu"])
	}
}

func TestContainerRootStandsForTheDisk(t *testing.T) {
	m := newMachine(t, "x86")
	b, err := os.ReadFile("testdata/container/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.root, "proc/self/mountinfo"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	s := m.Sample()
	accepted(t, s)
	if s.Disk == nil {
		t.Fatalf("no disk figures: %s", s.Absent["disk"])
	}
	equal(t, "filesystems", len(s.Disk.Filesystems), 1)
	equal(t, "mount", s.Disk.Filesystems[0].Mount, "/")
	equal(t, "total", s.Disk.TotalBytes, 1000)
}

func TestMissingFilesAreAbsentNeverZero(t *testing.T) {
	for _, c := range []struct {
		name, remove, absent string
		null                 func(wire.Sample) bool
	}{
		{"no stat", "proc/stat", "cpu", func(s wire.Sample) bool { return s.CPU == nil }},
		{"no meminfo", "proc/meminfo", "memory", func(s wire.Sample) bool { return s.Memory == nil }},
		{"no mountinfo", "proc/self/mountinfo", "disk", func(s wire.Sample) bool { return s.Disk == nil }},
		{"no net/dev", "proc/net/dev", "network", func(s wire.Sample) bool { return s.Network == nil }},
		{"no GPU", "sys/class/drm", "gpu", func(s wire.Sample) bool { return s.GPU == nil }},
		{"no sensor", "sys/class/thermal", "cpu.temperature_celsius",
			func(s wire.Sample) bool { return s.CPU.TemperatureCelsius == nil }},
		{"no clock", "sys/devices", "cpu.frequency_mhz", func(s wire.Sample) bool { return s.CPU.FrequencyMHz == nil }},
		{"no disk", "sys/block", "disk.rates", func(s wire.Sample) bool { return s.Disk.ReadIOPS == nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t, "pi4")
			m.remove(c.remove)
			s := m.Sample()
			accepted(t, s)
			if !c.null(s) || s.Absent[c.absent] == "" {
				t.Errorf("absent = %v, want %s null with a reason", s.Absent, c.absent)
			}
			if s.CPU == nil && s.Memory == nil {
				t.Error("one subject's failure took another with it")
			}
		})
	}
}

func TestHangingSubjectIsAbsentAndNotStartedAgain(t *testing.T) {
	m := newMachine(t, "pi4")
	release := make(chan struct{})
	var calls atomic.Int32
	m.subjects[2].read = func() (reading, error) {
		if calls.Add(1) > 1 {
			return func(s *wire.Sample) { s.Disk = new(wire.Disk) }, nil
		}
		<-release
		return func(s *wire.Sample) { t.Error("a late reading was put into a sample") }, nil
	}
	m.config.Timeout = time.Hour
	for _, s := range m.subjects {
		s.limit = time.Hour // nothing else may wait for it
	}
	m.subjects[2].limit = 50 * time.Millisecond
	first := m.Sample()
	equal(t, "first", first.Absent["disk"], "no answer within 50ms")
	if first.Memory == nil || first.CPU == nil {
		t.Error("the hanging subject took others with it")
	}
	second := m.Sample()
	equal(t, "second", second.Absent["disk"], "still waiting for an earlier reading")
	equal(t, "calls", calls.Load(), 1)
	close(release)
	for m.subjects[2].busy.Load() { // set by the goroutine right after the read
		runtime.Gosched()
	}
	m.subjects[2].limit = time.Hour
	if third := m.Sample(); third.Disk == nil {
		t.Errorf("the subject did not come back: %v", third.Absent)
	}
}

// TestHungFileDelaysNothing: a file that never answers costs one sample its own
// limit, no later one anything, and the other subjects nothing at all.
func TestHungFileDelaysNothing(t *testing.T) {
	m := newMachine(t, "pi5")
	m.remove("proc/pressure/cpu")
	fifo := filepath.Join(m.root, "proc/pressure/cpu")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range m.subjects {
		if s.name == "pressure" {
			s.limit = 50 * time.Millisecond
		} else {
			s.limit = time.Hour // nothing else may wait for it
		}
	}
	m.config.Timeout = time.Hour
	for i, want := range []string{"no answer within 50ms", "still waiting for an earlier reading"} {
		s := m.Sample()
		accepted(t, s)
		equal(t, "pressure", s.Absent["pressure"], want)
		if s.CPU == nil || s.Memory == nil || s.Disk == nil || s.Network == nil || s.Throttle == nil || s.Board == nil {
			t.Errorf("sample %d lacks others too: %v", i, s.Absent)
		}
	}
	if took := m.Took()["pressure"]; took < 50*time.Millisecond {
		t.Errorf("it took %s, less than it was waited for", took)
	}
	writer, err := os.OpenFile(fifo, os.O_RDWR, 0) // who waits to open it goes on
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.WriteString("some avg10=1.00 avg60=0 avg300=0 total=0\n"); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	for _, s := range m.subjects {
		for s.busy.Load() {
			runtime.Gosched()
		}
	}
}

func TestDeadDiskDoesNotHoldUpTheInventory(t *testing.T) {
	m := newMachine(t, "pi4")
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	m.config.Timeout = time.Millisecond
	m.config.Usage = func(string) (*disk.UsageStat, error) { <-release; return nil, errors.New("dead") }
	got := make(chan wire.Inventory, 1)
	go func() { got <- m.Inventory() }()
	select {
	case inventory := <-got:
		if len(inventory.Disks) == 0 || inventory.Disks[0].Device == "" || inventory.Disks[0].TotalBytes != 0 {
			t.Errorf("disks = %+v, want their names without a size", inventory.Disks)
		}
	case <-time.After(time.Minute):
		t.Error("the inventory waits for a disk that does not answer")
	}
}

func TestFailingSubjectIsAbsent(t *testing.T) {
	m := newMachine(t, "pi4")
	m.subjects[0].read = func() (reading, error) { panic("index out of range") }
	m.subjects[1].read = func() (reading, error) { return nil, errors.New(strings.Repeat("é", 100)) }
	s := m.Sample()
	accepted(t, s)
	equal(t, "panic", s.Absent["cpu"], "reading cpu failed: index out of range")
	equal(t, "long reason", s.Absent["memory"], strings.Repeat("é", 64))
	if s.Network == nil {
		t.Error("a panic took another subject with it")
	}
}

func TestThisMachine(t *testing.T) {
	c := New(Config{})
	c.Sample()
	s := c.Sample()
	accepted(t, s)
	if s.CPU == nil || s.Memory == nil || s.Disk == nil {
		t.Errorf("this machine gives no cpu, memory or disk: %v", s.Absent)
	}
	if files := c.glob("proc/pressure/io"); len(files) > 0 && s.Disk != nil && s.Disk.PressurePercent == nil {
		t.Errorf("no pressure, though %s is there: %s", files[0], s.Absent["pressure"])
	}
	if files := c.glob("sys/block/zram*/mm_stat"); len(files) > 0 && s.Memory != nil && s.Memory.Zram == nil {
		t.Errorf("no zram, though %s is there: %s", files[0], s.Absent["memory.zram"])
	}
}

// TestManySamplesLeaveNothingBehind: neither goroutines nor descriptors grow,
// however many samples are taken.
func TestManySamplesLeaveNothingBehind(t *testing.T) {
	m := newMachine(t, "pi5")
	descriptors := func() int {
		t.Helper()
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("this system does not list its descriptors")
		}
		return len(list)
	}
	m.Sample()
	before, open := runtime.NumGoroutine(), descriptors()
	for range 2000 {
		m.Sample()
	}
	for begun := time.Now(); runtime.NumGoroutine() > before+2; runtime.Gosched() { // the last readers are still ending
		if time.Since(begun) > time.Minute {
			t.Fatalf("%d goroutines became %d", before, runtime.NumGoroutine())
		}
	}
	if now := descriptors(); now > open+2 {
		t.Errorf("%d descriptors became %d", open, now)
	}
}

func BenchmarkSample(b *testing.B) {
	c := New(Config{})
	for b.Loop() {
		c.Sample()
	}
}
