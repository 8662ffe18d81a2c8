package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lucid.internal/agent/internal/collect"
	"lucid.internal/agent/internal/command"
	"lucid.internal/agent/internal/homeassistant"
	"lucid.internal/agent/internal/identity"
	"lucid.internal/agent/internal/link"
	"lucid.internal/agent/internal/prove"
	"lucid.internal/agent/internal/spool"
	"lucid.internal/shared/wire"
)

// ErrNotEnrolled is a state folder without an identity.
var ErrNotEnrolled = identity.ErrNotEnrolled

const tidyEvery = 5 * time.Second

// firstSample is when the first sample is taken after a start, which has an
// interval of its own: rates need two readings, and nobody waits for them.
const firstSample = 500 * time.Millisecond

// Agent is a node's agent.
type Agent struct {
	config    Config
	identity  *identity.Identity
	keys      *identity.Ring
	bootID    string
	inventory atomic.Pointer[wire.Inventory]
	collector *collect.Collector
	recorder  *recorder
	queue     *spool.Queue
	link      *link.Link
	prover    *prove.Prover
	throttle  atomic.Uint32 // of the newest sample
	control   *command.Control
	bridge    *homeassistant.Bridge // to the owner's Home Assistant; nil: none

	challenges chan link.Message
	commands   chan link.Message // and configurations
	configured chan struct{}     // a token after a configuration was taken
	reloads    chan Config       // settings that were read anew
	intervals  intervals         // that the loop keeps to
	commits    chan commit       // acknowledged by the coordinator itself
	delivered  chan struct{}     // a token after each acknowledgement
	journal    journal
	tidied     time.Time // when memory was handed back last
}

// New builds the agent of an enrolled machine; ErrNotEnrolled on another.
func New(config Config) (*Agent, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config.fill()
	keys, err := identity.OpenRing(config.StateDir, config.Now, config.Logger) // first: it wants the folder to be this user's own
	if err != nil {
		return nil, err
	}
	id, err := identity.Load(config.StateDir)
	if err != nil {
		return nil, err
	}
	a := &Agent{
		config:     config,
		identity:   id,
		keys:       keys,
		collector:  collect.New(collect.Config{Root: config.Root, Now: config.Now}),
		challenges: make(chan link.Message, 4),
		commands:   make(chan link.Message, 4),
		configured: make(chan struct{}, 1),
		reloads:    make(chan Config, 1),
		commits:    make(chan commit, 16),
		delivered:  make(chan struct{}, 1),
	}
	a.openQueue()
	a.recorder = newRecorder(a.queue, config.Now, newClock(config.Root, config.Now))
	a.journal.progress.Run = a.recorder.run
	a.takeInventory()
	a.bridge = newBridge(&config, id.NodeID, a.inventory.Load())
	if err := a.newProver(); err != nil {
		return nil, err
	}
	if err := a.openControl(); err != nil {
		return nil, err
	}
	return a, a.newLink()
}

// openQueue leaves a queue in memory where the disk cannot be used.
func (a *Agent) openQueue() {
	var err error
	a.queue, err = spool.Open(spool.Config{
		Dir: a.config.spoolDir(), DiskBytes: a.config.SpoolMax, NodeID: a.identity.NodeID,
		Logger: a.config.Logger, Now: a.config.Now,
	})
	if err != nil {
		a.config.Logger.Warn("samples wait in memory only", "error", err)
		a.journal.trouble(err)
	}
}

func (a *Agent) newProver() error {
	boot, err := os.ReadFile(filepath.Join("/", a.config.Root, "proc/sys/kernel/random/boot_id"))
	if err != nil {
		return fmt.Errorf("boot id: %w", err)
	}
	bootID, err := prove.ParseBootID(string(boot))
	if err != nil {
		return err
	}
	a.bootID = strings.TrimSpace(string(boot))
	a.prover = prove.New(prove.Config{
		NodeID: a.identity.NodeID, Device: a.identity.Device, Epochs: a.keys.Epochs, Used: a.keysUsed,
		BootID: bootID, Uptime: prove.Uptime, Progress: a.journal.acknowledged, Throttle: a.throttle.Load, Now: a.config.Now,
	})
	return nil
}

func (a *Agent) openControl() (err error) {
	a.control, err = command.Open(command.Config{
		Dir: a.config.StateDir, NodeID: a.identity.NodeID, Epochs: a.keys.Epochs, Settled: a.keys.Settled, Used: a.keysUsed,
		Refresh: a.refreshInfo, Rotate: a.keys.Rotate, Move: a.move, Now: a.config.Now,
	})
	return err
}

func (a *Agent) newLink() (err error) {
	servers := a.config.Servers
	if len(servers) == 0 {
		servers = a.identity.Servers
	}
	a.link, err = link.New(link.Config{
		Servers: servers, CAPEM: []byte(a.identity.CAPEM),
		NodeID: a.identity.NodeID, Password: a.keys.Password, Refused: a.keys.Refused, LoggedIn: a.loggedIn,
		Will:       func(connection uint32) []byte { return a.status(connection, false) },
		Greet:      a.greet,
		Receive:    a.receive,
		MinBackoff: a.config.minBackoff,
		Now:        a.config.Now,
		Logger:     a.config.Logger,
	})
	return err
}

// Run is the agent's life: its loop, while link, delivery and prover do their
// work beside it. When ctx ends it delivers what it has, says goodbye within
// drainTimeout, and leaves the rest to the next run. It ends by itself when its
// identity is taken away: ErrNotEnrolled when the node was given up, else the
// machine enrolled anew.
func (a *Agent) Run(ctx context.Context) error {
	unlock, err := lockFolder(a.config.StateDir)
	if err != nil {
		return err
	}
	defer unlock()
	defer a.queue.Close()
	ctx, end := context.WithCancel(ctx)
	defer end()
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var lost error
	workers := a.startWorkers(ctx, work)
	workers.Go(func() { lost = a.awaitLoss(work); end() })
	a.loop(ctx)
	a.config.Notify("STOPPING=1")
	a.drain(work)
	stop()
	workers.Wait()
	a.leave()
	a.report(true)
	return lost
}

// loop samples, publishes and reports at their intervals until ctx ends.
func (a *Agent) loop(ctx context.Context) {
	a.intervals = a.wantedIntervals()
	resting := true // the next sample is what rates are measured from; not recorded
	resting = a.sample(resting)
	first := time.NewTimer(firstSample)
	defer first.Stop()
	sample := time.NewTicker(a.intervals.sample)
	defer sample.Stop()
	report := time.NewTicker(a.reportInterval())
	defer report.Stop()
	publish := time.NewTimer(a.untilPublish())
	defer publish.Stop()
	a.config.Logger.Info("started", "node", a.identity.NodeID, "version", a.config.Version, "run", a.recorder.run)
	a.config.Notify("READY=1")
	changed := a.link.Changed() // before each report, so that no change is missed
	a.report(false)
	for {
		select {
		case <-changed:
			changed = a.link.Changed()
			a.report(false)
		case <-a.configured:
			a.keepTo(a.wantedIntervals(), sample, publish)
			a.report(false)
		case settings := <-a.reloads:
			a.take(settings)
			a.keepTo(a.wantedIntervals(), sample, publish)
			a.config.Notify("READY=1")
			a.report(false)
		case <-first.C:
			resting = a.sample(resting)
			a.report(false)
		case <-sample.C:
			resting = a.sample(resting)
			a.tidy()
		case <-publish.C:
			a.recorder.flush()
			publish.Reset(a.untilPublish())
		case <-report.C: // a sign of life: the loop goes round
			a.report(false)
		case <-ctx.Done():
			return
		}
	}
}

// startWorkers starts what works beside the loop until work ends, which outlives ctx
// by the farewell.
func (a *Agent) startWorkers(ctx, work context.Context) *sync.WaitGroup {
	workers := new(sync.WaitGroup)
	for _, worker := range []func(context.Context){a.link.Run, a.deliver, a.keep, a.prove, a.obey} {
		workers.Go(func() { worker(work) })
	}
	if a.bridge != nil {
		workers.Go(func() { a.bridge.Run(ctx) }) // its farewell needs no drain
	}
	return workers
}

// awaitLoss waits until the identity is taken away; nil when ctx ends before. It
// looks when the connection changes: the coordinator closes that of a node that is
// given up, and then takes no login.
func (a *Agent) awaitLoss(ctx context.Context) error {
	for {
		changed := a.link.Changed()
		if err := a.keys.Lost(); err != nil {
			return fmt.Errorf("%s is no longer this machine's node, its agent ends: %w", a.identity.NodeID, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// sample records a sample unless the coordinator stopped the agent. The first
// one after a rest is what rates are measured from, and is not recorded.
func (a *Agent) sample(rested bool) (resting bool) {
	if a.control.Stopped() {
		return true
	}
	s := a.collector.Sample()
	a.throttle.Store(collect.ThrottleBits(s.Throttle))
	if !rested {
		s.UpdateAnnounced = a.announced()
		a.recorder.record(s)
		if a.bridge != nil {
			a.bridge.Show(s)
		}
	}
	return false
}

// tidy hands freed memory back to the system after a sample: the heap is
// small, and what some samples leave behind would be a tenth of all that is
// resident.
func (a *Agent) tidy() {
	if now := a.config.Now(); now.Sub(a.tidied) >= tidyEvery {
		a.tidied = now
		debug.FreeOSMemory()
	}
}
