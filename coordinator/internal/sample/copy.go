package sample

import (
	"encoding/binary"
	"math"
	"strings"

	"lucid.internal/shared/wire"
)

// columns of a row, in the order in which appendRow writes them.
var columns = [...]string{
	"at", "seq", "run_no", "node_no",
	"cpu_usage_percent", "cpu_cores", "cpu_frequency_mhz", "cpu_load_1m", "cpu_load_5m", "cpu_load_15m",
	"cpu_temperature_celsius",
	"memory_total_bytes", "memory_used_bytes", "memory_free_bytes", "memory_available_bytes",
	"memory_cached_bytes", "swap_total_bytes", "swap_used_bytes",
	"disk_total_bytes", "disk_used_bytes", "disk_free_bytes", "disk_read_iops", "disk_write_iops",
	"disk_read_mbps", "disk_write_mbps",
	"network_bytes_in", "network_bytes_out", "network_packets_in", "network_packets_out",
	"network_errors_in", "network_errors_out",
	"gpu_usage_percent", "gpu_memory_used_bytes", "gpu_memory_total_bytes", "gpu_temperature_celsius",
	"gpu_frequency_mhz", "cpu_pressure_percent", "memory_pressure_percent", "disk_pressure_percent",
	"throttle_under_voltage", "throttle_throttled", "board_fan_rpm", "board_input_volts", "board_power_watts",
	"chain", "digest",
}

func copyStatement() string {
	return "COPY sample (" + strings.Join(columns[:], ", ") + ") FROM STDIN (FORMAT binary)"
}

// copyBuffer builds the input of a binary COPY. Encoding it here instead of
// through pgx's general way costs a tenth.
type copyBuffer struct{ b []byte }

const copyHeader = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func (c *copyBuffer) reset() { c.b = append(c.b[:0], copyHeader...) }
func (c *copyBuffer) end()   { c.b = append(c.b, 0xff, 0xff) }

// row appends one sample. chain and digest are nil but for a message's last.
func (c *copyBuffer) row(nodeNo int32, runNo int64, s *wire.Sample, chain, digest []byte) {
	c.b = binary.BigEndian.AppendUint16(c.b, uint16(len(columns)))
	c.int8(timestamp(s.AtMs))
	c.int8(int64(s.Seq))
	c.int8(runNo)
	c.b = binary.BigEndian.AppendUint32(c.b, 4)
	c.b = binary.BigEndian.AppendUint32(c.b, uint32(nodeNo))
	c.cpu(s.CPU)
	c.memory(s.Memory)
	c.disk(s.Disk)
	c.network(s.Network)
	c.gpu(s.GPU)
	c.pressure(s)
	c.throttle(s.Throttle)
	c.board(s.Board)
	c.bytes(chain)
	c.bytes(digest)
}

func (c *copyBuffer) cpu(p *wire.CPU) {
	if p == nil {
		c.nulls(7)
		return
	}
	c.real(p.UsagePercent)
	c.b = binary.BigEndian.AppendUint32(c.b, 2)
	c.b = binary.BigEndian.AppendUint16(c.b, uint16(p.Cores))
	c.real(p.FrequencyMHz)
	for i := range p.LoadAverage {
		c.real(&p.LoadAverage[i])
	}
	c.real(p.TemperatureCelsius)
}

func (c *copyBuffer) memory(m *wire.Memory) {
	if m == nil {
		c.nulls(7)
		return
	}
	c.counts(m.TotalBytes, m.UsedBytes, m.FreeBytes, m.AvailableBytes, m.CachedBytes, m.SwapTotalBytes, m.SwapUsedBytes)
}

func (c *copyBuffer) disk(d *wire.Disk) {
	if d == nil {
		c.nulls(7)
		return
	}
	c.counts(d.TotalBytes, d.UsedBytes, d.FreeBytes)
	c.real(d.ReadIOPS)
	c.real(d.WriteIOPS)
	c.real(d.ReadThroughputMBps)
	c.real(d.WriteThroughputMBps)
}

func (c *copyBuffer) network(n *wire.Network) {
	if n == nil {
		c.nulls(6)
		return
	}
	c.counts(n.TotalBytesIn, n.TotalBytesOut, n.PacketsIn, n.PacketsOut, n.ErrorsIn, n.ErrorsOut)
}

func (c *copyBuffer) gpu(g *wire.GPU) {
	if g == nil {
		c.nulls(5)
		return
	}
	c.real(g.UsagePercent)
	c.optional(g.MemoryUsedBytes)
	c.optional(g.MemoryTotalBytes)
	c.real(g.TemperatureCelsius)
	c.real(g.FrequencyMHz)
}

func (c *copyBuffer) pressure(s *wire.Sample) {
	var cpu, memory, disk *float64
	if s.CPU != nil {
		cpu = s.CPU.PressurePercent
	}
	if s.Memory != nil {
		memory = s.Memory.PressurePercent
	}
	if s.Disk != nil {
		disk = s.Disk.PressurePercent
	}
	c.real(cpu)
	c.real(memory)
	c.real(disk)
}

// throttle writes 1 and 0, so that a mean is a share of the time.
func (c *copyBuffer) throttle(t *wire.Throttle) {
	if t == nil {
		c.nulls(2)
		return
	}
	c.flag(t.UnderVoltage)
	c.flag(t.Throttled)
}

func (c *copyBuffer) board(b *wire.Board) {
	if b == nil {
		c.nulls(3)
		return
	}
	c.real(b.FanRPM)
	c.real(b.InputVolts)
	c.real(b.PowerWatts)
}

func (c *copyBuffer) nulls(n int) {
	for range n {
		c.b = append(c.b, 0xff, 0xff, 0xff, 0xff)
	}
}

func (c *copyBuffer) int8(v int64) {
	c.b = binary.BigEndian.AppendUint32(c.b, 8)
	c.b = binary.BigEndian.AppendUint64(c.b, uint64(v))
}

// counts are byte counts and the like; package wire bounds them to int64.
func (c *copyBuffer) counts(values ...uint64) {
	for _, v := range values {
		c.int8(int64(v))
	}
}

func (c *copyBuffer) optional(v *uint64) {
	if v == nil {
		c.nulls(1)
		return
	}
	c.int8(int64(*v))
}

func (c *copyBuffer) real(v *float64) {
	if v == nil {
		c.nulls(1)
		return
	}
	c.b = binary.BigEndian.AppendUint32(c.b, 4)
	c.b = binary.BigEndian.AppendUint32(c.b, math.Float32bits(float32(*v)))
}

func (c *copyBuffer) flag(v *bool) {
	if v == nil {
		c.nulls(1)
		return
	}
	set := 0.0
	if *v {
		set = 1
	}
	c.real(&set)
}

func (c *copyBuffer) bytes(v []byte) {
	if v == nil {
		c.nulls(1)
		return
	}
	c.b = binary.BigEndian.AppendUint32(c.b, uint32(len(v)))
	c.b = append(c.b, v...)
}

// timestamp is Postgres' binary form: microseconds since 2000-01-01.
func timestamp(unixMs int64) int64 {
	const year2000Ms = 946_684_800_000
	return (unixMs - year2000Ms) * 1000
}
