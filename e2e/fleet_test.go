package e2e

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"lucid.internal/e2e/fleet"
	"lucid.internal/e2e/harness"
)

var (
	fleetNodes    = flag.Int("fleet-nodes", 50, "simulated nodes in TestFleet")
	fleetDuration = flag.Duration("fleet-duration", 20*time.Second, "how long they live")
	churnDuration = flag.Duration("churn-duration", 5*time.Second, "how long each round of TestChurnLeavesNothing lasts")
)

// newFleet enrols simulated nodes at the lab's coordinator.
func (l *lab) newFleet(c fleet.Config) *fleet.Fleet {
	l.t.Helper()
	key, err := os.ReadFile(l.AdminKeyFile())
	if err != nil {
		l.t.Fatal(err)
	}
	c.API = fleet.API{URL: l.URL(), Key: strings.TrimSpace(string(key))}
	if c.File, err = l.NewToken(within(l.t, patience), ""); err != nil {
		l.t.Fatal(err)
	}
	f, err := fleet.New(c)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := f.Enrol(within(l.t, patience)); err != nil {
		l.t.Fatal(err)
	}
	return f
}

// check compares a fleet that has ended with the database.
func (l *lab) check(f *fleet.Fleet) *fleet.Report {
	l.t.Helper()
	url, err := l.Database().URL()
	if err != nil {
		l.t.Fatal(err)
	}
	report, err := f.Check(within(l.t, patience), url)
	if err != nil {
		l.t.Fatal(err)
	}
	return report
}

// TestFleet has simulated nodes suffer every fault and cheat in every way,
// while coordinator and database are killed: every acknowledged sample is
// stored once, and no honest node is taken for a cheat.
func TestFleet(t *testing.T) {
	l := start(t, harness.Options{Args: []string{"--epoch", "10s", "--poot-interval", "2s"}, Env: []string{"LUCID_POOT_DIFFICULTY=8"}})
	cheats := map[fleet.Kind]int{
		fleet.Clone: 2, fleet.Relay: 2, fleet.Shared: 3, fleet.Replay: 2, fleet.Alter: 2, fleet.Copy: 2, fleet.Clock: 2, fleet.Sybil: 4,
	}
	f := l.newFleet(fleet.Config{
		Nodes: *fleetNodes, Duration: *fleetDuration, Seed: 7, Cheats: cheats,
		SampleInterval: 500 * time.Millisecond, PublishInterval: time.Second,
		Faults: fleet.Faults{Churn: 1, Cuts: 2, Duplicates: 0.1, Delays: 0.1, ClockSkew: 0.3, Away: time.Second, Delay: 2 * time.Second},
	})
	ended := make(chan error, 1)
	go func() { ended <- f.Run(context.Background(), nil) }()
	l.disturb()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	report := l.check(f)
	var text strings.Builder
	if err := report.Write(&text); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + text.String())
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	total := report.Total()
	for name, count := range map[string]uint64{
		"samples acknowledged": total.Acked, "samples refused for their time": total.Letters, "cuts": report.Cuts, "restarts": report.Restarts,
		"messages sent twice": report.SentAgain, "answers": report.Answers, "commands obeyed": report.Commands,
		"connections that the other side ended": report.Failed,
	} {
		if count == 0 {
			t.Errorf("%s: none, so nothing was tried", name)
		}
	}
	for _, g := range report.Groups {
		switch {
		case g.Findings.Acked+g.Findings.Letters == 0:
			t.Errorf("%s: no sample was acknowledged", g.Kind)
		case g.Kind == fleet.Alter && g.Verdicts["invalid"] == 0:
			t.Errorf("a running hash of other messages was taken: %s", g.Verdicts)
		}
	}
	l.tamper(f, total)
}

// disturb kills the database, then the coordinator, and stops a node by
// command, once samples flow.
func (l *lab) disturb() {
	l.t.Helper()
	l.awaitSamples()
	pid, err := l.Database().PID()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := harness.Crash(within(l.t, patience), pid); err != nil {
		l.t.Fatal(err)
	}
	l.awaitSamples()
	l.Kill()
	l.restart()
	l.awaitSamples()
	l.await(within(l.t, patience), "a node to be told to stop", func(ctx context.Context) error {
		var list struct {
			Nodes []struct {
				NodeID string `json:"node_id"`
			} `json:"nodes"`
		}
		if err := l.GetJSON(ctx, "/api/v1/nodes/?status=active&online=true&limit=1", &list); err != nil || len(list.Nodes) == 0 {
			return fmt.Errorf("no active node: %w", err)
		}
		status, body, err := l.Post(ctx, "/api/v1/nodes/"+list.Nodes[0].NodeID+"/stop", map[string]any{})
		return unless(err == nil && status == http.StatusAccepted, "status %d: %s %v", status, body, err)
	})
}

// awaitSamples waits until more is stored than when the wait began.
func (l *lab) awaitSamples() {
	l.t.Helper()
	const stored = "SELECT count(*) FROM sample"
	from := l.count(stored)
	l.await(within(l.t, patience), "samples to flow", func(context.Context) error {
		now := l.count(stored)
		return unless(now > from+20, "%d stored, %d when the wait began", now, from)
	})
}

// tamper takes a sample away and stores another twice: the comparison must
// find exactly that.
func (l *lab) tamper(f *fleet.Fleet, before fleet.Findings) {
	l.t.Helper()
	for _, statement := range []string{
		"DELETE FROM sample WHERE (run_no, seq) = (SELECT run_no, min(seq) FROM sample GROUP BY run_no ORDER BY run_no LIMIT 1)",
		`INSERT INTO sample (at, seq, run_no, node_no) SELECT at + interval '1 ms', seq, run_no, node_no FROM sample
			WHERE (run_no, seq) = (SELECT run_no, max(seq) FROM sample GROUP BY run_no ORDER BY run_no DESC LIMIT 1)`,
	} {
		if err := l.Database().Exec(within(l.t, patience), statement); err != nil {
			l.t.Fatal(err)
		}
	}
	report := l.check(f)
	after := report.Total()
	if after.Missing != before.Missing+1 || after.Twice != before.Twice+1 || report.Err() == nil {
		l.t.Errorf("one sample taken away and one doubled: %+v, before %+v", after, before)
	}
}

// TestChurnLeavesNothing has nodes come and go as they would in hours: neither
// goroutines nor memory of theirs stay behind.
func TestChurnLeavesNothing(t *testing.T) {
	l := start(t, harness.Options{Args: []string{"--poot-interval", "1h"}, Env: []string{"LUCID_POOT_DIFFICULTY=4"}})
	f := l.newFleet(fleet.Config{
		Nodes: 30, Duration: *churnDuration, Seed: 11, SampleInterval: time.Second, PublishInterval: time.Second,
		Faults: fleet.Faults{Cuts: 200, Churn: 50, Away: time.Millisecond},
	})
	idle := func() (goroutines, heap float64) {
		l.await(within(t, patience), "all nodes to be gone", func(ctx context.Context) error {
			online, err := l.Database().Int64(ctx, "SELECT count(*) FROM node WHERE online")
			return unless(err == nil && online == 0, "%d online, %v", online, err)
		})
		return l.metric("go_goroutines"), l.metric("go_memstats_heap_inuse_bytes")
	}
	var goroutines, heap [2]float64
	for round := range goroutines { // the first fills every pool and cache
		if err := f.Run(within(t, patience+*churnDuration), nil); err != nil {
			t.Fatal(err)
		}
		goroutines[round], heap[round] = idle()
	}
	if err := l.check(f).Err(); err != nil {
		t.Error(err)
	}
	report := l.check(f)
	t.Logf("%d connections over %d cuts and %d restarts; goroutines %.0f, then %.0f; heap %.1f MB, then %.1f MB",
		report.Connections, report.Cuts, report.Restarts, goroutines[0], goroutines[1], heap[0]/1e6, heap[1]/1e6)
	if goroutines[1] > goroutines[0]+5 {
		t.Errorf("%.0f goroutines after %d connections, %.0f before half of them", goroutines[1], report.Connections, goroutines[0])
	}
	// An hour of 30 nodes would show at a kilobyte a connection.
	if grown := heap[1] - heap[0]; grown > 16e6 {
		t.Errorf("the heap grew by %.1f MB over %d connections", grown/1e6, report.Connections/2)
	}
}

func (l *lab) metric(name string) float64 {
	l.t.Helper()
	v, err := l.Metric(within(l.t, patience), name)
	if err != nil {
		l.t.Fatal(err)
	}
	return v
}
