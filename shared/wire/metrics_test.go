package wire

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

func goodMetrics() *Metrics {
	f := func(v float64) *float64 { return &v }
	u := func(v uint64) *uint64 { return &v }
	full := Sample{
		Seq: 7, AtMs: 1_767_225_600_000,
		CPU: &CPU{UsagePercent: f(12.5), Cores: 4, FrequencyMHz: f(1800), LoadAverage: [3]float64{0.1, 0.2, 0.3},
			TemperatureCelsius: f(48.3), PerCore: []float64{1, 2, 3, 100}, PressurePercent: f(1.5)},
		Memory: &Memory{TotalBytes: 100, UsedBytes: 40, FreeBytes: 60, AvailableBytes: 50, CachedBytes: 10, SwapTotalBytes: 9, SwapUsedBytes: 9,
			PressurePercent: f(0.5), StalledPercent: f(0), Zram: &Zram{DataBytes: 30, PackedBytes: 10, MemoryBytes: 11}},
		Disk: &Disk{TotalBytes: 1000, UsedBytes: 400, FreeBytes: 600, ReadIOPS: f(1), WriteIOPS: f(2), ReadThroughputMBps: f(0.5),
			WriteThroughputMBps: f(0), Filesystems: []Filesystem{{Mount: "/", TotalBytes: 1000, UsedBytes: 400, FreeBytes: 600, ReadOnly: true, ErrorsCount: u(3), LifetimeWriteBytes: u(9)}},
			PressurePercent: f(2), StalledPercent: f(1), WornPercent: f(20)},
		Network: &Network{Interfaces: []Interface{{Name: "eth0", BytesIn: 1, BytesOut: 2, SpeedMbps: f(1000), CarrierChanges: u(3), SignalDBm: f(-51), Quality: f(59)}}, TotalBytesIn: 1, TotalBytesOut: 2,
			PacketsIn: 3, PacketsOut: 4, ErrorsIn: 5, ErrorsOut: 6},
		GPU:      &GPU{UsagePercent: f(0), MemoryUsedBytes: u(1), MemoryTotalBytes: u(2), TemperatureCelsius: f(50), FrequencyMHz: f(500)},
		Throttle: &Throttle{UnderVoltage: new(true), Capped: new(false), Throttled: new(true), SoftLimit: new(false), UnderVoltageEvents: u(2)},
		Board:    &Board{FanRPM: f(2500), InputVolts: f(5.1), PowerWatts: f(3.2)},

		UpdateAnnounced: "1.4.0",
	}
	empty := Sample{Seq: 8, AtMs: 1_767_225_602_000, Absent: map[string]string{"gpu": "no GPU", "disk": "permission denied"}}
	return &Metrics{V: 1, Run: RunID{0xab, 15: 0xcd}, Samples: []Sample{full, empty}}
}

func TestMetricsRoundTrip(t *testing.T) {
	want := goodMetrics()
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeMetrics(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got.FirstSeq() != 7 || got.LastSeq() != 8 {
		t.Errorf("sequence numbers %d to %d, want 7 to 8", got.FirstSeq(), got.LastSeq())
	}
}

func TestDecodeMetrics(t *testing.T) {
	const above = uint64(math.MaxInt64) + 1
	checkRefusals(t, goodMetrics(), DecodeMetrics, []refusal{
		{"other version", "v", 2, "protocol version 2, want 1"},
		{"no run", "run", absent, "run id is missing"},
		{"long run", "run", strings.Repeat("a", 34), "run id has 34 characters"},
		{"run not hex", "run", strings.Repeat("g", 32), "not a metrics message"},
		{"no samples", "samples", []any{}, "no samples"},
		{"null samples", "samples", nil, "no samples"},
		{"257 samples", "samples", list(257, map[string]any{}), "more than 256 items"},
		{"seq 0", "samples.0.seq", 0, "start at 1"},
		{"gap", "samples.1.seq", 9, "samples[1].seq is 9, want 8"},
		{"same seq", "samples.1.seq", 7, "samples[1].seq is 7, want 8"},
		{"negative seq", "samples.0.seq", -1, "not a metrics message"},
		{"fraction", "samples.0.seq", 7.5, "not a metrics message"},
		{"seq beyond int64", "samples.0.seq", above, "samples[0].seq is 9223372036854775808"},
		{"before 2020", "samples.0.at_ms", 1_577_836_799_999, "samples[0].at_ms 1577836799999 is not between"},
		{"after 2100", "samples.0.at_ms", 4_102_444_800_001, "is not between 2020 and 2100"},
		{"seconds for milliseconds", "samples.0.at_ms", 1_767_225_600, "is not between 2020 and 2100"},
		{"absent reason too long", "samples.1.absent.gpu", long, "absent has 129 bytes"},
		{"NUL in absent", "samples.1.absent.gpu", "\x00", "absent holds the control character U+0000"},
		{"NUL in absent subject", "samples.1.absent.a\x00", "x", "absent holds the control character U+0000"},
		{"usage over 100", "samples.0.cpu.usage_percent", 100.1, "cpu.usage_percent 100.1 is not in 0..100"},
		{"negative usage", "samples.0.cpu.usage_percent", -0.1, "cpu.usage_percent -0.1"},
		{"usage as text", "samples.0.cpu.usage_percent", "12", "not a metrics message"},
		{"a number that no float holds", "samples.0.cpu.usage_percent", json.RawMessage("1e999"), "not a metrics message"},
		{"no cores", "samples.0.cpu.cores", 0, "cpu.cores 0 is not in 1..4096"},
		{"frequency", "samples.0.cpu.frequency_mhz", 1e7, "cpu.frequency_mhz 1e+07"},
		{"load", "samples.0.cpu.load_average.2", -1, "cpu.load_average -1"},
		{"cold", "samples.0.cpu.temperature_celsius", -101, "cpu.temperature_celsius -101"},
		{"65 cores", "samples.0.cpu.per_core", list(65, 1), "more than 64 items"},
		{"core over 100", "samples.0.cpu.per_core.3", 101, "cpu.per_core 101"},
		{"memory beyond int64", "samples.0.memory.total_bytes", above, "memory.total_bytes 9223372036854775808 is above"},
		{"used above total", "samples.0.memory.used_bytes", 101, "memory.used_bytes 101 is above 100"},
		{"free above total", "samples.0.memory.free_bytes", 101, "memory.free_bytes"},
		{"available above total", "samples.0.memory.available_bytes", 101, "memory.available_bytes"},
		{"cached above total", "samples.0.memory.cached_bytes", 101, "memory.cached_bytes"},
		{"swap beyond int64", "samples.0.memory.swap_total_bytes", above, "memory.swap_total_bytes"},
		{"swap used above total", "samples.0.memory.swap_used_bytes", 10, "memory.swap_used_bytes 10 is above 9"},
		{"disk beyond int64", "samples.0.disk.total_bytes", above, "disk.total_bytes"},
		{"disk used above total", "samples.0.disk.used_bytes", 1001, "disk.used_bytes"},
		{"disk free above total", "samples.0.disk.free_bytes", 1001, "disk.free_bytes"},
		{"read iops", "samples.0.disk.read_iops", -1, "disk.read_iops"},
		{"write iops", "samples.0.disk.write_iops", 1e10, "disk.write_iops"},
		{"read rate", "samples.0.disk.read_throughput_mbps", -1, "disk.read_throughput_mbps"},
		{"write rate", "samples.0.disk.write_throughput_mbps", -1, "disk.write_throughput_mbps"},
		{"65 filesystems", "samples.0.disk.filesystems", list(65, map[string]any{}), "more than 64 items"},
		{"mount too long", "samples.0.disk.filesystems.0.mount", long, "disk.filesystems.mount has 129"},
		{"NUL in mount", "samples.0.disk.filesystems.0.mount", "/\x00", "disk.filesystems.mount holds"},
		{"filesystem beyond int64", "samples.0.disk.filesystems.0.total_bytes", above, "disk.filesystems.total_bytes"},
		{"filesystem used", "samples.0.disk.filesystems.0.used_bytes", 1001, "disk.filesystems.used_bytes"},
		{"filesystem free", "samples.0.disk.filesystems.0.free_bytes", 1001, "disk.filesystems.free_bytes"},
		{"bytes in", "samples.0.network.total_bytes_in", above, "network.total_bytes_in"},
		{"bytes out", "samples.0.network.total_bytes_out", above, "network.total_bytes_out"},
		{"packets in", "samples.0.network.packets_in", above, "network.packets_in"},
		{"packets out", "samples.0.network.packets_out", above, "network.packets_out"},
		{"errors in", "samples.0.network.errors_in", above, "network.errors_in"},
		{"errors out", "samples.0.network.errors_out", above, "network.errors_out"},
		{"65 interfaces", "samples.0.network.interfaces", list(65, map[string]any{}), "more than 64 items"},
		{"interface name", "samples.0.network.interfaces.0.name", "a\nb", "network.interfaces.name holds"},
		{"interface in", "samples.0.network.interfaces.0.bytes_in", above, "network.interfaces.bytes_in"},
		{"interface out", "samples.0.network.interfaces.0.bytes_out", above, "network.interfaces.bytes_out"},
		{"gpu usage", "samples.0.gpu.usage_percent", 101, "gpu.usage_percent"},
		{"gpu heat", "samples.0.gpu.temperature_celsius", 301, "gpu.temperature_celsius"},
		{"gpu memory", "samples.0.gpu.memory_used_bytes", above, "gpu.memory_bytes"},
		{"gpu clock", "samples.0.gpu.frequency_mhz", -1, "gpu.frequency_mhz"},
		{"cpu pressure", "samples.0.cpu.pressure_percent", 101, "cpu.pressure_percent"},
		{"memory pressure", "samples.0.memory.pressure_percent", -1, "memory.pressure_percent"},
		{"memory stalled", "samples.0.memory.stalled_percent", 101, "memory.stalled_percent"},
		{"zram", "samples.0.memory.zram.packed_bytes", above, "memory.zram.packed_bytes"},
		{"disk pressure", "samples.0.disk.pressure_percent", 101, "disk.pressure_percent"},
		{"disk worn", "samples.0.disk.worn_percent", 201, "disk.worn_percent"},
		{"written", "samples.0.disk.filesystems.0.lifetime_write_bytes", above, "lifetime_write_bytes"},
		{"link speed", "samples.0.network.interfaces.0.speed_mbps", -1, "speed_mbps"},
		{"signal", "samples.0.network.interfaces.0.signal_dbm", -300, "signal_dbm"},
		{"quality", "samples.0.network.interfaces.0.quality", 300, "quality"},
		{"carrier", "samples.0.network.interfaces.0.carrier_changes", above, "carrier_changes"},
		{"events", "samples.0.throttle.under_voltage_events", above, "under_voltage_events"},
		{"announced", "samples.0.update_announced", "1\x00", "update_announced holds"},
		{"fan", "samples.0.board.fan_rpm", -1, "board.fan_rpm"},
		{"supply", "samples.0.board.input_volts", 1001, "board.input_volts"},
		{"power", "samples.0.board.power_watts", -1, "board.power_watts"},
	})
}

func TestDecodeMetricsAccepts(t *testing.T) {
	for _, c := range []struct {
		name, path string
		value      any
	}{
		{"no CPU", "samples.0.cpu", nil},
		{"nothing but time", "samples.1.absent", absent},
		{"usage 0", "samples.0.cpu.usage_percent", 0},
		{"usage 100", "samples.0.cpu.usage_percent", 100},
		{"usage unknown", "samples.0.cpu.usage_percent", nil},
		{"64 cores", "samples.0.cpu.per_core", list(64, 1)},
		{"greatest counter", "samples.0.network.total_bytes_in", uint64(math.MaxInt64)},
		{"mount of 128 bytes", "samples.0.disk.filesystems.0.mount", strings.Repeat("x", 128)},
		{"mount in Greek", "samples.0.disk.filesystems.0.mount", "/ελ"},
		{"2020", "samples.0.at_ms", 1_577_836_800_000},
		{"2100", "samples.0.at_ms", 4_102_444_800_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := DecodeMetrics(with(t, goodMetrics(), c.path, c.value)); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
	full := goodMetrics()
	full.Samples = make([]Sample, MaxSamplesPerMessage)
	for i := range full.Samples {
		full.Samples[i] = Sample{Seq: math.MaxInt64 - uint64(MaxSamplesPerMessage-1-i), AtMs: minAtMs}
	}
	b, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeMetrics(b); err != nil {
		t.Errorf("256 samples up to the last sequence number: %v", err)
	}
}

// The worst messages that fit are refused without being taken in.
func TestRefusalIsCheap(t *testing.T) {
	absents := make(map[string]string)
	for i := range 10000 {
		absents[strconv.Itoa(i)] = ""
	}
	for name, bad := range map[string][]byte{
		"samples":  with(t, goodMetrics(), "samples", list(40000, map[string]any{})),
		"cores":    with(t, goodMetrics(), "samples.0.cpu.per_core", list(20000, 999)),
		"subjects": with(t, goodMetrics(), "samples.0.absent", absents),
	} {
		var err error
		allocations := testing.AllocsPerRun(1, func() { _, err = DecodeMetrics(bad) })
		if err == nil || allocations > 2*MaxSamplesPerMessage {
			t.Errorf("%s: %v after %v allocations", name, err, allocations)
		}
	}
}

func TestRunID(t *testing.T) {
	a, b := NewRunID(), NewRunID()
	if a == b || a == (RunID{}) {
		t.Errorf("run ids %s and %s", a, b)
	}
	text, err := a.MarshalText()
	if err != nil || string(text) != a.String() || len(text) != 32 {
		t.Errorf("text %q, %v", text, err)
	}
	var back RunID
	if err := back.UnmarshalText(text); err != nil || back != a {
		t.Errorf("back %s, %v", back, err)
	}
}

// What is accepted is what encoding/json accepts, and can be written and read
// again without a change.
func FuzzDecodeMetrics(f *testing.F) {
	b, err := json.Marshal(goodMetrics())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"v":1,"run":"000000000000000000000000000000ff","samples":[{"seq":1,"at_ms":1767225600000}]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		compareWithReflection(t, payload)
		m, err := DecodeMetrics(payload)
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > MaxMessageBytes {
			return // null fields left out by the sender are written in full
		}
		back, err := DecodeMetrics(again)
		if err != nil || !reflect.DeepEqual(back, m) {
			t.Errorf("read %s, wrote %s: %v", payload, again, err)
		}
		if at := time.UnixMilli(m.Samples[0].AtMs).UTC().Year(); at < 2020 || at > 2100 {
			t.Errorf("year %d", at)
		}
	})
}
