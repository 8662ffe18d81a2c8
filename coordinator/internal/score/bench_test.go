package score_test

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/score"
)

// BenchmarkVerdict is the transaction of a verdict, for a node that has come and
// gone 300 times a day for a month with 400 faults of ours: as it is done, and
// with the tally thrown away each time, which reads the whole period.
func BenchmarkVerdict(b *testing.B) {
	for _, c := range []struct {
		name   string
		forget bool
	}{{"counted up", false}, {"the whole period", true}} {
		b.Run(c.name, func(b *testing.B) {
			f := newFleet(b, nil)
			node := f.node()
			const often = 24 * time.Hour / 300
			f.exec(`INSERT INTO node_presence (node_no, from_at, to_at) SELECT $1, t, t + interval '4 minutes'
				FROM generate_series($2::timestamptz, $3::timestamptz, $4::interval) t`, node, noon.Add(-31*day), noon, often)
			f.exec("INSERT INTO node_state (node_no, status, from_at) VALUES ($1, 'active', $2)", node, noon.Add(-40*day))
			f.exec(`INSERT INTO fault_window (cause, from_at, to_at) SELECT 'coordinator', t, t + interval '20 seconds'
				FROM generate_series($1::timestamptz, $2::timestamptz, $3::interval) t`, noon.Add(-31*day), noon, 31*day/400)
			f.exec("ANALYZE")
			f.judge(node, score.Valid, "", noon)
			at := noon
			for b.Loop() {
				if c.forget {
					b.StopTimer()
					f.exec("DELETE FROM availability_tally")
					b.StartTimer()
				}
				at = at.Add(time.Millisecond)
				f.judge(node, score.Valid, "", at)
			}
		})
	}
}
