package e2e

import (
	"context"
	"errors"
	"flag"
	"slices"
	"testing"
	"time"

	"lucid.internal/e2e/fleet"
	"lucid.internal/e2e/harness"
)

var (
	hangNodes = flag.Int("hang-nodes", 60, "simulated nodes in TestDatabaseHangs, each of which sends every five seconds")
	hangTime  = flag.Duration("hang-time", 12*time.Second, "how long the database hangs")
	hangSlow  = flag.Int("hang-slow", 6, "how many times slower than before it is afterwards")
)

// largeFleet is for nodes that all call from one address, and with one key.
var largeFleet = []string{
	"LUCID_POOT_DIFFICULTY=4", "LUCID_MQTT_RATE_CONNECT=0", "LUCID_MQTT_RATE_FAILED_LOGIN=0",
	"LUCID_RATE_ANONYMOUS=0", "LUCID_RATE_USER=0", "LUCID_RATE_SERVICE=0",
}

// TestDatabaseHangs halts every process of the database under a fleet, for
// longer than samples may wait, so that nodes are cut. Then it goes on, but
// slowly, while everybody comes back: everybody is served again, and what was
// acknowledged is stored once.
func TestDatabaseHangs(t *testing.T) {
	l := start(t, harness.Options{Args: []string{"--poot-interval", "1h"}, Env: largeFleet})
	f := l.newFleet(fleet.Config{
		Nodes: *hangNodes, Duration: time.Hour, Seed: 5, ConnectRate: 500, SampleInterval: 5 * time.Second, PublishInterval: 5 * time.Second,
	})
	living, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- f.Run(living, nil) }()
	w := &watch{lab: l, fleet: f, nodes: *hangNodes, looked: l.look()}
	w.awaitEach(time.Time{})

	server, err := l.Database().PID()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = harness.Resume(server) }) // also after a failure, or it could not be stopped
	before := f.Pulses()
	w.tell("before")
	quiet := w.looked.RSS
	if err := harness.Halt(server); err != nil {
		t.Fatal(err)
	}
	<-time.After(*hangTime)
	halted := f.Pulses()
	w.tell("halted")
	cut := failed(before, halted)
	t.Logf("%d of %d nodes were cut", cut, *hangNodes)
	if cut == 0 {
		t.Error("nobody was cut: the database did not hang long enough")
	}
	recover := crawl(t, server, *hangSlow)
	w.awaitEach(time.Now())
	w.tell("served again")
	if w.looked.RSS > quiet+mostHeld {
		t.Errorf("%s resident when all were served again, %s before the database hung", harness.MiB(w.looked.RSS), harness.MiB(quiet))
	}
	t.Logf("%d of %d nodes were refused or cut at least once more before all were served", failed(halted, f.Pulses()), *hangNodes)
	recover()

	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	report := l.check(f)
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	t.Logf("%d samples acknowledged, %d missing, %d stored twice", report.Total().Acked, report.Total().Missing, report.Total().Twice)
	l.stopCleanly()
}

// failed is how many nodes have had a connection ended or refused between two
// looks.
func failed(before, after []fleet.Pulse) (nodes int) {
	for i := range after {
		if after[i].Failed > before[i].Failed {
			nodes++
		}
	}
	return nodes
}

// crawl lets a halted server run for one part in so many of the time, until it
// is told to let it run freely.
func crawl(t *testing.T, server, slow int) (free func()) {
	t.Helper()
	const run = 5 * time.Millisecond
	ctx, end := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		var err error
		for err == nil && ctx.Err() == nil && slow > 1 {
			err = harness.Resume(server)
			<-time.After(run)
			err = errors.Join(err, harness.Halt(server))
			<-time.After(run * time.Duration(slow-1))
		}
		done <- errors.Join(err, harness.Resume(server))
	}()
	t.Cleanup(end)
	return func() {
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// mostHeld is how much memory the wait for a database may leave behind: what may
// wait for it, and as much garbage.
const mostHeld = 256 << 20

// watch tells how a fleet fares, and what that costs the coordinator.
type watch struct {
	*lab
	fleet  *fleet.Fleet
	nodes  int
	looked harness.Footprint
}

func (l *lab) look() harness.Footprint {
	l.t.Helper()
	f, err := harness.Look(l.PID())
	if err != nil {
		l.t.Fatal(err)
	}
	return f
}

// tell prints what the coordinator used since the last time.
func (w *watch) tell(when string) {
	w.t.Helper()
	now := w.look()
	w.t.Logf("%s: %d connected, coordinator %s", when, w.fleet.Progress().Connected, harness.Between(w.looked, now))
	w.looked = now
}

// awaitEach waits until each node had something acknowledged since a moment, and
// prints when they had.
func (w *watch) awaitEach(since time.Time) {
	w.t.Helper()
	served := make(map[int]time.Duration)
	limit := patience * time.Duration(1+w.nodes/1000)
	w.await(within(w.t, limit), "everybody to be acknowledged", func(context.Context) error {
		if w.fleet.Progress().Acked == 0 { // it may not be populated yet
			return errors.New("nothing is acknowledged")
		}
		for i, p := range w.fleet.Pulses() {
			if _, before := served[i]; !before && p.Acked.After(since) {
				served[i] = p.Acked.Sub(since)
			}
		}
		return unless(len(served) == w.nodes, "%d of %d are, %d connected", len(served), w.nodes, w.fleet.Progress().Connected)
	})
	if since.IsZero() {
		return
	}
	waits := make([]time.Duration, 0, len(served))
	for _, wait := range served {
		waits = append(waits, wait)
	}
	slices.Sort(waits)
	at := func(percent int) time.Duration { return waits[(len(waits)-1)*percent/100].Round(time.Millisecond) }
	w.t.Logf("acknowledged again after %s in the median, %s at p99, the last one after %s", at(50), at(99), at(100))
}
