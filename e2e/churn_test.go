package e2e

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"lucid.internal/e2e/fleet"
	"lucid.internal/e2e/harness"
)

var churnConnections = flag.Int("churn-connections", 1000, "how many connections the nodes of TestChurnLeavesNothing make")

// TestChurnLeavesNothing has nodes come and go as they would in hours: neither
// goroutines nor memory of theirs stay behind. 30,000 connections are an hour of 500
// nodes whose connections break each minute.
func TestChurnLeavesNothing(t *testing.T) {
	// Little garbage, else it would hide in the heap what a connection leaves behind.
	l := start(t, harness.Options{Args: []string{"--poot-interval", "1h"}, Env: []string{"LUCID_POOT_DIFFICULTY=4", "GOGC=10"}})
	f := l.newFleet(fleet.Config{
		Nodes: 30, Duration: time.Hour, Seed: 11, SampleInterval: time.Second, PublishInterval: time.Second,
		Faults: fleet.Faults{Cuts: 200, Churn: 50, Away: time.Millisecond},
	})
	l.churn(f, *churnConnections/2) // fills every pool and cache
	before := l.held()
	report := l.churn(f, *churnConnections)
	// Some 8 KiB a connection would show in the short form, and some 300 bytes in the long one.
	const moreGoroutines, moreHeap = 5, 4e6
	var after held
	l.await(within(t, patience), "what half of the connections held to be given back", func(context.Context) error {
		after = l.held()
		return unless(after.goroutines <= before.goroutines+moreGoroutines && after.heap <= before.heap+moreHeap, "%s, before them %s", after, before)
	})
	t.Logf("%d connections over %d cuts and %d restarts; %s, then %s", report.Connections, report.Cuts, report.Restarts, before, after)
}

// held is what a coordinator holds.
type held struct{ goroutines, heap float64 } // heap in bytes

func (h held) String() string {
	return fmt.Sprintf("%.0f goroutines and %.1f MB of heap", h.goroutines, h.heap/1e6)
}

func (l *lab) held() held {
	return held{l.metric("go_goroutines"), l.metric("go_memstats_heap_inuse_bytes")}
}

// churn lets a fleet live until it has made so many connections in all, and waits
// until the coordinator knows that nobody is there.
func (l *lab) churn(f *fleet.Fleet, connections int) *fleet.Report {
	l.t.Helper()
	_, end := l.live(f)
	l.await(within(l.t, patience+time.Duration(connections)*time.Second/10), "connections that come and go", func(context.Context) error {
		made := f.Progress().Connections
		return unless(made >= uint64(connections), "%d of %d", made, connections)
	})
	end()
	l.await(within(l.t, patience), "all nodes to be gone", func(ctx context.Context) error {
		online, err := l.Database().Int64(ctx, "SELECT count(*) FROM node WHERE online")
		return unless(err == nil && online == 0, "%d online, %v", online, err)
	})
	report := l.check(f)
	if err := report.Err(); err != nil {
		l.t.Error(err)
	}
	return report
}

func (l *lab) metric(name string) float64 {
	l.t.Helper()
	v, err := l.Metric(within(l.t, patience), name)
	if err != nil {
		l.t.Fatal(err)
	}
	return v
}
