package pool

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/db"
)

// usageWindow is the time of which the mean CPU is taken: long enough that every
// node has told of some minute of it, short enough to act upon.
const usageWindow = 5 * time.Minute

// Usage is how busy and full nodes are, by what they told in the last minutes. What
// none of them told is nil.
type Usage struct {
	At               time.Time
	Measured         int      // nodes whose CPU is known
	CPUPercent       *float64 // mean of those
	MemoryUsedBytes  *int64   // sums
	MemoryTotalBytes *int64
	DiskUsedBytes    *int64
	DiskTotalBytes   *int64
}

const (
	// nodeUsage is the mean CPU of node n since $1, and memory and disk at the end.
	nodeUsage = ` LEFT JOIN LATERAL (
			SELECT sum(s.cpu_usage_percent_avg * s.samples) / sum(s.samples) FILTER (WHERE s.cpu_usage_percent_avg IS NOT NULL) AS cpu
			FROM sample_1m s WHERE s.node_no = n.node_no AND s.at >= $1
		) m ON true
		LEFT JOIN LATERAL (
			SELECT s.memory_used_bytes_last, s.memory_total_bytes_last, s.disk_used_bytes_last, s.disk_total_bytes_last
			FROM sample_1m s WHERE s.node_no = n.node_no AND s.at >= $1 ORDER BY s.at DESC LIMIT 1
		) e ON true`
	// sumOfUsage leaves out of a sum what is beyond 2^63-1: one machine may say that much.
	sumOfUsage = `count(m.cpu)::integer, avg(m.cpu)::float8,
		(sum(e.memory_used_bytes_last) - greatest(sum(e.memory_used_bytes_last) - 9223372036854775807, 0))::bigint,
		(sum(e.memory_total_bytes_last) - greatest(sum(e.memory_total_bytes_last) - 9223372036854775807, 0))::bigint,
		(sum(e.disk_used_bytes_last) - greatest(sum(e.disk_used_bytes_last) - 9223372036854775807, 0))::bigint,
		(sum(e.disk_total_bytes_last) - greatest(sum(e.disk_total_bytes_last) - 9223372036854775807, 0))::bigint`

	measureUsage = `INSERT INTO pool_usage (pool_no, at, measured, cpu_percent, memory_used_bytes, memory_total_bytes, disk_used_bytes, disk_total_bytes)
		SELECT p.pool_no, $2, ` + sumOfUsage + `
		FROM pool p LEFT JOIN node n ON n.pool_no = p.pool_no AND n.status IN ('starting', 'active')` + nodeUsage + `
		WHERE p.deleted_at IS NULL GROUP BY p.pool_no
		ON CONFLICT (pool_no) DO UPDATE SET at = excluded.at, measured = excluded.measured, cpu_percent = excluded.cpu_percent,
			memory_used_bytes = excluded.memory_used_bytes, memory_total_bytes = excluded.memory_total_bytes,
			disk_used_bytes = excluded.disk_used_bytes, disk_total_bytes = excluded.disk_total_bytes`

	fleetUsage = `SELECT ` + sumOfUsage + ` FROM node n` + nodeUsage + ` WHERE n.online AND n.deleted_at IS NULL`
)

// measure notes the usage of every pool's nodes at work.
func (s *Store) measure(ctx context.Context, tx db.Tx) error {
	now := s.now()
	_, err := tx.Exec(ctx, measureUsage, now.Add(-usageWindow), now)
	return err
}

// fleetUsage is the usage of all nodes that are online.
func (s *Store) fleetUsage(ctx context.Context) (Usage, error) {
	u := Usage{At: s.now()}
	err := s.pool.QueryRow(ctx, fleetUsage, u.At.Add(-usageWindow)).Scan(&u.Measured, &u.CPUPercent,
		&u.MemoryUsedBytes, &u.MemoryTotalBytes, &u.DiskUsedBytes, &u.DiskTotalBytes)
	if err != nil {
		return u, fmt.Errorf("sum the usage of the fleet: %w", err)
	}
	return u, nil
}
