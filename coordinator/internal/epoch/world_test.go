package epoch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/ledger/ledgertest"
	"lucid.internal/coordinator/internal/span"
)

const (
	address = "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ"
	perfect = 1_000_000_000
)

var ten = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// at is a time in minutes after ten o'clock.
func at(minutes float64) time.Time { return ten.Add(time.Duration(minutes * float64(time.Minute))) }

// world is a network in a database of its own, with a clock and scores that
// the test sets.
type world struct {
	t    testing.TB
	pool *db.Pool

	mu       sync.Mutex
	now      time.Time
	scores   map[int32]epoch.ScoreAt
	windows  []span.Interval
	scoredAt time.Time // what ScoreAsOf was asked for last
	earnings []string
	followed int // how often AfterClosing was called
}

func newWorld(t testing.TB) *world {
	return &world{t: t, pool: dbtest.New(t), now: at(63), scores: make(map[int32]epoch.ScoreAt)}
}

func (w *world) config() epoch.Config {
	return epoch.Config{
		Pool:  w.pool,
		Epoch: time.Hour,
		Grace: 2 * time.Minute,
		Now:   func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now },
		ScoreAsOf: func(_ context.Context, _ db.Tx, nodeNos []int32, at time.Time) (map[int32]epoch.ScoreAt, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.scoredAt = at
			scores := make(map[int32]epoch.ScoreAt)
			for _, no := range nodeNos {
				scores[no] = w.scores[no]
			}
			return scores, nil
		},
		FaultWindows: func(_ context.Context, _ db.Tx, from, to time.Time) ([]span.Interval, error) {
			return slices.DeleteFunc(slices.Clone(w.windows), func(i span.Interval) bool {
				return !i.To.After(from) || !i.From.Before(to)
			}), nil
		},
		AfterClosing: func(context.Context) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.followed++
			return nil
		},
		OnEarning: func(e epoch.Earning) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.earnings = append(w.earnings, fmt.Sprintf("%s %s %s %s", e.NodeID, e.Share, e.Payable, e.EpochEnd.UTC().Format("15:04")))
		},
	}
}

func (w *world) closer(change ...func(*epoch.Config)) *epoch.Closer {
	w.t.Helper()
	cfg := w.config()
	for _, f := range change {
		f(&cfg)
	}
	closer, err := epoch.NewCloser(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return closer
}

// run closes and expects no error.
func (w *world) run(closer *epoch.Closer) {
	w.t.Helper()
	if err := closer.RunOnce(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) setNow(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = now
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	dbtest.Exec(w.t, w.pool, sql, args...)
}

// query reads one value.
func query[T any](w *world, sql string, args ...any) T {
	w.t.Helper()
	return dbtest.Value[T](w.t, w.pool, sql, args...)
}

func (w *world) addPool(id string, reward ledger.Amount, created time.Time) int32 {
	w.t.Helper()
	return query[int32](w, `INSERT INTO pool (pool_id, name, reward_per_epoch, created_at) VALUES ($1, $1, $2, $3) RETURNING pool_no`,
		id, int64(reward), created)
}

// addNode makes a vetted node with a perfect score that is a member, active and
// connected from a time on; without pool it is in none.
func (w *world) addNode(id string, poolNo int32, from time.Time) int32 {
	w.t.Helper()
	no := query[int32](w, `INSERT INTO node (node_id, name, status, payout_address) VALUES ($1, $1, 'active', $2) RETURNING node_no`, id, address)
	w.score(no, epoch.ScoreAt{ScoreNano: perfect, Factors: json.RawMessage(`{"reputation": 1}`), Vetted: true})
	w.exec(`INSERT INTO node_state (node_no, status, from_at) VALUES ($1, 'active', $2)`, no, from)
	w.exec(`INSERT INTO node_presence (node_no, from_at) VALUES ($1, $2)`, no, from)
	if poolNo != 0 {
		w.exec(`INSERT INTO pool_membership (node_no, pool_no, from_at) VALUES ($1, $2, $3)`, no, poolNo, from)
	}
	return no
}

func (w *world) score(nodeNo int32, score epoch.ScoreAt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scores[nodeNo] = score
}

func (w *world) wantBalance(kind ledger.Kind, owner string, want ledger.Amount) {
	w.t.Helper()
	ledgertest.WantBalance(w.t, w.pool, kind, owner, want)
}

// wantSound checks what must hold whatever happened: the ledger is sound, and
// each epoch's reward is in the one entry that it names.
func (w *world) wantSound() {
	w.t.Helper()
	ledgertest.WantSound(w.t, w.pool)
	const wrong = `SELECT count(*) FROM epoch e WHERE reward <> coalesce((SELECT -amount FROM posting JOIN account USING (account_no)
		WHERE entry_id = e.entry_id AND kind = 'pool_expense'), 0)`
	if n := query[int](w, wrong); n != 0 {
		w.t.Errorf("%d epochs whose entry does not spend their reward", n)
	}
}

func (w *world) count(table string) int {
	w.t.Helper()
	return query[int](w, `SELECT count(*) FROM `+table)
}

// One epoch of a full pool, from evidence to the ledger.
func BenchmarkEpochOfHundredNodes(b *testing.B) {
	w := newWorld(b)
	poolNo := w.addPool("pool_a", ledger.USDT(1), at(0))
	for i := range 100 {
		w.addNode(fmt.Sprintf("node_%d", i), poolNo, at(0))
	}
	closer := w.closer()
	for i := 1; b.Loop(); i++ {
		w.setNow(at(float64(60*i + 2)))
		w.run(closer)
	}
}
