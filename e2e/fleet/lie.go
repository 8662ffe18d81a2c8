package fleet

import (
	"math"
	"time"

	"lucid.internal/shared/wire"
)

// falling counts backwards: each network counter is less than the one before.
type falling struct{ source }

func (f falling) sample() wire.Sample {
	s := f.source.sample()
	if s.Network != nil {
		network := *s.Network
		for _, counter := range []*uint64{&network.TotalBytesIn, &network.TotalBytesOut, &network.PacketsIn, &network.PacketsOut} {
			*counter = math.MaxInt64 - min(*counter, math.MaxInt64)
		}
		s.Network = &network
	}
	return s
}

// floodBytes is what a flooding node claims to receive and send in a second: three
// times what a port of 2.5 Gbit/s carries.
const floodBytes = 1_000_000_000

// flooding counts more bytes than links carry.
type flooding struct {
	source
	interval time.Duration // of a step
	steps    uint64
}

func (f *flooding) step() {
	f.steps++
	f.source.step()
}

func (f *flooding) reboot() {
	f.steps = 0
	f.source.reboot()
}

func (f *flooding) sample() wire.Sample {
	s := f.source.sample()
	if s.Network != nil {
		network := *s.Network
		claimed := uint64(float64(f.steps) * f.interval.Seconds() * floodBytes)
		network.TotalBytesIn, network.TotalBytesOut = network.TotalBytesIn+claimed, network.TotalBytesOut+claimed
		s.Network = &network
	}
	return s
}

// frozen is one sample, for ever.
type frozen wire.Sample

func (f *frozen) step()               {}
func (f *frozen) reboot()             {}
func (f *frozen) sample() wire.Sample { return wire.Sample(*f) }

// lie is what a kind makes of a machine's metrics.
func (k Kind) lie(of source, interval time.Duration) source {
	switch k {
	case Fall:
		return falling{of}
	case Flood:
		return &flooding{source: of, interval: interval}
	case Freeze:
		of.step()
		first := frozen(of.sample())
		return &first
	}
	return of
}
