package payout_test

import (
	"context"
	"math"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/ledger/ledgertest"
	"lucid.internal/coordinator/internal/payout"
)

const address = "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ"

var (
	byTest = audit.By{Actor: "user_test"}
	ada    = payout.Person{By: audit.By{Actor: "user_ada"}, Human: true}
)

var ten = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// at is a time in minutes after ten o'clock.
func at(minutes float64) time.Time { return ten.Add(time.Duration(minutes * float64(time.Minute))) }

// world is a network in a database of its own, with a clock that the test sets
// and nodes under suspicion.
type world struct {
	t    testing.TB
	pool *db.Pool

	now  time.Time
	held map[int32]bool
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, pool: dbtest.New(t), now: at(63), held: make(map[int32]bool)}
	if _, err := w.store().SetBudget(t.Context(), ada, math.MaxInt64); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) config() payout.Config {
	return payout.Config{
		Pool: w.pool,
		Now:  func() time.Time { return w.now },
		Held: func(context.Context, db.Tx, []int32) (map[int32]bool, error) { return w.held, nil },
	}
}

// store is one on the world's terms, with what the test changes of them.
func (w *world) store(change ...func(*payout.Config)) *payout.Store {
	w.t.Helper()
	cfg := w.config()
	for _, f := range change {
		f(&cfg)
	}
	store, err := payout.NewStore(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return store
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

func (w *world) addNode(id string) int32 {
	w.t.Helper()
	return query[int32](w, `INSERT INTO node (node_id, name, status, payout_address) VALUES ($1, $1, 'active', $2) RETURNING node_no`, id, address)
}

// earn gives a node payable money without an epoch, once.
func (w *world) earn(nodeID string, amount ledger.Amount) {
	w.t.Helper()
	w.post(ledger.Accrue("gift to "+nodeID, ten, "pool_gift", []ledger.Share{{NodeID: nodeID, Amount: amount}}, 0))
}

func (w *world) post(e ledger.Entry) {
	w.t.Helper()
	err := db.InTx(w.t.Context(), w.pool, func(tx db.Tx) error {
		_, err := ledger.Post(w.t.Context(), tx, e)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// listed is a page of a node's payouts.
func (w *world) listed(nodeNo int32, f payout.Filter) []payout.Payout {
	w.t.Helper()
	payouts, _, err := w.store().List(w.t.Context(), nodeNo, f)
	if err != nil {
		w.t.Fatal(err)
	}
	return payouts
}

func (w *world) wantBalance(kind ledger.Kind, owner string, want ledger.Amount) {
	w.t.Helper()
	ledgertest.WantBalance(w.t, w.pool, kind, owner, want)
}

// wantSound checks what must hold whatever happened.
func (w *world) wantSound() {
	w.t.Helper()
	ledgertest.WantSound(w.t, w.pool)
}

func (w *world) count(table string) int {
	w.t.Helper()
	return query[int](w, `SELECT count(*) FROM `+table)
}
