package harness

import (
	"encoding/json"
	"time"

	"lucid.internal/shared/wire"
)

// Message is one metrics message as it goes over the wire. It is never built
// twice: a repetition sends the same bytes.
type Message struct {
	Seq   uint64 // of its last sample
	Bytes []byte
}

// NewMessage builds a message of count samples, about 600 bytes each, whose
// sequence numbers begin at first, a millisecond apart.
func NewMessage(run wire.RunID, first uint64, at time.Time, count int) (Message, error) {
	return NewMessageEvery(run, first, at, time.Millisecond, count)
}

// NewMessageEvery is NewMessage with that time between its samples.
func NewMessageEvery(run wire.RunID, first uint64, at time.Time, interval time.Duration, count int) (Message, error) {
	m := wire.Metrics{V: wire.ProtocolVersion, Run: run, Samples: make([]wire.Sample, count)}
	for i := range m.Samples {
		seq := first + uint64(i)
		m.Samples[i] = sampleOf(seq, at.Add(time.Duration(i)*interval))
	}
	bytes, err := json.Marshal(m)
	return Message{Seq: m.LastSeq(), Bytes: bytes}, err
}

// sampleOf is what a Raspberry Pi 4 at work says; its counters rise with seq.
func sampleOf(seq uint64, at time.Time) wire.Sample {
	usage, frequency, temperature := 12.5+float64(seq%50), 1800.0, 51.6
	iops, rate := 14.2, 0.21
	return wire.Sample{
		Seq: seq, AtMs: at.UnixMilli(),
		CPU: &wire.CPU{
			UsagePercent: &usage, Cores: 4, FrequencyMHz: &frequency, TemperatureCelsius: &temperature,
			LoadAverage: [3]float64{0.42, 0.36, 0.31},
		},
		Memory: &wire.Memory{
			TotalBytes: 3_980_464_128, UsedBytes: 912_261_120, FreeBytes: 1_904_279_552,
			AvailableBytes: 2_941_255_680, CachedBytes: 1_021_739_008,
		},
		Disk: &wire.Disk{
			TotalBytes: 31_268_536_320, UsedBytes: 6_214_328_320, FreeBytes: 23_744_217_088,
			ReadIOPS: &iops, WriteIOPS: &iops, ReadThroughputMBps: &rate, WriteThroughputMBps: &rate,
		},
		Network: &wire.Network{
			TotalBytesIn: 81_427_713 + 900*seq, TotalBytesOut: 19_318_220 + 700*seq,
			PacketsIn: 311_204 + 3*seq, PacketsOut: 204_771 + 3*seq,
		},
	}
}
