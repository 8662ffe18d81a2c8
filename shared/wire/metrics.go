package wire

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
)

// RunID names one start of an agent: 128 random bits. Sequence numbers rise
// from 1 inside a run.
type RunID [16]byte

// NewRunID draws a run id.
func NewRunID() RunID {
	var r RunID
	_, _ = rand.Read(r[:]) // crypto/rand.Read never fails since Go 1.24
	return r
}

// String is the 32 hexadecimal digits used in JSON.
func (r RunID) String() string { return hex.EncodeToString(r[:]) }

// MarshalText implements encoding.TextMarshaler.
func (r RunID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, r[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *RunID) UnmarshalText(b []byte) error {
	if len(b) != 2*len(r) {
		return fmt.Errorf("run id has %d characters, want %d", len(b), 2*len(r))
	}
	_, err := hex.Decode(r[:], b)
	return err
}

// Metrics carries one or more samples of one run. Sequence numbers of its
// samples are consecutive. Once built a message is immutable: it is sent
// again byte for byte until it is acknowledged, oldest first, because the
// running hash (package proof) covers its bytes.
type Metrics struct {
	V       int      `json:"v"`
	Run     RunID    `json:"run"`
	Samples []Sample `json:"samples"`
}

// FirstSeq and LastSeq are the sequence numbers at the ends of the message.
func (m *Metrics) FirstSeq() uint64 { return m.Samples[0].Seq }

// LastSeq names the message in the running hash.
func (m *Metrics) LastSeq() uint64 { return m.Samples[len(m.Samples)-1].Seq }

// Sample is what a machine did at one instant. A subject that the machine
// cannot give is null, and Absent says why.
type Sample struct {
	Seq     uint64   `json:"seq"`
	AtMs    int64    `json:"at_ms"` // Unix time in milliseconds, fixed once by the agent
	CPU     *CPU     `json:"cpu"`
	Memory  *Memory  `json:"memory"`
	Disk    *Disk    `json:"disk"`
	Network *Network `json:"network"`
	GPU     *GPU     `json:"gpu"`
	// What follows came after the others: older agents do not send it.
	Throttle *Throttle `json:"throttle,omitempty"`
	Board    *Board    `json:"board,omitempty"`
	// UpdateAnnounced is a version of the agent that was announced to this node
	// and does not run here; "" for none.
	UpdateAnnounced string            `json:"update_announced,omitempty"`
	Absent          map[string]string `json:"absent,omitempty"` // subject -> reason
}

// CPU in percent of all cores (0-100), MHz, degrees Celsius.
type CPU struct {
	UsagePercent       *float64   `json:"usage_percent"`
	Cores              int        `json:"cores"`
	FrequencyMHz       *float64   `json:"frequency_mhz"`
	LoadAverage        [3]float64 `json:"load_average"` // 1, 5, 15 minutes
	TemperatureCelsius *float64   `json:"temperature_celsius"`
	PerCore            []float64  `json:"per_core"` // percent
	// PressurePercent is the share of the last 10 s in which some task waited
	// for a processor (pressure stall information of the kernel).
	PressurePercent *float64 `json:"pressure_percent,omitempty"`
}

// Memory in bytes.
type Memory struct {
	TotalBytes     uint64 `json:"total_bytes"`
	UsedBytes      uint64 `json:"used_bytes"`
	FreeBytes      uint64 `json:"free_bytes"`
	AvailableBytes uint64 `json:"available_bytes"`
	CachedBytes    uint64 `json:"cached_bytes"`
	SwapTotalBytes uint64 `json:"swap_total_bytes"`
	SwapUsedBytes  uint64 `json:"swap_used_bytes"`
	// PressurePercent and StalledPercent are the shares of the last 10 s in
	// which some task, and all of them, waited for memory.
	PressurePercent *float64 `json:"pressure_percent,omitempty"`
	StalledPercent  *float64 `json:"stalled_percent,omitempty"`
	Zram            *Zram    `json:"zram,omitempty"`
}

// Zram is the swap that is packed into memory, all devices together: what was
// put there, what it is packed to, and the memory that this takes.
type Zram struct {
	DataBytes   uint64 `json:"data_bytes"`
	PackedBytes uint64 `json:"packed_bytes"`
	MemoryBytes uint64 `json:"memory_bytes"`
}

// Disk sums the real filesystems; rates are per second since the sample
// before, null in the first one. Throughput: 1e6 bytes a second.
type Disk struct {
	TotalBytes          uint64       `json:"total_bytes"`
	UsedBytes           uint64       `json:"used_bytes"`
	FreeBytes           uint64       `json:"free_bytes"`
	ReadIOPS            *float64     `json:"read_iops"`
	WriteIOPS           *float64     `json:"write_iops"`
	ReadThroughputMBps  *float64     `json:"read_throughput_mbps"`
	WriteThroughputMBps *float64     `json:"write_throughput_mbps"`
	Filesystems         []Filesystem `json:"filesystems"`
	// PressurePercent and StalledPercent are the shares of the last 10 s in
	// which some task, and all of them, waited for input or output.
	PressurePercent *float64 `json:"pressure_percent,omitempty"`
	StalledPercent  *float64 `json:"stalled_percent,omitempty"`
	// WornPercent is how much of its expected life an eMMC has used at most,
	// told in steps of ten; above 100 when it is past it. SD cards do not tell.
	WornPercent *float64 `json:"worn_percent,omitempty"`
}

// Filesystem is one mounted, real filesystem.
type Filesystem struct {
	Mount      string `json:"mount"`
	TotalBytes uint64 `json:"total_bytes"`
	UsedBytes  uint64 `json:"used_bytes"`
	FreeBytes  uint64 `json:"free_bytes"`
	ReadOnly   bool   `json:"read_only"`
	// ErrorsCount is how many errors ext4 has noted since its last check;
	// nil where the filesystem keeps no count.
	ErrorsCount *uint64 `json:"errors_count,omitempty"`
	// LifetimeWriteBytes is what was written to the filesystem since it was
	// made, which ext4 counts.
	LifetimeWriteBytes *uint64 `json:"lifetime_write_bytes,omitempty"`
}

// Network sums the interfaces; counters rise from the machine's boot.
type Network struct {
	Interfaces    []Interface `json:"interfaces"`
	TotalBytesIn  uint64      `json:"total_bytes_in"`
	TotalBytesOut uint64      `json:"total_bytes_out"`
	PacketsIn     uint64      `json:"packets_in"`
	PacketsOut    uint64      `json:"packets_out"`
	ErrorsIn      uint64      `json:"errors_in"`
	ErrorsOut     uint64      `json:"errors_out"`
}

// Interface is one network interface.
type Interface struct {
	Name     string `json:"name"`
	BytesIn  uint64 `json:"bytes_in"`
	BytesOut uint64 `json:"bytes_out"`
	// SpeedMbps is of a link that is up by cable; CarrierChanges counts how
	// often the link came or went since the machine's boot.
	SpeedMbps      *float64 `json:"speed_mbps,omitempty"`
	CarrierChanges *uint64  `json:"carrier_changes,omitempty"`
	// SignalDBm and Quality (as the driver counts it, mostly of 70) are of a
	// wireless link that is up.
	SignalDBm *float64 `json:"signal_dbm,omitempty"`
	Quality   *float64 `json:"quality,omitempty"`
}

// GPU in percent, bytes, degrees Celsius.
type GPU struct {
	UsagePercent       *float64 `json:"usage_percent"`
	MemoryUsedBytes    *uint64  `json:"memory_used_bytes"`
	MemoryTotalBytes   *uint64  `json:"memory_total_bytes"`
	TemperatureCelsius *float64 `json:"temperature_celsius"`
	FrequencyMHz       *float64 `json:"frequency_mhz,omitempty"`
}

// Throttle is what the firmware of a Raspberry Pi holds back at this moment,
// null where only another source speaks.
type Throttle struct {
	UnderVoltage *bool `json:"under_voltage"` // the supply is below 4.63 V
	Capped       *bool `json:"capped"`        // the ARM frequency is capped
	Throttled    *bool `json:"throttled"`     // the clock is throttled
	SoftLimit    *bool `json:"soft_limit"`    // the soft temperature limit is active
	// UnderVoltageEvents counts how often under-voltage began since the agent
	// started.
	UnderVoltageEvents *uint64 `json:"under_voltage_events,omitempty"`
}

// Board is what the machine tells of itself beside its chips: the fan, and the
// power supply of a Raspberry Pi 5.
type Board struct {
	FanRPM     *float64 `json:"fan_rpm"`
	InputVolts *float64 `json:"input_volts"` // of the 5 V supply
	PowerWatts *float64 `json:"power_watts"` // of all rails behind the power chip, without what it loses itself
}

// DecodeMetrics parses and checks a metrics payload. The error says what is
// wrong with it in one line; the message must then be dead-lettered.
func DecodeMetrics(payload []byte) (*Metrics, error) {
	if err := checkSize(payload); err != nil {
		return nil, err
	}
	m, err := readMetrics(payload)
	if err != nil {
		return nil, fmt.Errorf("not a metrics message: %w", err)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Metrics) check() error {
	switch {
	case m.V != ProtocolVersion:
		return version(m.V)
	case m.Run == RunID{}:
		return errors.New("run id is missing")
	case len(m.Samples) == 0:
		return errors.New("no samples")
	case len(m.Samples) > MaxSamplesPerMessage:
		return fmt.Errorf("%d samples, limit is %d", len(m.Samples), MaxSamplesPerMessage)
	case m.Samples[0].Seq == 0:
		return errors.New("sequence numbers start at 1")
	}
	for i := range m.Samples {
		s := &m.Samples[i]
		if s.Seq != m.Samples[0].Seq+uint64(i) || s.Seq > math.MaxInt64 {
			return fmt.Errorf("samples[%d].seq is %d, want %d", i, s.Seq, m.Samples[0].Seq+uint64(i))
		}
		if err := s.check(); err != nil {
			return fmt.Errorf("samples[%d].%w", i, err)
		}
	}
	return nil
}
