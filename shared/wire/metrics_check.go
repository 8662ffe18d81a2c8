package wire

import (
	"errors"
	"fmt"
	"math"
)

// Bounds of a sample's time: 2020-01-01 and 2100-01-01. What is closer to the
// truth is for the coordinator to judge, which has a clock.
const (
	minAtMs = 1_577_836_800_000
	maxAtMs = 4_102_444_800_000
)

func (s *Sample) check() error {
	if s.AtMs < minAtMs || s.AtMs > maxAtMs {
		return fmt.Errorf("at_ms %d is not between 2020 and 2100", s.AtMs)
	}
	if len(s.Absent) > MaxListItems {
		return fmt.Errorf("absent has %d items, limit is %d", len(s.Absent), MaxListItems)
	}
	for subject, reason := range s.Absent {
		if len(subject) > MaxTextBytes || len(reason) > MaxTextBytes {
			return fmt.Errorf("absent: text over %d bytes", MaxTextBytes)
		}
	}
	return errors.Join(s.CPU.check(), s.Memory.check(), s.Disk.check(), s.Network.check(), s.GPU.check())
}

func (c *CPU) check() error {
	if c == nil {
		return nil
	}
	err := errors.Join(
		inRange("cpu.usage_percent", c.UsagePercent, 0, 100),
		inRange("cpu.frequency_mhz", c.FrequencyMHz, 0, 1e6),
		inRange("cpu.temperature_celsius", c.TemperatureCelsius, -100, 300),
		atMost("cpu.per_core", len(c.PerCore), MaxListItems))
	if c.Cores < 1 || c.Cores > 4096 {
		err = errors.Join(err, fmt.Errorf("cpu.cores %d is not in 1..4096", c.Cores))
	}
	for i := range c.LoadAverage {
		err = errors.Join(err, inRange("cpu.load_average", &c.LoadAverage[i], 0, 1e6))
	}
	for i := range c.PerCore {
		err = errors.Join(err, inRange("cpu.per_core", &c.PerCore[i], 0, 100))
	}
	return err
}

func (m *Memory) check() error {
	if m == nil {
		return nil
	}
	return errors.Join(
		bytesOf("memory.total_bytes", m.TotalBytes, math.MaxInt64),
		bytesOf("memory.used_bytes", m.UsedBytes, m.TotalBytes),
		bytesOf("memory.free_bytes", m.FreeBytes, m.TotalBytes),
		bytesOf("memory.available_bytes", m.AvailableBytes, m.TotalBytes),
		bytesOf("memory.cached_bytes", m.CachedBytes, m.TotalBytes),
		bytesOf("memory.swap_total_bytes", m.SwapTotalBytes, math.MaxInt64),
		bytesOf("memory.swap_used_bytes", m.SwapUsedBytes, m.SwapTotalBytes))
}

func (d *Disk) check() error {
	if d == nil {
		return nil
	}
	err := errors.Join(
		bytesOf("disk.total_bytes", d.TotalBytes, math.MaxInt64),
		bytesOf("disk.used_bytes", d.UsedBytes, d.TotalBytes),
		bytesOf("disk.free_bytes", d.FreeBytes, d.TotalBytes),
		inRange("disk.read_iops", d.ReadIOPS, 0, 1e9),
		inRange("disk.write_iops", d.WriteIOPS, 0, 1e9),
		inRange("disk.read_throughput_mbps", d.ReadThroughputMBps, 0, 1e9),
		inRange("disk.write_throughput_mbps", d.WriteThroughputMBps, 0, 1e9),
		atMost("disk.filesystems", len(d.Filesystems), MaxListItems))
	for i := range d.Filesystems {
		f := &d.Filesystems[i]
		err = errors.Join(err, text("disk.filesystems.mount", f.Mount),
			bytesOf("disk.filesystems.total_bytes", f.TotalBytes, math.MaxInt64),
			bytesOf("disk.filesystems.used_bytes", f.UsedBytes, f.TotalBytes),
			bytesOf("disk.filesystems.free_bytes", f.FreeBytes, f.TotalBytes))
	}
	return err
}

func (n *Network) check() error {
	if n == nil {
		return nil
	}
	err := errors.Join(
		bytesOf("network.total_bytes_in", n.TotalBytesIn, math.MaxInt64),
		bytesOf("network.total_bytes_out", n.TotalBytesOut, math.MaxInt64),
		bytesOf("network.packets_in", n.PacketsIn, math.MaxInt64),
		bytesOf("network.packets_out", n.PacketsOut, math.MaxInt64),
		bytesOf("network.errors_in", n.ErrorsIn, math.MaxInt64),
		bytesOf("network.errors_out", n.ErrorsOut, math.MaxInt64),
		atMost("network.interfaces", len(n.Interfaces), MaxListItems))
	for i := range n.Interfaces {
		f := &n.Interfaces[i]
		err = errors.Join(err, text("network.interfaces.name", f.Name),
			bytesOf("network.interfaces.bytes_in", f.BytesIn, math.MaxInt64),
			bytesOf("network.interfaces.bytes_out", f.BytesOut, math.MaxInt64))
	}
	return err
}

func (g *GPU) check() error {
	if g == nil {
		return nil
	}
	err := errors.Join(
		inRange("gpu.usage_percent", g.UsagePercent, 0, 100),
		inRange("gpu.temperature_celsius", g.TemperatureCelsius, -100, 300))
	for _, b := range []*uint64{g.MemoryUsedBytes, g.MemoryTotalBytes} {
		if b != nil {
			err = errors.Join(err, bytesOf("gpu.memory", *b, math.MaxInt64))
		}
	}
	return err
}

func inRange(name string, v *float64, low, high float64) error {
	if v == nil || (*v >= low && *v <= high) {
		return nil
	}
	return fmt.Errorf("%s %v is not in %v..%v", name, *v, low, high)
}

func bytesOf(name string, v, most uint64) error {
	if v <= most {
		return nil
	}
	return fmt.Errorf("%s %d is above %d", name, v, most)
}

func atMost(name string, n, most int) error {
	if n <= most {
		return nil
	}
	return fmt.Errorf("%s has %d items, limit is %d", name, n, most)
}

func text(name, s string) error {
	if len(s) <= MaxTextBytes {
		return nil
	}
	return fmt.Errorf("%s has %d bytes, limit is %d", name, len(s), MaxTextBytes)
}
