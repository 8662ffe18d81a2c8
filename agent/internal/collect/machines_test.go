package collect

import (
	"testing"

	"lucid.internal/shared/wire"
)

// TestMachines reads every machine: what each gives beyond what
// all do, and that what it does not give is null with a reason.
func TestMachines(t *testing.T) {
	for name, want := range map[string]struct {
		model   string
		figures map[string]float64 // all that are there
		absent  []string           // besides rates
	}{
		"zero2w": {"Raspberry Pi Zero 2 W Rev 1.0", map[string]float64{
			"cpu.frequency": 1000, "cpu.temperature": 53.692,
			"zram.data": 53440512, "zram.packed": 16120832, "zram.memory": 17825792,
			"root.errors": 0, "root.written": 1 << 30,
			"wlan0.carrier": 4, "wlan0.signal": -67, "wlan0.quality": 43,
			"throttle.events": 0,
		}, []string{"pressure", "disk.worn_percent", "disk.health", "network.links", "gpu", "fan", "firmware"}},
		"pi3": {"Raspberry Pi 3 Model B Plus Rev 1.3", map[string]float64{
			"cpu.frequency": 600, "cpu.temperature": 61.224, "cpu.pressure": 3.5,
			"memory.pressure": 1.25, "memory.stalled": 0.75, "disk.pressure": 12, "disk.stalled": 9.5,
			"root.errors": 7, "root.written": 20 << 30,
			"eth0.carrier": 2, "eth0.speed": 100, "wlan0.carrier": 1,
			"throttle.events": 1,
		}, []string{"memory.zram", "network.wireless", "network.links", "disk.worn_percent", "disk.health", "gpu", "throttle.bits", "fan", "firmware"}},
		"pi4": {"Raspberry Pi 4 Model B Rev 1.4", map[string]float64{
			"cpu.frequency": 1500, "cpu.temperature": 47.712, "gpu.temperature": 47.712,
			"zram.data": 24576000, "zram.packed": 6291456, "zram.memory": 6815744,
			"root.errors": 0, "root.written": 50 << 30,
			"eth0.carrier": 2, "eth0.speed": 1000, "wlan0.carrier": 1,
			"throttle.events": 0,
		}, []string{"pressure", "network.wireless", "network.links", "disk.worn_percent", "disk.health", "gpu.memory", "fan", "firmware"}},
		"pi5": {"Raspberry Pi 5 Model B Rev 1.0", map[string]float64{
			"cpu.frequency": 1500.033, "cpu.temperature": 52.35, "gpu.temperature": 52.35, "gpu.frequency": 500.001, "gpu.memory": 8 << 20,
			"cpu.pressure": 0.54, "memory.pressure": 0, "memory.stalled": 0, "disk.pressure": 0.22, "disk.stalled": 0.11,
			"zram.data": 4096, "zram.packed": 74, "zram.memory": 12288,
			"root.errors": 0, "root.written": 300 << 30,
			"eth0.carrier": 2, "eth0.speed": 1000, "wlan0.carrier": 3, "wlan0.signal": -51, "wlan0.quality": 59,
			"throttle.events": 0, "board.fan": 3054, "board.volts": 5.151,
			"board.watts": 1.78, // 0.1*3.7 + 0.2*3.3 + 1*0.75
		}, []string{"disk.worn_percent", "disk.health", "network.links", "gpu.memory_used_bytes"}},
		"x86": {"LENOVO 20L5S00000", map[string]float64{
			"cpu.frequency": 2000, "cpu.temperature": 61, "cpu.pressure": 0,
			"memory.pressure": 0, "memory.stalled": 0, "disk.pressure": 0.31, "disk.stalled": 0.2,
			"enp3s0.carrier": 2, "enp3s0.speed": 2500,
		}, []string{"memory.zram", "network.wireless", "disk.worn_percent", "disk.health", "gpu", "throttle", "fan", "firmware"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, name)
			s := m.Sample()
			accepted(t, s)
			equal(t, "model", m.Inventory().Model, want.model)
			got := particular(s)
			for figure, value := range want.figures {
				if g, there := got[figure]; !there || g != value {
					t.Errorf("%s is %v (%v), want %v; absent %v", figure, g, there, value, s.Absent)
				}
				delete(got, figure)
			}
			for figure, value := range got {
				t.Errorf("%s is %v, want none", figure, value)
			}
			wantReasons(t, s)
			for _, rate := range []string{"cpu.usage_percent", "cpu.per_core", "disk.rates", "gpu.usage_percent"} {
				delete(s.Absent, rate)
			}
			for _, what := range want.absent {
				if s.Absent[what] == "" {
					t.Errorf("no reason is given for %s", what)
				}
				delete(s.Absent, what)
			}
			for what, why := range s.Absent {
				t.Errorf("%s is absent because of %q", what, why)
			}
		})
	}
}

// particular are the figures of a sample that not every machine gives.
func particular(s wire.Sample) map[string]float64 {
	got := make(map[string]float64)
	put := func(name string, v *float64) {
		if v != nil {
			got[name] = *v
		}
	}
	count := func(name string, v *uint64) {
		if v != nil {
			got[name] = float64(*v)
		}
	}
	put("cpu.frequency", s.CPU.FrequencyMHz)
	put("cpu.temperature", s.CPU.TemperatureCelsius)
	put("cpu.pressure", s.CPU.PressurePercent)
	put("memory.pressure", s.Memory.PressurePercent)
	put("memory.stalled", s.Memory.StalledPercent)
	if z := s.Memory.Zram; z != nil {
		count("zram.data", &z.DataBytes)
		count("zram.packed", &z.PackedBytes)
		count("zram.memory", &z.MemoryBytes)
	}
	put("disk.pressure", s.Disk.PressurePercent)
	put("disk.stalled", s.Disk.StalledPercent)
	put("disk.worn", s.Disk.WornPercent)
	count("root.errors", s.Disk.Filesystems[0].ErrorsCount)
	count("root.written", s.Disk.Filesystems[0].LifetimeWriteBytes)
	for _, f := range s.Network.Interfaces {
		put(f.Name+".speed", f.SpeedMbps)
		put(f.Name+".signal", f.SignalDBm)
		put(f.Name+".quality", f.Quality)
		count(f.Name+".carrier", f.CarrierChanges)
	}
	if g := s.GPU; g != nil {
		put("gpu.temperature", g.TemperatureCelsius)
		put("gpu.frequency", g.FrequencyMHz)
		count("gpu.memory", g.MemoryTotalBytes)
	}
	if s.Throttle != nil {
		count("throttle.events", s.Throttle.UnderVoltageEvents)
	}
	if b := s.Board; b != nil {
		put("board.fan", b.FanRPM)
		put("board.volts", b.InputVolts)
		put("board.watts", b.PowerWatts)
	}
	return got
}

func TestWornEMMC(t *testing.T) {
	m := newMachine(t, "pi4")
	for text, want := range map[string]float64{"0x01 0x02\n": 20, "0x0b 0x01\n": 110, "0x00 0x03": 30, "0x00 0x00\n": -1, "0xff 0x10": -1, "": -1} {
		m.write("sys/block/mmcblk0/device/life_time", text)
		worn := m.Sample().Disk.WornPercent
		if got := worn; want < 0 && got != nil || want >= 0 && (got == nil || *got != want) {
			t.Errorf("%q is worn %v, want %v", text, worn, want)
		}
	}
}

func TestFiguresThatSayNonsenseAreNull(t *testing.T) {
	m := newMachine(t, "pi5")
	m.write("proc/pressure/io", "some avg10=nan avg60=0 avg300=0 total=0\n")
	m.write("sys/block/zram0/mm_stat", "1 2\n")
	m.write("sys/class/net/eth0/speed", "-1\n")
	m.write("proc/net/wireless", "head\n wlan0: 0000   300.   54.  -256 0\n")
	m.write("sys/devices/platform/cooling_fan/hwmon/hwmon2/fan1_input", "-5\n")
	s := m.Sample()
	accepted(t, s)
	if s.CPU.PressurePercent != nil || s.Disk.PressurePercent != nil || s.Absent["pressure"] != `/proc/pressure/io: it says "some avg10=nan avg60=0 avg300=0 total=0"` {
		t.Errorf("pressure %v, absent %q", s.Disk.PressurePercent, s.Absent["pressure"])
	}
	if s.Memory == nil || s.Memory.Zram != nil || s.Absent["memory.zram"] == "" {
		t.Errorf("memory %+v, absent %q", s.Memory, s.Absent["memory.zram"])
	}
	for _, f := range s.Network.Interfaces {
		if f.SpeedMbps != nil || f.SignalDBm != nil || f.Quality != nil {
			t.Errorf("link %+v", f)
		}
	}
	if s.Board.FanRPM != nil || s.Absent["fan"] == "" {
		t.Errorf("fan %v, absent %q", *s.Board.FanRPM, s.Absent["fan"])
	}
}

func FuzzFigures(f *testing.F) {
	f.Add("some avg10=0.12 avg60=0.05 avg300=0.01 total=148757\nfull avg10=0 avg60=0 avg300=0 total=0\n")
	f.Add(" wlan0: 0000   59.  -51.  -256 0\n")
	f.Add("0x01 0x0b\n")
	f.Add("1 2 3 4")
	f.Add(" VDD_CORE_A current(7)=1.1A\n VDD_CORE_V volt(15)=0.7V\n EXT5V_V volt(24)=5.1V\n")
	f.Fuzz(func(t *testing.T, text string) {
		s := wire.Sample{CPU: &wire.CPU{Cores: 1}, Memory: new(wire.Memory), Disk: new(wire.Disk), Network: new(wire.Network), Board: new(wire.Board)}
		if p, err := parsePressure(text); err == nil {
			s.CPU.PressurePercent, s.Memory.StalledPercent = p.some, p.full
		}
		zram := new(wire.Zram)
		if addZram(zram, text) == nil {
			s.Memory.Zram = zram
		}
		s.Disk.WornPercent = parseLifeTime(text)
		for _, link := range parseWireless(text) {
			s.Network.Interfaces = []wire.Interface{{Name: "wlan0", SignalDBm: link.dBm, Quality: link.quality}}
		}
		if found, err := parseSupply(text); err == nil {
			s.Board.InputVolts, s.Board.PowerWatts = found.volts, found.watts
		}
		accepted(t, s)
	})
}
