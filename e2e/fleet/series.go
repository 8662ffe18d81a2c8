package fleet

import (
	"math"
	"math/rand/v2"
	"time"

	"lucid.internal/shared/wire"
)

// model is a kind of Raspberry Pi.
type model struct {
	name            string
	cores           int
	mhz             float64
	memory, disk    uint64 // bytes
	hashesPerSecond float64
}

// models with the rate at which one low-priority thread solves puzzles: about
// 200 ms for 8 puzzles of 14 bits on a Pi 4, the others by their clock.
var models = []model{
	{"Raspberry Pi Zero 2 W Rev 1.0", 4, 1000, 512 << 20, 16e9, 120_000},
	{"Raspberry Pi 3 Model B Plus Rev 1.3", 4, 1400, 1 << 30, 32e9, 180_000},
	{"Raspberry Pi 4 Model B Rev 1.4", 4, 1800, 4 << 30, 32e9, 330_000},
	{"Raspberry Pi 5 Model B Rev 1.0", 4, 2400, 8 << 30, 64e9, 800_000},
}

// slowest is a board that nobody here is: it leaves most room to be faster than.
var slowest = model{"Raspberry Pi Zero W Rev 1.1", 1, 1000, 512 << 20, 16e9, 30_000}

// modelOf is the board that a node says to be: drawn, where the configuration names
// none and the node does not cheat about it.
func (c *Config) modelOf(index int, kind Kind) model {
	if declared, other := kind.declared(); other {
		return declared
	}
	for _, m := range models {
		if m.name == c.Model {
			return m
		}
	}
	return models[rand.New(rand.NewPCG(c.Seed, uint64(index))).IntN(len(models))]
}

// Models names the boards that nodes can be.
func Models() (names []string) {
	for _, m := range models {
		names = append(names, m.name)
	}
	return names
}

// declared is what those say to be who answer with another machine: boards whose
// speed has a bound. Who solves as fast as this machine can poses as the slowest;
// Swift as any, to be compared with others of its model.
func (k Kind) declared() (m model, other bool) {
	switch {
	case k == Relay || k == Pad:
		return slowest, true
	case k.oneMachine():
		return models[2], true
	}
	return model{}, false
}

// source is where a node's metrics come from: a walk, or a recording.
type source interface {
	// step goes on by one sample.
	step()
	// sample is what the machine does now; sequence number and time are not set.
	sample() wire.Sample
	// reboot starts the counters over.
	reboot()
}

// walk is a machine whose load wanders about a level of its own; all else
// follows from it.
type walk struct {
	model    model
	dice     *rand.Rand
	seconds  float64 // of a step
	level    float64 // percent, which usage comes back to
	usage    float64
	load     [3]float64
	heat     float64 // degrees Celsius
	memory   float64 // share in use
	disk     float64
	iops     float64
	megabyte float64 // a second, read and written
	network  wire.Network
}

func newWalk(m model, seed uint64, interval time.Duration) *walk {
	dice := rand.New(rand.NewPCG(seed, 0x5eed))
	w := &walk{model: m, dice: dice, seconds: interval.Seconds(), level: 4 + 40*dice.Float64()*dice.Float64()}
	w.usage, w.memory, w.disk = w.level, 0.25+0.4*dice.Float64(), 0.15+0.5*dice.Float64()
	w.heat = 42 + w.usage/4
	for i := range w.load {
		w.load[i] = w.usage / 100 * float64(m.cores)
	}
	return w
}

func (w *walk) step() {
	pull := 1 - math.Exp(-w.seconds/60)
	w.usage = within(w.usage+pull*(w.level-w.usage)+w.dice.NormFloat64()*4*math.Sqrt(pull), 0.5, 100)
	for i, minutes := range [3]float64{1, 5, 15} {
		w.load[i] += (1 - math.Exp(-w.seconds/60/minutes)) * (w.usage/100*float64(w.model.cores) - w.load[i])
	}
	w.heat += (1 - math.Exp(-w.seconds/120)) * (40 + w.usage*0.38 - w.heat)
	w.heat = within(w.heat+w.dice.NormFloat64()*0.3, 30, 84)
	w.memory = within(w.memory+w.dice.NormFloat64()*0.004, 0.12, 0.92)
	w.disk = within(w.disk+w.dice.NormFloat64()*0.0001, 0.1, 0.95)
	w.iops = w.usage * w.dice.Float64()
	w.megabyte = w.iops * 0.016
	received := uint64(w.seconds * (400 + w.usage*900*w.dice.Float64()))
	sent := uint64(w.seconds * (300 + w.usage*300*w.dice.Float64()))
	w.network.TotalBytesIn += received
	w.network.TotalBytesOut += sent
	w.network.PacketsIn += received / 620
	w.network.PacketsOut += sent / 480
}

func (w *walk) sample() wire.Sample {
	usage, heat, mhz := round(w.usage), round(w.heat), 600.0
	if w.usage > 20 {
		mhz = w.model.mhz
	}
	reads, writes, rate := round(w.iops/4), round(w.iops), round(w.megabyte)
	used, filled := uint64(w.memory*float64(w.model.memory)), uint64(w.disk*float64(w.model.disk))
	network := w.network
	return wire.Sample{
		CPU: &wire.CPU{
			UsagePercent: &usage, Cores: w.model.cores, FrequencyMHz: &mhz, TemperatureCelsius: &heat,
			LoadAverage: [3]float64{round(w.load[0]), round(w.load[1]), round(w.load[2])},
		},
		Memory: &wire.Memory{
			TotalBytes: w.model.memory, UsedBytes: used, FreeBytes: (w.model.memory - used) / 2,
			AvailableBytes: w.model.memory - used, CachedBytes: (w.model.memory - used) / 3,
		},
		Disk: &wire.Disk{
			TotalBytes: w.model.disk, UsedBytes: filled, FreeBytes: w.model.disk - filled,
			ReadIOPS: &reads, WriteIOPS: &writes, ReadThroughputMBps: &rate, WriteThroughputMBps: &rate,
		},
		Network: &network,
		Absent:  map[string]string{"gpu": "simulated"},
	}
}

func (w *walk) reboot() { w.network = wire.Network{} }

// within keeps a value in its range.
func within(value, least, most float64) float64 { return min(max(value, least), most) }

// round is to two decimals, as the agent sends them.
func round(value float64) float64 { return math.Round(value*100) / 100 }
