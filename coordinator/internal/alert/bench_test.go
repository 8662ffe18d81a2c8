package alert

import (
	"context"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/span"
)

// BenchmarkWatch is one look at 10,000 nodes of which a quarter sent a sample
// since the look before, as many as do in 15 seconds of a minute.
func BenchmarkWatch(b *testing.B) {
	pool, now := dbtest.New(b), start
	s := NewStore(Config{Pool: pool, Now: func() time.Time { return now },
		FaultWindows: func(context.Context, db.Tx, time.Time, time.Time) ([]span.Interval, error) { return nil, nil }})
	const sample = `{"seq":1,"at_ms":1777896000000,"cpu":{"usage_percent":12.5,"cores":4,"frequency_mhz":1500,"load_average":[0.4,0.3,0.2],
		"temperature_celsius":48.2,"per_core":[20,10,10,10]},"memory":{"total_bytes":4000000000,"used_bytes":1,"free_bytes":1,"available_bytes":3000000000,
		"cached_bytes":1,"swap_total_bytes":0,"swap_used_bytes":0},"disk":{"total_bytes":1000,"used_bytes":600,"free_bytes":400,"read_iops":null,
		"write_iops":null,"read_throughput_mbps":null,"write_throughput_mbps":null,"filesystems":[{"mount":"/","total_bytes":1000,"used_bytes":600,
		"free_bytes":400,"read_only":false,"errors_count":0}]},"network":null,"gpu":null}`
	exec := func(sql string, args ...any) {
		b.Helper()
		if _, err := pool.Exec(b.Context(), sql, args...); err != nil {
			b.Fatal(err)
		}
	}
	exec(`INSERT INTO node (node_id, name, status, online) SELECT 'node_' || i, 'pi-' || i, 'active', true FROM generate_series(1, 10000) i`)
	exec(`INSERT INTO sample_latest (node_no, at, received_at, run_no, seq, body) SELECT node_no, $1, $1, 1, 1, $2 FROM node`, now, sample)
	exec(`ANALYZE node, sample_latest`)
	// The samples' own time stands still.
	if err := s.SetThresholds(b.Context(), operator, Scope{}, map[Kind]Threshold{ClockSkew: {}}); err != nil {
		b.Fatal(err)
	}
	w := NewWatch(s)
	if err := w.RunOnce(b.Context()); err != nil {
		b.Fatal(err)
	}
	turn := 0
	for b.Loop() {
		b.StopTimer()
		now, turn = now.Add(5*time.Minute), turn+1
		exec(`UPDATE sample_latest SET received_at = $1, at = $1 WHERE node_no % 4 = $2`, now, turn%4)
		b.StartTimer()
		if err := w.RunOnce(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
