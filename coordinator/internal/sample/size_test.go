package sample

import (
	"fmt"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/wire"
)

// TestSizeOfANodeAndDay keeps docs/telemetry.md true: it stores a real day of
// samples at 10 s, six a message, of a few nodes, rolls them up and measures. The
// size is what rows need; a table of few pages would say more of its pages.
func TestSizeOfANodeAndDay(t *testing.T) {
	if testing.Short() {
		t.Skip("stores 69,120 samples")
	}
	const nodes = 8
	pool := dbtest.New(t)
	clock := clockAt(noon.Truncate(day))
	store := NewStore(Config{Pool: pool, Now: clock.now})
	in := run(t, IngestConfig{Store: store})
	maintain(t, store)
	var nodeNos []int32
	var runs []wire.RunID
	for i := range nodes {
		nodeNos, runs = append(nodeNos, newNode(t, pool, fmt.Sprintf("sized%d", i))), append(runs, wire.NewRunID())
	}
	for minute := range uint64(24 * 60) {
		for n := range nodes {
			m := wire.Metrics{V: wire.ProtocolVersion, Run: runs[n]}
			for i := range uint64(6) {
				m.Samples = append(m.Samples, sampleAt(minute*6+i+1, clock.now().Add(time.Duration(i)*10*time.Second)))
			}
			mustStore(t, in, nodeNos[n], encode(t, m))
		}
		clock.add(time.Minute)
	}
	rollUp(t, store)
	dbtest.Exec(t, pool, "VACUUM")
	for _, c := range []struct {
		table  string
		rows   int64
		atMost int64 // bytes of a node and day
	}{
		{"sample", 8640, 3_100_000}, {"sample_1m", 1440, 720_000}, {"sample_5m", 288, 155_000}, {"sample_15m", 96, 60_000}, {"sample_1h", 24, 25_000},
	} {
		rows := value[int64](t, pool, "SELECT count(*) FROM "+c.table) / nodes
		bytes := value[int64](t, pool, `SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_partition_tree($1::text::regclass) WHERE isleaf`, c.table) / nodes
		t.Logf("%-10s %5d rows, %7d bytes a node and day", c.table, rows, bytes)
		if rows != c.rows || bytes > c.atMost {
			t.Errorf("%s: %d rows and %d bytes a node and day, want %d and at most %d", c.table, rows, bytes, c.rows, c.atMost)
		}
	}
}
