package statement_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/outage"
	"lucid.internal/coordinator/internal/score"
	"lucid.internal/coordinator/internal/span"
	"lucid.internal/coordinator/internal/statement"
)

var ten = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// at is a time in minutes after ten o'clock.
func at(minutes float64) time.Time { return ten.Add(time.Duration(minutes * float64(time.Minute))) }

// world is a network in a database of its own, whose scores follow from
// verdicts and whose faults of ours from windows on record.
type world struct {
	t      *testing.T
	pool   *db.Pool
	scores *score.Store
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, pool: dbtest.New(t)}
	var err error
	w.scores, err = score.NewStore(score.Config{Pool: w.pool, SetNodeScore: node.SetScore, Vetting: score.Vetting{Verdicts: 2}})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	dbtest.Exec(w.t, w.pool, sql, args...)
}

func (w *world) archive() *statement.Archive {
	return &statement.Archive{Pool: w.pool, Epochs: epoch.Archive{ScoreAsOf: w.scoreAsOf, FaultWindows: faultWindows}}
}

func (w *world) scoreAsOf(ctx context.Context, tx db.Tx, nodeNos []int32, at time.Time) (map[int32]epoch.ScoreAt, error) {
	scores, err := w.scores.AsOf(ctx, tx, nodeNos, at)
	all := make(map[int32]epoch.ScoreAt, len(scores))
	for no, s := range scores {
		all[no] = epoch.ScoreAt{ScoreNano: s.ScoreNano, Factors: s.Factors, Vetted: s.Vetted}
	}
	return all, err
}

func faultWindows(ctx context.Context, tx db.Tx, from, to time.Time) ([]span.Interval, error) {
	windows, err := outage.Windows(ctx, tx, from, to)
	var all []span.Interval
	for _, w := range windows {
		all = append(all, span.Interval{From: w.From, To: w.To})
	}
	return all, err
}

func (w *world) addPool(id string, reward ledger.Amount) {
	w.exec(`INSERT INTO pool (pool_id, name, reward_per_epoch, created_at) VALUES ($1, $1, $2, $3)`, id, int64(reward), ten)
}

// addNode makes an active node that is connected and in a pool from a time on.
func (w *world) addNode(id, poolID string, from time.Time) {
	w.exec(`INSERT INTO node (node_id, name, status) VALUES ($1, $1, 'active')`, id)
	w.exec(`INSERT INTO node_state (node_no, status, from_at) SELECT node_no, 'active', $2 FROM node WHERE node_id = $1`, id, from)
	w.exec(`INSERT INTO node_presence (node_no, from_at) SELECT node_no, $2 FROM node WHERE node_id = $1`, id, from)
	w.join(id, poolID, from)
}

func (w *world) join(id, poolID string, from time.Time) {
	w.exec(`INSERT INTO pool_membership (node_no, pool_no, from_at) SELECT node_no, pool.pool_no, $3 FROM node, pool WHERE node_id = $1 AND pool_id = $2`, id, poolID, from)
}

// verdict stores a verdict and counts it.
func (w *world) verdict(id string, result score.Result, at time.Time, prompt int64) {
	w.t.Helper()
	err := db.InTx(w.t.Context(), w.pool, func(tx db.Tx) error {
		var no int32
		var verdictNo int64
		err := tx.QueryRow(w.t.Context(), `WITH c AS (
				INSERT INTO challenge (challenge_id, node_no, key_epoch, session_no, issued_at, deadline_at, expires_at, canonical, state)
				SELECT gen_random_uuid(), node_no, 1, 1, $2::timestamptz, $2::timestamptz + interval '1s', $2::timestamptz + interval '1s', '', 'judged' FROM node WHERE node_id = $1
				RETURNING challenge_id, node_no)
			INSERT INTO verdict (challenge_id, node_no, at, result, rule_version, prompt) SELECT challenge_id, node_no, $2, $3, 1, $4 FROM c
			RETURNING node_no, verdict_no`, id, at, string(result), prompt).Scan(&no, &verdictNo)
		if err != nil {
			return err
		}
		_, err = w.scores.OnVerdict(w.t.Context(), tx, score.Entry{NodeNo: no, No: verdictNo, Judged: score.Judged{Result: result, At: at, Prompt: &prompt}})
		return err
	})
	w.must(err)
}

// close closes all epochs that are over at a time.
func (w *world) close(now time.Time) {
	w.t.Helper()
	closer, err := epoch.NewCloser(epoch.Config{
		Pool: w.pool, ScoreAsOf: w.scoreAsOf, FaultWindows: faultWindows, Epoch: time.Hour, Grace: 2 * time.Minute, Now: func() time.Time { return now },
	})
	w.must(err)
	w.must(closer.RunOnce(w.t.Context()))
}

func (w *world) post(e ledger.Entry) {
	w.t.Helper()
	w.must(db.InTx(w.t.Context(), w.pool, func(tx db.Tx) error {
		_, err := ledger.Post(w.t.Context(), tx, e)
		return err
	}))
}

func (w *world) export(from, to time.Time) []byte {
	w.t.Helper()
	var out bytes.Buffer
	w.must(w.archive().Export(w.t.Context(), &out, from, to))
	return out.Bytes()
}

// lived is three epochs of two pools in which most of what can happen to a node
// does: verdicts of several kinds, a fault of ours, disconnection, suspension,
// a change of pools, vetting that ends; and money that moves on.
func lived(t *testing.T) *world {
	w := newWorld(t)
	w.addPool("pool_a", 1_000_003)
	w.addPool("pool_b", 777_777)
	w.addPool("pool_free", 0)
	for i, id := range []string{"node_good", "node_late", "node_new", "node_wanderer", "node_lazy"} {
		w.addNode(id, "pool_a", at(float64(-10+i)))
	}
	w.addNode("node_unpaid", "pool_free", at(0))
	for i := range 12 {
		minute := float64(5 + 13*i)
		w.verdict("node_good", score.Valid, at(minute), 900_000_000+int64(i))
		w.verdict("node_late", []score.Result{score.Valid, score.Late, score.Invalid}[i%3], at(minute+1), 333_333_333)
		w.verdict("node_wanderer", score.Valid, at(minute+2), score.One)
		if i > 8 {
			w.verdict("node_lazy", score.Missed, at(minute+3), 0)
		}
	}
	w.exec(`UPDATE pool_membership SET to_at = $1 WHERE node_no = (SELECT node_no FROM node WHERE node_id = 'node_wanderer')`, at(77))
	w.join("node_wanderer", "pool_b", at(77))
	w.exec(`UPDATE node_presence SET to_at = $1 WHERE node_no IN (SELECT node_no FROM node WHERE node_id IN ('node_good', 'node_late'))`, at(40))
	w.exec(`INSERT INTO node_presence (node_no, from_at) SELECT node_no, $1 FROM node WHERE node_id = 'node_good'`, at(52))
	w.exec(`INSERT INTO node_presence (node_no, from_at) SELECT node_no, $1 FROM node WHERE node_id = 'node_late'`, at(100))
	w.must(db.InTx(t.Context(), w.pool, func(tx db.Tx) error {
		_, err := outage.Record(t.Context(), tx, outage.Coordinator, at(40), at(50))
		return err
	}))
	for hour := 1; hour <= 3; hour++ {
		w.close(at(float64(60*hour + 7))) // in the first, who was cut off may come back until 11:05
		w.post(ledger.Reserve(fmt.Sprint("payout_", hour), at(float64(60*hour+8)), "node_good", 100_000, 1_000))
	}
	return w
}
