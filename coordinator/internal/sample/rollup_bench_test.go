package sample

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
)

// BenchmarkRollup rolls up what 2,000 nodes send in an hour, six samples a
// minute each, as it comes: a pass every minute. The figure is how many samples
// a second are rolled up, in all granularities. A fleet of 10,000 nodes sends
// 1,000 a second.
//
//	go test ./internal/sample -run '^$' -bench Rollup -benchtime 1x
func BenchmarkRollup(b *testing.B) {
	const nodes, minutes = 2000, 60
	for b.Loop() {
		b.StopTimer()
		pool := benchPool(b)
		now := noon
		store := NewStore(Config{Pool: pool, Now: func() time.Time { return now }})
		maintain(b, store)
		enrolMany(b, pool, nodes)
		var longest time.Duration
		for range minutes {
			sent(b, pool, now)
			now = now.Add(time.Minute)
			b.StartTimer()
			began := time.Now()
			rollUp(b, store)
			longest = max(longest, time.Since(began))
			b.StopTimer()
		}
		b.ReportMetric(float64(nodes*minutes*6)/b.Elapsed().Seconds(), "samples/s")
		b.ReportMetric(longest.Seconds(), "longest-pass-s")
		b.StartTimer()
	}
}

func enrolMany(b *testing.B, pool *db.Pool, nodes int) {
	b.Helper()
	for _, sql := range []string{
		`INSERT INTO node (node_id, name, status) SELECT 'node_' || i, 'pi-' || i, 'active' FROM generate_series(1, $1::integer) i`,
		`INSERT INTO node_run (node_no, run_id, last_at, started_at) SELECT i, gen_random_uuid(), '2026-03-14', '2026-03-14' FROM generate_series(1, $1::integer) i`,
	} {
		if _, err := pool.Exec(b.Context(), sql, nodes); err != nil {
			b.Fatal(err)
		}
	}
}

// sent stores a minute of every node, as ingest does.
func sent(b *testing.B, pool *db.Pool, minute time.Time) {
	b.Helper()
	for _, sql := range []string{
		`INSERT INTO sample (node_no, at, run_no, seq, cpu_usage_percent, cpu_cores, cpu_temperature_celsius, cpu_load_1m, memory_total_bytes,
			memory_used_bytes, memory_available_bytes, disk_total_bytes, disk_used_bytes, disk_read_iops, disk_write_iops, network_bytes_in, network_bytes_out)
		SELECT node_no, $1::timestamptz + i * interval '10 seconds', run_no, last_seq + i + 1, 12.5, 4, 50, 0.5, 4e9, 1e9 + i, 3e9, 3e10, 1e10, 3, 4, 1000, 2000
		FROM node_run, generate_series(0, 5) i`,
		`UPDATE node_run SET changed_from = CASE WHEN marked_seq = last_seq THEN $1::timestamptz ELSE changed_from END,
			last_at = $1::timestamptz + interval '50 seconds', last_seq = last_seq + 6, changed_seq = last_seq + 6`,
	} {
		if _, err := pool.Exec(b.Context(), sql, minute); err != nil {
			b.Fatal(err)
		}
	}
}
