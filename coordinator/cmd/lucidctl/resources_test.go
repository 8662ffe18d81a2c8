package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/sample"
	"lucid.internal/shared/wire"
)

// measure takes one sample in and rolls it up.
func (f *fleet) measure(nodeID string, at time.Time) {
	f.t.Helper()
	var nodeNo int32
	if err := f.db.QueryRow(f.t.Context(), "SELECT node_no FROM node WHERE node_id = $1", nodeID).Scan(&nodeNo); err != nil {
		f.t.Fatal(err)
	}
	samples := sample.NewStore(sample.Config{Pool: f.db})
	in, err := sample.NewIngest(sample.IngestConfig{Store: samples})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(f.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); in.Run(ctx) }()
	defer func() { stop(); <-done }()
	usage := 12.5
	payload, err := json.Marshal(wire.Metrics{V: wire.ProtocolVersion, Run: wire.NewRunID(), Samples: []wire.Sample{{
		Seq: 1, AtMs: at.UnixMilli(), CPU: &wire.CPU{UsagePercent: &usage, Cores: 4, PerCore: []float64{}},
		Memory: &wire.Memory{TotalBytes: 4 << 30, UsedBytes: 1 << 30},
	}}})
	if err == nil {
		settled := make(chan error, 1)
		in.Take(nodeNo, nodeID, payload, sample.Alone(func(err error) { settled <- err }))
		err = <-settled
	}
	if err == nil {
		err = samples.RunOnceRollup(ctx)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func TestMetricsAreListedByBucket(t *testing.T) {
	f := newFleet(t)
	nodeID := f.made("node_id", "nodes", "create", "attic-pi")
	at := time.Now().UTC().Add(-3 * time.Minute).Truncate(time.Minute)
	f.measure(nodeID, at)
	out := f.must("nodes", "metrics", nodeID, "memory", "--field", "used_bytes", "--granularity", "1m", "-o", "csv",
		"--start", at.Add(-time.Minute).Format(time.RFC3339), "--end", at.Add(time.Minute).Format(time.RFC3339))
	want := "timestamp,field,min,avg,max,last,samples\n" +
		at.Add(-time.Minute).Format(time.RFC3339) + ",,,,,,0\n" +
		at.Format(time.RFC3339) + ",used_bytes,1073741824,1073741824,1073741824,1073741824,1\n"
	if out != want {
		t.Errorf("printed\n%swant\n%s", out, want)
	}
	// A table begins with the first sample.
	table := f.must("nodes", "metrics", nodeID, "memory", "--field", "used_bytes", "--granularity", "1m",
		"--start", at.Add(-time.Minute).Format(time.RFC3339), "--end", at.Add(2*time.Minute).Format(time.RFC3339))
	if lines := strings.Split(table, "\n"); len(lines) != 4 || !strings.HasPrefix(lines[1], at.Format(time.RFC3339)) || !strings.Contains(lines[1], "  1.0 GiB  ") {
		t.Errorf("table:\n%s", table)
	}
	if o := f.run("nodes", "metrics", nodeID, "memory", "--end", at.Format(time.RFC3339)); o.code != 0 || o.out != "" || !strings.Contains(o.notes, "nodes resources "+nodeID) {
		t.Errorf("of a time without a sample: %+v", o)
	}
	o := f.run("nodes", "metrics", nodeID, "memory", "--field", "bogus", "--granularity", "1m")
	if o.code != exitUsage || !strings.Contains(o.notes, "there are ") || !strings.Contains(o.notes, "used_bytes") {
		t.Errorf("no such field: %+v", o)
	}
	if out := f.must("nodes", "resources", nodeID); !strings.Contains(out, "MEMORY USED PERCENT") || !strings.Contains(out, "25") {
		t.Errorf("resources:\n%s", out)
	}
}
