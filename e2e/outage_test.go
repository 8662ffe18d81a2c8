package e2e

import (
	"context"
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"lucid.internal/e2e/fleet"
	"lucid.internal/e2e/harness"
)

var (
	outageNodes = flag.Int("outage-nodes", 20, "simulated nodes in TestDatabaseOutage")
	outageRate  = flag.Float64("outage-rate", 400, "samples a second that they take together")
	outageTime  = flag.Duration("outage-time", 3*time.Second, "how long the database is down, at least")
)

// mostHeldDown is how much more memory than before a coordinator may ever have used
// when its database was away: a message of each connection waits, at most.
const mostHeldDown = 64 << 20

// TestDatabaseOutage takes the database away from a running coordinator to which a
// fleet sends: its files are moved, so that it cannot come back, and the server is
// killed, so that connections to it are refused. Nothing is acknowledged meanwhile,
// nothing of what was is lost, the coordinator holds little, and the nodes bring along
// what they took.
func TestDatabaseOutage(t *testing.T) {
	l := start(t, harness.Options{Args: []string{"--poot-interval", "1h"}, Env: largeFleet})
	const perMessage = 5 // so that a queue of 400 messages holds minutes
	interval := time.Duration(float64(*outageNodes) / *outageRate * float64(time.Second))
	f := l.newFleet(fleet.Config{
		Nodes: *outageNodes, Duration: time.Hour, Seed: 13, ConnectRate: 500, SampleInterval: interval, PublishInterval: perMessage * interval,
	})
	_, end := l.live(f)
	w := &watch{lab: l, fleet: f, nodes: *outageNodes, looked: l.look()}
	w.awaitEach(time.Time{})
	alone, err := l.EnrollNode(within(t, patience), l.newPool("alone")) // the default one may be full
	if err != nil {
		t.Fatal(err)
	}
	p := &publisher{node: alone}
	session := l.connect(p.node)
	first, second := message(t, p.node, 1), message(t, p.node, 2)
	if err := session.Send(within(t, patience), first); err != nil {
		t.Fatal(err)
	}
	w.tell("before")
	quiet := w.looked.RSS

	giveBack := l.takeDatabaseAway()
	down := time.Now()
	if err := session.Send(within(t, patience), second); err == nil {
		t.Error("a sample was acknowledged without a database")
	}
	acked := f.Progress().Acked // what was committed before is acknowledged by now
	<-time.After(time.Until(down.Add(*outageTime)))
	l.awaitUnready()
	took := time.Since(down)
	w.tell("down")
	if meanwhile := f.Progress().Acked - acked; meanwhile > 0 {
		t.Errorf("%d samples were acknowledged without a database", meanwhile)
	}
	giveBack()
	l.resend(p.node, second)
	l.awaitLoad(f, *outageRate)
	l.await(within(t, patience), "as many samples as were taken meanwhile", func(context.Context) error {
		brought, taken := f.Progress().Acked-acked, *outageRate*took.Seconds()
		return unless(float64(brought) >= taken, "%d acknowledged, %.0f taken", brought, taken)
	})
	w.tell("served again")
	end()

	if w.looked.Peak > quiet+mostHeldDown {
		t.Errorf("%s resident at most, %s before the database was down", harness.MiB(w.looked.Peak), harness.MiB(quiet))
	}
	report := l.check(f)
	if err := report.Err(); err != nil || report.Dropped+report.GivenUp > 0 {
		t.Errorf("%v; %d samples given up by the nodes", err, report.Dropped+report.GivenUp)
	}
	total := report.Total()
	t.Logf("the database was down for %s under %.0f samples/s of %d nodes: %d acknowledged, %d missing, %d stored twice",
		took.Round(time.Second), *outageRate, *outageNodes, total.Acked, total.Missing, total.Twice)
	p.acked, p.sent = 2, 2
	l.checkStored(p)
	l.stopCleanly()
}

// takeDatabaseAway moves the server's files and kills it, until it is given back
// and the coordinator is ready again.
func (l *lab) takeDatabaseAway() (giveBack func()) {
	l.t.Helper()
	files := l.Database().Files()
	pid, err := l.Database().PID()
	if err != nil {
		l.t.Fatal(err)
	}
	move := func(from, to string) {
		l.t.Helper()
		if err := os.Rename(from, to); err != nil {
			l.t.Fatal(err)
		}
	}
	move(files, files+".away")
	if err := harness.Crash(within(l.t, patience), pid); err != nil {
		l.t.Fatal(err)
	}
	return func() {
		l.t.Helper()
		move(files+".away", files)
		if err := l.AwaitReady(within(l.t, patience)); err != nil {
			l.t.Fatal(err)
		}
	}
}

// awaitUnready wants the coordinator to say that its database is away, and to live.
func (l *lab) awaitUnready() {
	l.t.Helper()
	l.await(within(l.t, patience), "/ready to say why", func(ctx context.Context) error {
		status, body, err := l.Get(ctx, "/ready")
		if err != nil {
			return err
		}
		return unless(status == http.StatusServiceUnavailable && strings.Contains(string(body), "database"), "status %d: %s", status, body)
	})
	if status, _, err := l.Get(within(l.t, patience), "/health"); err != nil || status != http.StatusOK {
		l.t.Errorf("/health: status %d, %v; the process itself is well", status, err)
	}
}

// resend sends what was not acknowledged, over as many connections as it takes.
func (l *lab) resend(n *harness.Node, m harness.Message) {
	l.t.Helper()
	l.await(within(l.t, patience), "the sample to be taken again", func(ctx context.Context) error {
		attempt, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		s, err := n.Connect(attempt)
		if err != nil {
			return err
		}
		defer s.Close()
		return s.Send(attempt, m)
	})
}
