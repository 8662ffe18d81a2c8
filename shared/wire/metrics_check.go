package wire

import (
	"cmp"
	"fmt"
	"math"
)

// The checks report the first fault only, and look into a list only after its
// length: joining the faults of a hostile message would cost more than the
// message itself.

// Bounds of a sample's time: 2020-01-01 and 2100-01-01. What is closer to the
// truth is for the coordinator to judge, which has a clock.
const (
	minAtMs = 1_577_836_800_000
	maxAtMs = 4_102_444_800_000
)

// maxCores is far above any machine of today.
const maxCores = 4096

func (s *Sample) check() error {
	if s.AtMs < minAtMs || s.AtMs > maxAtMs {
		return fmt.Errorf("at_ms %d is not between 2020 and 2100", s.AtMs)
	}
	if len(s.Absent) > MaxListItems {
		return fmt.Errorf("absent has %d items, limit is %d", len(s.Absent), MaxListItems)
	}
	for subject, reason := range s.Absent {
		if err := cmp.Or(text("absent", subject), text("absent", reason)); err != nil {
			return err
		}
	}
	return cmp.Or(text("update_announced", s.UpdateAnnounced), s.CPU.check(), s.Memory.check(), s.Disk.check(), s.Network.check(), s.GPU.check(), s.Throttle.check(), s.Board.check())
}

func (c *CPU) check() error {
	if c == nil {
		return nil
	}
	if c.Cores < 1 || c.Cores > maxCores {
		return fmt.Errorf("cpu.cores %d is not in 1..%d", c.Cores, maxCores)
	}
	if err := cmp.Or(
		inRange("cpu.usage_percent", c.UsagePercent, 0, 100),
		inRange("cpu.frequency_mhz", c.FrequencyMHz, 0, 1e6),
		inRange("cpu.temperature_celsius", c.TemperatureCelsius, -100, 300),
		inRange("cpu.pressure_percent", c.PressurePercent, 0, 100),
		atMost("cpu.per_core", len(c.PerCore), MaxListItems),
	); err != nil {
		return err
	}
	for i := range c.LoadAverage {
		if err := inRange("cpu.load_average", &c.LoadAverage[i], 0, 1e6); err != nil {
			return err
		}
	}
	for i := range c.PerCore {
		if err := inRange("cpu.per_core", &c.PerCore[i], 0, 100); err != nil {
			return err
		}
	}
	return nil
}

func (m *Memory) check() error {
	if m == nil {
		return nil
	}
	return cmp.Or(
		upTo("memory.total_bytes", m.TotalBytes, math.MaxInt64),
		upTo("memory.used_bytes", m.UsedBytes, m.TotalBytes),
		upTo("memory.free_bytes", m.FreeBytes, m.TotalBytes),
		upTo("memory.available_bytes", m.AvailableBytes, m.TotalBytes),
		upTo("memory.cached_bytes", m.CachedBytes, m.TotalBytes),
		upTo("memory.swap_total_bytes", m.SwapTotalBytes, math.MaxInt64),
		upTo("memory.swap_used_bytes", m.SwapUsedBytes, m.SwapTotalBytes),
		inRange("memory.pressure_percent", m.PressurePercent, 0, 100),
		inRange("memory.stalled_percent", m.StalledPercent, 0, 100),
		m.Zram.check())
}

func (z *Zram) check() error {
	if z == nil {
		return nil
	}
	return cmp.Or(
		upTo("memory.zram.data_bytes", z.DataBytes, math.MaxInt64),
		upTo("memory.zram.packed_bytes", z.PackedBytes, math.MaxInt64),
		upTo("memory.zram.memory_bytes", z.MemoryBytes, math.MaxInt64))
}

func (d *Disk) check() error {
	if d == nil {
		return nil
	}
	if err := cmp.Or(
		upTo("disk.total_bytes", d.TotalBytes, math.MaxInt64),
		upTo("disk.used_bytes", d.UsedBytes, d.TotalBytes),
		upTo("disk.free_bytes", d.FreeBytes, d.TotalBytes),
		inRange("disk.read_iops", d.ReadIOPS, 0, 1e9),
		inRange("disk.write_iops", d.WriteIOPS, 0, 1e9),
		inRange("disk.read_throughput_mbps", d.ReadThroughputMBps, 0, 1e9),
		inRange("disk.write_throughput_mbps", d.WriteThroughputMBps, 0, 1e9),
		inRange("disk.pressure_percent", d.PressurePercent, 0, 100),
		inRange("disk.stalled_percent", d.StalledPercent, 0, 100),
		inRange("disk.worn_percent", d.WornPercent, 0, 200),
		atMost("disk.filesystems", len(d.Filesystems), MaxListItems),
	); err != nil {
		return err
	}
	for i := range d.Filesystems {
		f := &d.Filesystems[i]
		if err := cmp.Or(
			text("disk.filesystems.mount", f.Mount),
			upTo("disk.filesystems.total_bytes", f.TotalBytes, math.MaxInt64),
			upTo("disk.filesystems.used_bytes", f.UsedBytes, f.TotalBytes),
			upTo("disk.filesystems.free_bytes", f.FreeBytes, f.TotalBytes),
			upToKnown("disk.filesystems.errors_count", f.ErrorsCount, math.MaxInt64),
			upToKnown("disk.filesystems.lifetime_write_bytes", f.LifetimeWriteBytes, math.MaxInt64),
		); err != nil {
			return err
		}
	}
	return nil
}

func (n *Network) check() error {
	if n == nil {
		return nil
	}
	if err := cmp.Or(
		upTo("network.total_bytes_in", n.TotalBytesIn, math.MaxInt64),
		upTo("network.total_bytes_out", n.TotalBytesOut, math.MaxInt64),
		upTo("network.packets_in", n.PacketsIn, math.MaxInt64),
		upTo("network.packets_out", n.PacketsOut, math.MaxInt64),
		upTo("network.errors_in", n.ErrorsIn, math.MaxInt64),
		upTo("network.errors_out", n.ErrorsOut, math.MaxInt64),
		atMost("network.interfaces", len(n.Interfaces), MaxListItems),
	); err != nil {
		return err
	}
	for i := range n.Interfaces {
		f := &n.Interfaces[i]
		if err := cmp.Or(
			text("network.interfaces.name", f.Name),
			upTo("network.interfaces.bytes_in", f.BytesIn, math.MaxInt64),
			upTo("network.interfaces.bytes_out", f.BytesOut, math.MaxInt64),
			inRange("network.interfaces.speed_mbps", f.SpeedMbps, 0, 1e7),
			upToKnown("network.interfaces.carrier_changes", f.CarrierChanges, math.MaxInt64),
			inRange("network.interfaces.signal_dbm", f.SignalDBm, -256, 256),
			inRange("network.interfaces.quality", f.Quality, 0, 256),
		); err != nil {
			return err
		}
	}
	return nil
}

func (g *GPU) check() error {
	if g == nil {
		return nil
	}
	for _, b := range []*uint64{g.MemoryUsedBytes, g.MemoryTotalBytes} {
		if b != nil && *b > math.MaxInt64 {
			return upTo("gpu.memory_bytes", *b, math.MaxInt64)
		}
	}
	return cmp.Or(
		inRange("gpu.usage_percent", g.UsagePercent, 0, 100),
		inRange("gpu.temperature_celsius", g.TemperatureCelsius, -100, 300),
		inRange("gpu.frequency_mhz", g.FrequencyMHz, 0, 1e6))
}

func (t *Throttle) check() error {
	if t == nil {
		return nil
	}
	return upToKnown("throttle.under_voltage_events", t.UnderVoltageEvents, math.MaxInt64)
}

func (b *Board) check() error {
	if b == nil {
		return nil
	}
	return cmp.Or(
		inRange("board.fan_rpm", b.FanRPM, 0, 1e6),
		inRange("board.input_volts", b.InputVolts, 0, 1000),
		inRange("board.power_watts", b.PowerWatts, 0, 1e6))
}
