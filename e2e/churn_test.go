package e2e

import (
	"context"
	"flag"
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
	idle := func() (goroutines, heap float64) {
		l.await(within(t, patience), "all nodes to be gone", func(ctx context.Context) error {
			online, err := l.Database().Int64(ctx, "SELECT count(*) FROM node WHERE online")
			return unless(err == nil && online == 0, "%d online, %v", online, err)
		})
		return l.metric("go_goroutines"), l.metric("go_memstats_heap_inuse_bytes")
	}
	var goroutines, heap [2]float64
	var report *fleet.Report
	for round := range goroutines { // the first fills every pool and cache
		l.churn(f, (round+1)**churnConnections/2)
		goroutines[round], heap[round] = idle()
		if report = l.check(f); report.Err() != nil {
			t.Error(report.Err())
		}
	}
	t.Logf("%d connections over %d cuts and %d restarts; goroutines %.0f, then %.0f; heap %.1f MB, then %.1f MB",
		report.Connections, report.Cuts, report.Restarts, goroutines[0], goroutines[1], heap[0]/1e6, heap[1]/1e6)
	if goroutines[1] > goroutines[0]+5 {
		t.Errorf("%.0f goroutines after %d connections, %.0f before half of them", goroutines[1], report.Connections, goroutines[0])
	}
	// Some 8 KiB a connection would show in the short form, and some 300 bytes in the long one.
	if grown := heap[1] - heap[0]; grown > 4e6 {
		t.Errorf("the heap grew by %.1f MB over %d connections", grown/1e6, report.Connections/2)
	}
}

// churn lets a fleet live until it has made so many connections in all.
func (l *lab) churn(f *fleet.Fleet, connections int) {
	l.t.Helper()
	_, end := l.live(f)
	l.await(within(l.t, patience+time.Duration(connections)*time.Second/10), "connections that come and go", func(context.Context) error {
		made := f.Progress().Connections
		return unless(made >= uint64(connections), "%d of %d", made, connections)
	})
	end()
}

func (l *lab) metric(name string) float64 {
	l.t.Helper()
	v, err := l.Metric(within(l.t, patience), name)
	if err != nil {
		l.t.Fatal(err)
	}
	return v
}
