package fleet

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"lucid.internal/e2e/harness"
)

// agentVersion is what simulated agents call themselves.
const agentVersion = "fleet simulator"

// Fleet is many simulated nodes. Make it with New, then call Enrol, Run and
// Check in this order; Run may be repeated.
type Fleet struct {
	config    Config
	name      []byte // keeps the nodes of two fleets apart
	enrolment Enrolment
	machines  []*machine
	nodes     []*node
	solvers   chan struct{} // a token for each puzzle that is being solved
	began     time.Time     // when the first node connected
	series    time.Time     // when sampling began
	counts    counts
	watched   map[string]harness.Used
	seconds   float64 // of the measured time
	acked     uint64  // samples in it
	pace      pace
}

// counts are read while the nodes work.
type counts struct {
	enrolled                                      atomic.Int64
	excusedNs                                     atomic.Int64 // of nodes, whose samples a fault on demand or a command took or held up
	connected, away                               gauge        // away by a fault on demand
	acked, letters, sentAgain, delayed            atomic.Uint64
	dropped, givenUp                              atomic.Uint64
	connections, cuts, restarts, commands, failed atomic.Uint64
	challenges, answers                           atomic.Uint64
	solvingNs, hashes                             atomic.Uint64
}

// Progress is a fleet at one moment.
type Progress struct {
	At          time.Duration // since the first connection was begun; 0 while enrolling
	Enrolled    int
	Connected   int
	Acked       uint64 // samples
	Letters     uint64 // of those, refused for their time
	PerSecond   float64
	Answers     uint64 // challenges answered
	Cuts        uint64
	Restarts    uint64
	SentAgain   uint64 // messages, as a fault
	Delayed     uint64 // messages that were held back, as a fault, and acknowledged later
	Commands    uint64 // obeyed
	Connections uint64 // in all
	Failed      uint64 // of those, ended or refused by the other side
}

const progressEvery = 5 * time.Second

// New checks a configuration.
func New(config Config) (*Fleet, error) {
	config.setDefaults()
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	return &Fleet{config: config, name: newID()[:4], solvers: make(chan struct{}, config.Solvers)}, nil
}

// newID draws 128 bits.
func newID() []byte {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // crypto/rand.Read never fails
	return id
}

// Enrol makes every node over the API and redeems its token.
func (f *Fleet) Enrol(ctx context.Context) error {
	stop := f.tellProgress(time.Time{})
	defer stop()
	return f.enrolMany(ctx)
}

// NodeIDs are the ids of the nodes of a kind, once they are enrolled.
func (f *Fleet) NodeIDs(k Kind) (ids []string) {
	for _, m := range f.machines {
		if m.kind == k {
			ids = append(ids, m.nodeID)
		}
	}
	return ids
}

// Run connects everybody, lets them live for the configured time, or until ctx
// ends, and ends them in good order. watch names processes whose use is
// measured meanwhile.
func (f *Fleet) Run(ctx context.Context, watch map[string]int) error {
	f.began = time.Now()
	f.series = f.began.Add(-f.config.Backlog)
	f.nodes = f.populate()
	before := f.count()
	stop := f.tellProgress(f.began)
	defer stop()
	living, end := context.WithCancel(ctx)
	defer end()
	var running sync.WaitGroup
	for i, n := range f.nodes {
		begin := f.began.Add(time.Duration(float64(i) / f.config.ConnectRate * float64(time.Second)))
		running.Go(func() { n.live(living, begin) })
	}
	var err error
	ramp := time.Duration(float64(len(f.nodes)) / f.config.ConnectRate * float64(time.Second))
	if sleep(ctx, ramp) == nil && f.awaitConnected(ctx) == nil { // else there is nothing to measure
		err = f.measure(ctx, watch)
	}
	f.pace = f.count().since(before)
	f.pace.early = ctx.Err() != nil
	end()
	running.Wait()
	return err
}

// measure is the time that counts for the figures.
func (f *Fleet) measure(ctx context.Context, watch map[string]int) error {
	all := map[string]int{"simulator": os.Getpid()}
	for name, pid := range watch {
		all[name] = pid
	}
	before, err := lookAt(all)
	if err != nil {
		return err
	}
	began, acked := time.Now(), f.counts.acked.Load()
	_ = sleep(ctx, f.config.Duration) // what was measured until then counts
	f.seconds, f.acked = time.Since(began).Seconds(), f.counts.acked.Load()-acked
	after, err := lookAt(all)
	if err != nil {
		return err
	}
	f.watched = make(map[string]harness.Used)
	for name := range all {
		f.watched[name] = harness.Between(before[name], after[name])
	}
	return nil
}

func lookAt(all map[string]int) (map[string]harness.Footprint, error) {
	looks := make(map[string]harness.Footprint, len(all))
	for name, pid := range all {
		look, err := harness.Look(pid)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		looks[name] = look
	}
	return looks, nil
}

// Progress is how far the fleet is now.
func (f *Fleet) Progress() Progress {
	c := &f.counts
	return Progress{
		Enrolled: int(c.enrolled.Load()), Connected: int(c.connected.now.Load()), Acked: c.acked.Load(), Letters: c.letters.Load(),
		Answers: c.answers.Load(), Cuts: c.cuts.Load(), Restarts: c.restarts.Load(), SentAgain: c.sentAgain.Load(), Delayed: c.delayed.Load(), Commands: c.commands.Load(),
		Connections: c.connections.Load(), Failed: c.failed.Load(),
	}
}

// tellProgress tells until it is stopped.
func (f *Fleet) tellProgress(began time.Time) (stop func()) {
	done, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		last := f.counts.acked.Load()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			p := f.Progress()
			if !began.IsZero() {
				p.At = time.Since(began)
			}
			p.PerSecond = float64(p.Acked-last) / progressEvery.Seconds()
			last = p.Acked
			f.config.Progress(p)
		}
	}()
	return func() { close(done); <-told }
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
