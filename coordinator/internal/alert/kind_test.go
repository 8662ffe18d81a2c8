package alert

import (
	"testing"
	"time"

	"lucid.internal/shared/wire"
)

// Each kind fires by its default threshold, and ends: from the message that tells
// of it, or from presence and verdict.
func TestEveryKindFiresAndEnds(t *testing.T) {
	type story struct {
		begins func(*fleet)
		goesOn func(*fleet) // every minute; nil: nothing has to be told again
		ends   func(*fleet)
	}
	told := func(bad, well wire.Sample) story {
		tell := func(s wire.Sample) func(*fleet) {
			return func(f *fleet) { s.AtMs = f.time.UnixMilli(); f.take("node_a", s) }
		}
		return story{tell(bad), tell(bad), tell(well)}
	}
	cpu := func(c wire.CPU) wire.Sample { c.Cores = 4; return wire.Sample{CPU: &c} }
	memory := func(available uint64) wire.Sample {
		return wire.Sample{Memory: &wire.Memory{TotalBytes: 100, AvailableBytes: available}}
	}
	disk := func(used, errors uint64) wire.Sample {
		root := wire.Filesystem{Mount: "/", TotalBytes: 100, UsedBytes: used, FreeBytes: 100 - used, ErrorsCount: &errors}
		return wire.Sample{Disk: &wire.Disk{Filesystems: []wire.Filesystem{root}}}
	}
	firmware := func(underVoltage, capped bool) wire.Sample {
		return wire.Sample{Throttle: &wire.Throttle{UnderVoltage: &underVoltage, Capped: &capped, Throttled: ref(false)}}
	}
	slowClock := func(f *fleet) { f.take("node_a", wire.Sample{AtMs: f.time.Add(-4 * time.Minute).UnixMilli()}) }
	stories := map[Kind]story{
		CPU:          told(cpu(wire.CPU{UsagePercent: ref(92.0)}), cpu(wire.CPU{UsagePercent: ref(20.0)})),
		Temperature:  told(cpu(wire.CPU{TemperatureCelsius: ref(79.0)}), cpu(wire.CPU{TemperatureCelsius: ref(50.0)})),
		Memory:       told(memory(8), memory(80)),
		Disk:         told(disk(90, 0), disk(10, 0)),
		SDErrors:     told(disk(10, 3), disk(10, 0)),
		UnderVoltage: told(firmware(true, false), firmware(false, false)),
		Throttled:    told(firmware(false, true), firmware(false, false)),
		ClockSkew:    {slowClock, slowClock, func(f *fleet) { f.take("node_a", wire.Sample{AtMs: f.time.UnixMilli()}) }},
		Offline:      {func(f *fleet) { f.leaves("node_a") }, nil, func(f *fleet) { f.exec("UPDATE node SET online = true") }},
		ProofFailures: {func(f *fleet) {
			f.verdict("missed")
			f.time = f.time.Add(time.Second)
			f.verdict("invalid")
		}, nil, func(f *fleet) { f.verdict("valid") }},
	}
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			f, s := newFleet(t), stories[kind]
			f.node("node_a")
			s.begins(f)
			f.run()
			for range 12 {
				f.time = f.time.Add(time.Minute)
				if s.goesOn != nil {
					s.goesOn(f)
				}
				f.run()
			}
			f.want("while it lasts", f.told, "node_a "+string(kind)+" firing warning")
			f.time = f.time.Add(time.Minute)
			s.ends(f)
			f.run()
			f.want("in the end", f.told[min(1, len(f.told)):], "node_a "+string(kind)+" resolved warning")
			if open := f.list(Filter{Active: true}); len(open) != 0 {
				t.Errorf("still open: %+v", open)
			}
		})
	}
}
