package epoch_test

import (
	"context"
	"flag"
	"math"
	"runtime"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/score"
)

var settledPools = flag.Int("settled-pools", 100, "pools of BenchmarkSettlement, of 100 nodes each")

// settlement makes full pools of vetted nodes, proven and present since ten,
// whose scores are read as in production.
func settlement(b *testing.B, pools int) *world {
	b.Helper()
	w := newWorld(b)
	server, _ := dbtest.Own(b, dbtest.OwnDir(b), nil)
	patient, err := db.Open(b.Context(), server.URL()+"&statement_timeout=0") // a million rows at once take their time
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(patient.Close)
	w.pool = patient
	w.exec(`INSERT INTO pool (pool_id, name, reward_per_epoch, created_at)
		SELECT 'pool_' || i, 'pool_' || i, 1000003, $2 FROM generate_series(1, $1) i`, pools, ten)
	w.exec(`INSERT INTO node (node_id, name, status, payout_address)
		SELECT 'node_' || i, 'node_' || i, 'active', $2 FROM generate_series(1, $1) i`, 100*pools, address)
	w.exec(`INSERT INTO node_state (node_no, status, from_at) SELECT node_no, 'active', $1 FROM node`, ten)
	w.exec(`INSERT INTO node_presence (node_no, from_at) SELECT node_no, $1 FROM node`, ten)
	w.exec(`INSERT INTO pool_membership (node_no, pool_no, from_at) SELECT node_no, (node_no - 1) / 100 + 1, $1 FROM node`, ten)
	w.exec(`INSERT INTO score (node_no, reputation_a, reputation_b, timely_a, timely_b, verdicts, score, confidence, factors, rule_version,
			vetted_at, calculated_at)
		SELECT node_no, 1, 0, 1, 0, 100, 900000000 + node_no % 100000000, 0, '{"reputation": 1}', 1, $1, $1 FROM node`, ten)
	w.exec("ALTER TABLE score_change DROP CONSTRAINT score_change_verdict_no_fkey") // the verdicts are not read
	w.exec(`INSERT INTO score_change (node_no, verdict_no, at, before, after, factors, reason)
		SELECT node_no, node_no, $1, 0, score, factors, 'valid' FROM score`, ten)
	// As in most epochs, all have earned before.
	w.exec("INSERT INTO account (kind, owner) SELECT 'payable', node_id FROM node")
	w.exec("INSERT INTO account (kind, owner, min_balance) SELECT 'pool_expense', pool_id, $1 FROM pool", int64(math.MinInt64))
	w.exec("VACUUM ANALYZE")
	return w
}

// BenchmarkSettlement closes an epoch of every pool, beside an INSERT ... SELECT
// of the rows that this wrote, updated balances among them, into tables with the same
// columns and indexes. Of a million nodes:
//
//	go test ./internal/epoch -run '^$' -bench Settlement -benchtime 1x -settled-pools 10000
func BenchmarkSettlement(b *testing.B) {
	w := settlement(b, *settledPools)
	scores, err := score.NewStore(score.Config{Pool: w.pool, SetNodeScore: node.SetScore})
	if err != nil {
		b.Fatal(err)
	}
	closer := w.closer(func(c *epoch.Config) { c.ScoreAsOf, c.OnEarning = asOf(scores), nil })
	began, epochs := time.Now(), 0
	for b.Loop() {
		epochs++
		w.setNow(at(float64(60*epochs + 2)))
		w.run(closer)
	}
	took := time.Since(began)
	if n := w.count("epoch"); n != epochs**settledPools {
		b.Fatalf("%d epochs closed, want %d", n, epochs**settledPools)
	}
	const wrong = `SELECT (SELECT count(*) FROM (SELECT FROM epoch JOIN statement_line USING (epoch_no) GROUP BY epoch_no, reward HAVING sum(share) <> reward) AS e)
		+ (SELECT abs(sum(balance)) FROM account) + (SELECT count(*) FROM account WHERE kind = 'unallocated' AND balance <> 0)`
	if n := query[int](w, wrong); n != 0 {
		b.Fatalf("%d epochs or micro-USDT are not exact", n)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	rows, reference := w.writeAgain()
	b.ReportMetric(float64(memory.Sys)/(1<<20), "MB")
	b.ReportMetric(float64(100**settledPools*epochs)/took.Seconds(), "nodes/s")
	b.ReportMetric(float64(rows)/reference.Seconds(), "reference-rows/s")
	b.ReportMetric(float64(rows)/float64(epochs), "rows")
	b.ReportMetric(took.Seconds()/reference.Seconds(), "x-of-INSERT-SELECT")
}

// asOf reads scores as the coordinator does.
func asOf(scores *score.Store) func(context.Context, db.Tx, []int32, time.Time) (map[int32]epoch.ScoreAt, error) {
	return func(ctx context.Context, tx db.Tx, nodeNos []int32, at time.Time) (map[int32]epoch.ScoreAt, error) {
		found, err := scores.AsOf(ctx, tx, nodeNos, at)
		all := make(map[int32]epoch.ScoreAt, len(found))
		for no, s := range found {
			all[no] = epoch.ScoreAt{ScoreNano: s.ScoreNano, Factors: s.Factors, Vetted: s.Vetted}
		}
		return all, err
	}
}

// writeAgain copies all that settling wrote, and says how long that took.
func (w *world) writeAgain() (rows int64, took time.Duration) {
	w.t.Helper()
	for _, table := range []string{"epoch", "statement_line", "account", "entry", "posting", "event_outbox"} {
		w.exec("CREATE TABLE copy_of_" + table + " (LIKE " + table + " INCLUDING ALL)")
		began := time.Now()
		tag, err := w.pool.Exec(w.t.Context(), "INSERT INTO copy_of_"+table+" OVERRIDING SYSTEM VALUE SELECT * FROM "+table)
		if err != nil {
			w.t.Fatal(err)
		}
		rows, took = rows+tag.RowsAffected(), took+time.Since(began)
	}
	return rows, took
}
