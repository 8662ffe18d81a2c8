package score_test

import (
	"fmt"
	"os"
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

// BenchmarkYear is what the API reads of proofs, from a year of verdicts as wide as
// the referee stores them: 20 nodes, and 200 with TEST_LONG.
func BenchmarkYear(b *testing.B) {
	f, nodes := newFleet(b, nil), 20
	if os.Getenv("TEST_LONG") != "" {
		nodes = 200
	}
	first := f.node()
	for range nodes - 1 {
		f.node()
	}
	f.aYear(nodes)
	for range 50 { // what a page of history shows
		f.judge(first, score.Valid, "", noon.Add(time.Second))
	}
	f.exec("ANALYZE")
	b.Logf("%d nodes, %d verdicts", nodes, value[int64](f, "SELECT count(*) FROM verdict"))
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	statistics := func(how string, lengths ...time.Duration) {
		for _, length := range lengths {
			b.Run(fmt.Sprintf("statistics of %.0f days, %s", length.Hours()/24, how), func(b *testing.B) {
				for b.Loop() {
					s, err := f.store.Statistics(b.Context(), f.clock.Add(-length), f.clock)
					must(err)
					b.ReportMetric(float64(s.Verdicts), "verdicts")
				}
			})
		}
	}
	statistics("verdict by verdict", day, 30*day, 365*day)
	began := time.Now()
	f.clock = noon.Add(hourSettledAfter)
	for through := noon.Add(-366 * day); through.Before(noon); through = value[time.Time](f, "SELECT through FROM verdict_hour_through") {
		must(f.store.RunOnceHours(b.Context()))
	}
	b.Logf("counted up by the hour in %s: %d rows", time.Since(began), value[int64](f, "SELECT count(*) FROM verdict_hour"))
	f.exec("ANALYZE")
	statistics("by the hour", day, 30*day, 365*day)
	// 100,000 nodes, 1.2 million verdicts an hour, as many different times as 0 to 4 s have.
	f.exec("TRUNCATE verdict_hour")
	f.exec(`INSERT INTO verdict_hour SELECT t, 'valid', ms, 300 FROM generate_series($1::timestamptz, $2::timestamptz, interval '1 hour') t, generate_series(0, 3999) ms`, noon.Add(-31*day), noon.Add(-time.Hour))
	f.exec("ANALYZE")
	statistics("by the hour, of 100,000 nodes", day, 30*day)
	b.Run("history", func(b *testing.B) {
		for b.Loop() {
			page, _, err := f.store.History(b.Context(), first, 20, 0)
			if must(err); len(page) != 20 {
				b.Fatalf("%d verdicts", len(page))
			}
		}
	})
	b.Run("leaderboard", func(b *testing.B) {
		for b.Loop() {
			_, _, err := f.store.Leaders(b.Context(), "", 20, 0)
			must(err)
		}
	})
}

// hourSettledAfter is when the last hour before noon is counted up.
const hourSettledAfter = 10 * time.Minute

// aYear fills the table of verdicts with one each five minutes of so many nodes.
// What the database would check of each row takes hours; the queries read none of it.
func (f *fleet) aYear(nodes int) {
	f.t.Helper()
	f.exec("ALTER TABLE verdict DROP CONSTRAINT verdict_challenge_id_key, DROP CONSTRAINT verdict_challenge_id_fkey, DROP CONSTRAINT verdict_node_no_fkey")
	for from := -365 * day; from < 0; from += 5 * day {
		f.exec(`INSERT INTO verdict (challenge_id, node_no, at, result, rule_version, answered_ms, response, address, boot_id, boot_time_ms, run_id, run_seq, throttle, prompt, telemetry)
			SELECT gen_random_uuid(), n.node_no, t + random() * interval '5 minutes', CASE WHEN random() < 0.99 THEN 'valid' ELSE 'late' END, 3, 100 + 300 * random(),
				decode(repeat('a5', 400), 'hex'), '192.0.2.1', gen_random_uuid(), 1e9, decode(repeat('a5', 16), 'hex'), 1e6, 0, 1000000000, 1000000000
			FROM generate_series($1::timestamptz, $2::timestamptz - interval '5 minutes', interval '5 minutes') t, (SELECT node_no FROM node ORDER BY 1 LIMIT $3) n`,
			noon.Add(from), noon.Add(from+5*day), nodes)
	}
}
