package fleet

import (
	"math/rand/v2"
	"slices"
	"time"

	"lucid.internal/shared/wire"
)

// group is what the cheats of one kind have in common.
type group struct {
	solver chan struct{} // the one machine that solves for all, where it does
	boot   boot          // Shared: its
	seed   uint64        // of what they do alike
	model  model
}

// boot is one start of a machine.
type boot struct {
	id [16]byte
	at time.Time
}

func newBoot(at time.Time) boot { return boot{id: [16]byte(newID()), at: at} }

// populate gives every machine a node that lives on it; a cloned one has two.
func (f *Fleet) populate() (all []*node) {
	groups := map[Kind]*group{}
	for _, kind := range []Kind{Shared, Spread, Pad, Skip} {
		declared, _ := kind.declared()
		groups[kind] = &group{
			solver: make(chan struct{}, 1), boot: newBoot(f.series.Add(-time.Hour)), seed: f.config.Seed ^ 0x5ead, model: declared,
		}
	}
	honest := f.firstHonest()
	for i, m := range f.machines {
		n := f.newNode(m, uint64(i))
		n.group = groups[m.kind]
		switch m.kind {
		case Clone:
			all = append(all, f.newNode(m, uint64(i)<<32))
		case Shared:
			n.boot = n.group.boot
			n.source = newWalk(n.group.model, n.group.seed, f.config.SampleInterval)
		case Copy:
			n.source = f.source(uint64(honest))
		case Twin:
			told := *m.inventory
			told.SerialHash = f.machines[honest].inventory.SerialHash
			m.inventory = &told
		}
		n.source = m.kind.lie(n.source, f.config.SampleInterval)
		all = append(all, n)
	}
	return all
}

// firstHonest is the number of the first honest node, whose metrics and board are
// worth copying.
func (f *Fleet) firstHonest() int {
	return max(slices.IndexFunc(f.machines, func(m *machine) bool { return m.kind == Honest }), 0)
}

func (f *Fleet) newNode(m *machine, number uint64) *node {
	n := &node{
		fleet: f, machine: m, source: f.source(number), answers: make(chan answer, 4),
		dice: rand.New(rand.NewPCG(f.config.Seed, number)),
		fate: f.fateOf(m.kind, number),
		boot: newBoot(f.series.Add(-time.Hour)),
	}
	if n.dice.Float64() < f.config.Faults.ClockSkew {
		n.skew = clearOfBorder(time.Duration((2*n.dice.Float64() - 1) * float64(f.config.Faults.MaxSkew)))
	}
	n.startRun()
	// Each node has its own phase in the interval, so that the fleet does not
	// publish in one wave.
	phase := time.Duration(n.dice.Float64() * float64(f.config.PublishInterval))
	n.agenda[taskPublish] = f.began.Add(phase)
	rates := f.config.Faults
	switch m.kind {
	case Sybil:
		rates.Cuts = max(rates.Cuts, sybilCuts)
	case Restless:
		rates.Cuts = max(rates.Cuts, restlessCuts)
	}
	n.churn, n.cuts = rates.Churn, rates.Cuts
	n.agenda[taskCut] = following(f.began, n.cuts, n.fate)
	n.agenda[taskRestart] = following(f.began, n.churn, n.fate)
	return n
}

// fateOf draws when something befalls a node: Sybils all at once.
func (f *Fleet) fateOf(k Kind, number uint64) *rand.Rand {
	if k == Sybil {
		return rand.New(rand.NewPCG(f.config.Seed^0x5b11, 1))
	}
	return rand.New(rand.NewPCG(f.config.Seed^0xfa7e, number))
}

// clearOfBorder keeps a wrong clock away from where samples begin to be refused:
// what nobody can foretell would prove nothing.
func clearOfBorder(skew time.Duration) time.Duration {
	const wide = 4 * margin
	if off := skew - maxAhead; off > -wide && off < wide {
		return maxAhead + wide
	}
	return skew
}

// sybilCuts is how often a minute Sybils go away together, when no other rate
// is told.
const sybilCuts = 4

// restlessCuts is how often a minute a Restless node goes away, and restlessAway
// for how long in the mean: a thousand departures, a week's worth, in minutes.
const (
	restlessCuts = 3000
	restlessAway = 5 * time.Millisecond
)

// source is the metrics of one machine: for the same number always the same.
func (f *Fleet) source(number uint64) source {
	seed := f.config.Seed<<20 ^ number
	if len(f.config.Recording) > 0 {
		return &replayed{samples: f.config.Recording, at: int(seed % uint64(len(f.config.Recording)))}
	}
	return newWalk(f.modelOf(number), seed, f.config.SampleInterval)
}

func (f *Fleet) modelOf(number uint64) model {
	if number < uint64(len(f.machines)) {
		return f.machines[number].model
	}
	return models[0]
}

// startRun begins a run, as a start of the agent does.
func (n *node) startRun() {
	n.run = &run{id: wire.NewRunID(), nodeID: n.nodeID, kind: n.kind}
	n.runs = append(n.runs, n.run)
	n.queue, n.connection, n.acked, n.chain = nil, 0, 0, [32]byte{}
}
