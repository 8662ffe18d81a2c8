package fraud

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/ledger/ledgertest"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

const wallet = "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ"

var byTest = audit.By{Actor: "user_test"}

// world is a fleet in a database of its own, with a clock that the test sets.
type world struct {
	*Store
	t       testing.TB
	pool    *db.Pool
	clock   time.Time
	judge   *Judge
	payouts *payout.Store
	vetted  bool
	key     ed25519.PrivateKey
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, pool: dbtest.New(t), clock: noon, vetted: true}
	_, w.key, _ = ed25519.GenerateKey(nil)
	var err error
	w.payouts, err = payout.NewStore(payout.Config{Pool: w.pool, Now: func() time.Time { return w.clock }, Held: Held, TakeBack: TakeBack})
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewStore(Config{
		Pool: w.pool, Now: func() time.Time { return w.clock }, CancelPayouts: w.payouts.CancelPending,
		CohortTime: func(string, int, int) time.Duration { return 2 * time.Second },
		Fastest:    func(model string) (float64, bool) { return 330_000, model == "Raspberry Pi 4" },
		Vetted:     func(context.Context, db.Tx, int32, time.Time) (bool, error) { return w.vetted, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Store, w.judge = s, NewJudge(s)
	w.exec(`INSERT INTO pool (pool_id, name, created_at) VALUES ('pool_a', 'aaa', $1), ('pool_b', 'bbb', $1)`, noon.AddDate(-1, 0, 0))
	return w
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	dbtest.Exec(w.t, w.pool, sql, args...)
}

func query[T any](w *world, sql string, args ...any) T {
	w.t.Helper()
	return dbtest.Value[T](w.t, w.pool, sql, args...)
}

// addNode makes node_N, a Raspberry Pi 4 that works in a pool.
func (w *world) addNode(n int, poolID string) int32 {
	w.t.Helper()
	no := query[int32](w, `INSERT INTO node (node_id, name, status, pool_no, payout_address, inventory, created_at)
		SELECT $1, $1, 'active', pool_no, $2, '{"model": "Raspberry Pi 4"}', $4 FROM pool WHERE pool_id = $3 RETURNING node_no`,
		fmt.Sprint("node_", n), wallet, poolID, noon.AddDate(0, -1, 0))
	w.exec(`INSERT INTO node_state (node_no, status, from_at) VALUES ($1, 'active', $2)`, no, noon.AddDate(0, -1, 0))
	w.exec(`INSERT INTO pool_membership (node_no, pool_no, from_at) SELECT $1, pool_no, $3 FROM pool WHERE pool_id = $2`, no, poolID, noon.AddDate(0, -1, 0))
	return no
}

// verdicts stores answers as the referee does, all at once.
func (w *world) verdicts(answers ...Answer) {
	w.t.Helper()
	w.verdictsAt(1, answers...)
}

// verdictsAt stores answers that name a message of their run's telemetry.
func (w *world) verdictsAt(seq uint64, answers ...Answer) {
	w.t.Helper()
	var challenges, verdicts [][]any
	var together *int64
	for _, a := range answers {
		id := uuid.New()
		issued := a.At.Add(-a.Took)
		var cohort *int64
		if a.Cohort && together == nil {
			together = one(query[int64](w, `INSERT INTO challenge_cohort (at, nodes) VALUES ($1, 1) RETURNING cohort_no`, issued))
		}
		if a.Cohort {
			cohort = together
		}
		var bits, puzzles *int16
		if a.Limit > 0 {
			bits, puzzles = one(int16(14)), one(int16(8))
		}
		challenges = append(challenges, []any{
			id, a.NodeNo, max(a.KeyEpoch, 1), int64(1), issued, issued.Add(30 * time.Second), issued.Add(2 * time.Minute), []byte{1}, "judged", cohort, bits, puzzles,
		})
		v := []any{id, a.NodeNo, a.At, a.Result, a.Reason, int32(1), nil, nil, nil, nil, nil, nil, nil, nil}
		if a.Answered {
			r := w.response(a)
			r.Seq = seq
			network := "192.0.2.1"
			if a.Network != "" {
				network = a.Network
			}
			v = []any{
				id, a.NodeNo, a.At, a.Result, a.Reason, int32(1), int32(a.Took.Milliseconds()), r.Encode(proof.Key{}, w.key), network,
				uuid.UUID(r.BootID), int64(r.BootTimeMs), r.Run[:], int64(r.Throttle), int64(r.Seq),
			}
		}
		verdicts = append(verdicts, v)
	}
	w.copy("challenge", []string{"challenge_id", "node_no", "key_epoch", "session_no", "issued_at", "deadline_at", "expires_at", "canonical", "state", "cohort_no", "difficulty", "puzzles"}, challenges)
	w.copy("verdict", []string{
		"challenge_id", "node_no", "at", "result", "reason", "rule_version", "answered_ms", "response", "address", "boot_id", "boot_time_ms", "run_id", "throttle", "run_seq",
	}, verdicts)
}

func (w *world) copy(table string, columns []string, rows [][]any) {
	w.t.Helper()
	if _, err := w.pool.CopyFrom(w.t.Context(), pgx.Identifier{table}, columns, pgx.CopyFromRows(rows)); err != nil {
		w.t.Fatal(err)
	}
}

// response is what a node sends that needed so many hashes.
func (w *world) response(a Answer) *proof.Response {
	r := &proof.Response{Solutions: make([]uint64, 8), BootTimeMs: uint64(a.BootTime.Milliseconds())}
	for i := range r.Solutions {
		r.Solutions[i] = max(a.Hashes/8, 1) - 1
	}
	r.Solutions[0] += a.Hashes % 8
	if a.Throttled {
		r.Throttle = 4
	}
	copy(r.BootID[:], a.Boot)
	r.Run = runID(a.Run)
	return r
}

func runID(name string) (id wire.RunID) {
	copy(id[:], name)
	return id
}

func (w *world) run() {
	w.t.Helper()
	if err := w.judge.RunOnce(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// flagged are the ids of all rules that flagged a node.
func (w *world) flagged(nodeNo int32) []string {
	w.t.Helper()
	return query[[]string](w, `SELECT coalesce(array_agg(DISTINCT rule ORDER BY rule), '{}') FROM fraud_flag WHERE node_no = $1`, nodeNo)
}

func (w *world) wantFlags(nodeNo int32, want ...string) {
	w.t.Helper()
	if got := w.flagged(nodeNo); !slices.Equal(got, want) {
		w.t.Errorf("node %d: flags %v, want %v", nodeNo, got, want)
	}
}

func (w *world) held(nodeNo int32) bool {
	w.t.Helper()
	return query[bool](w, `SELECT EXISTS (SELECT FROM fraud_hold WHERE node_no = $1 AND to_at IS NULL)`, nodeNo)
}

// earn gives a node a share of an epoch of a pool.
func (w *world) earn(nodeNo int32, poolID string, amount ledger.Amount, held bool) {
	w.t.Helper()
	w.earnFor(nodeNo, poolID, amount, held)
}

// earnFor is earn with what the statement says of the share.
func (w *world) earnFor(nodeNo int32, poolID string, amount ledger.Amount, held bool, reasons ...string) {
	w.t.Helper()
	n := query[int](w, `SELECT count(*) FROM epoch`)
	at := noon.Add(-time.Hour * time.Duration(1000-n))
	nodeID := query[string](w, `SELECT node_id FROM node WHERE node_no = $1`, nodeNo)
	w.post(ledger.Accrue(fmt.Sprint("epoch ", n), at, poolID, []ledger.Share{{NodeID: nodeID, Amount: amount, Held: held}}, 0))
	w.exec(`WITH e AS (
			INSERT INTO epoch (pool_no, starts_at, ends_at, reward, entry_id, closed_at)
			SELECT pool_no, $2, $3, $4, (SELECT entry_id FROM entry ORDER BY entry_no DESC LIMIT 1), $3 FROM pool WHERE pool_id = $1 RETURNING epoch_no)
		INSERT INTO statement_line (epoch_no, node_no, member_ms, credited_ms, score, factors, weight, share, destination, reasons)
		SELECT epoch_no, $5, 1, 1, 1, 'null', 1, $4, $6, $7 FROM e`,
		poolID, at.Add(-time.Hour), at, int64(amount), nodeNo, map[bool]string{true: "held", false: "payable"}[held], append([]string{}, reasons...))
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

func (w *world) wantBalance(kind ledger.Kind, owner string, want ledger.Amount) {
	w.t.Helper()
	ledgertest.WantBalance(w.t, w.pool, kind, owner, want)
}

// wantSound checks the ledger, whatever happened.
func (w *world) wantSound() {
	w.t.Helper()
	ledgertest.WantSound(w.t, w.pool)
}

// cheat stores the answers of a key that two machines hold.
func (w *world) cheat(nodeNo int32) {
	w.t.Helper()
	for i, name := range []string{"A", "B", "A"} {
		a := proven(i, name, "boot"+name, time.Hour+time.Duration(i)*time.Minute)
		a.NodeNo, a.At = nodeNo, w.clock.Add(time.Duration(i-3)*time.Second)
		w.verdicts(a)
	}
}

func hexOf(name string) string {
	id := runID(name)
	return hex.EncodeToString(id[:])
}
