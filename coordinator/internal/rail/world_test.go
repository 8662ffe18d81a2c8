package rail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fraud"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain"
	"lucid.internal/coordinator/internal/tron/chain/chaintest"
)

var ten = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// testSigner is a key in memory.
type testSigner struct{ key *secp256k1.PrivateKey }

func (s testSigner) Address() tron.Address { return tron.AddressOf(s.key.PubKey()) }

func (s testSigner) Sign(_ context.Context, raw []byte) (tron.Signature, error) {
	return tron.Sign(s.key, tron.IDOf(raw)), nil
}

// addressOf is an address that belongs to a number.
func addressOf(n byte) tron.Address {
	return tron.AddressOf(secp256k1.PrivKeyFromBytes([]byte{1, n}).PubKey())
}

// process is one run of the program: it ends at a step, and nothing that comes
// after reaches database or network any more.
type process struct {
	mu    sync.Mutex
	left  int  // steps until its end; below 0: it lives for ever
	after bool // it ends after the step was done, but before its answer was read
	dead  bool
	steps int
}

var errDead = errors.New("the program has ended")

// step counts one; it reports whether the program still lives when it begins.
func (p *process) step() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps++
	if p.left--; p.left == 0 && !p.after {
		p.dead = true
	}
	return !p.dead
}

// done is the end of a step.
func (p *process) done() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 && p.after {
		p.dead = true
	}
	return !p.dead
}

// world is a chain, its nodes, a database and the program, which may end
// anywhere and begin anew.
type world struct {
	t        testing.TB
	owner    string // URL of the database as who owns its tables
	pool     *db.Pool
	chain    *chaintest.Chain
	ahead    time.Duration // of the program's clock before the chain's
	full     *chaintest.Node
	solid    [2]*chaintest.Node
	servers  [3]*httptest.Server
	signer   testSigner
	contract tron.Address
	network  string
	cost     CostRule
	now      *process
	runner   *Runner
	payouts  *payout.Store
	fraud    *fraud.Store
	judge    *fraud.Judge
	head     string // file of what is known of the database

	addresses map[string][]addressChange // of the node of a payout, the oldest first
}

// addressChange is which address counts from a moment on.
type addressChange struct {
	at      time.Time
	address tron.Address
}

func newWorld(t testing.TB, seed uint64) *world {
	w := &world{t: t, signer: testSigner{secp256k1.PrivKeyFromBytes(bytes.Repeat([]byte{7, 0x7b, 0x21}, 11)[:32])}, contract: addressOf(200), network: "private", now: &process{}, owner: dbtest.URL(t), addresses: make(map[string][]addressChange), head: filepath.Join(t.TempDir(), "known-head.json")}
	config, err := pgxpool.ParseConfig(dbtest.ProgramURL(t, w.owner))
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.Tracer, config.MaxConns = tracer{w}, 2
	if w.pool, err = pgxpool.NewWithConfig(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.pool.Close)
	w.chain = chaintest.New(seed, w.contract, ten)
	w.full, w.solid = w.chain.Node(), [2]*chaintest.Node{w.chain.Node(), w.chain.Node()}
	for i, node := range []*chaintest.Node{w.full, w.solid[0], w.solid[1]} {
		w.servers[i] = httptest.NewServer(node)
		t.Cleanup(w.servers[i].Close)
	}
	w.cost = CostRule{TRXPrice: 300_000, PriceAt: ten, MaxAge: 7 * 24 * time.Hour, SharePercent: MaxCostPercent}
	if w.payouts, err = payout.NewStore(payout.Config{Pool: w.pool, Now: w.clock, Held: fraud.Held, TakeBack: fraud.TakeBack, KnownHead: w.head}); err != nil {
		t.Fatal(err)
	}
	if err := w.payouts.Remember(t.Context()); err != nil { // as a coordinator does when it starts
		t.Fatal(err)
	}
	w.addJudge()
	w.chain.Give(w.signer.Address(), int64(ledger.USDT(10_000)), 10_000_000_000)
	w.chain.Advance(chaintest.SolidDepth + 1)
	w.restart(-1, false)
	return w
}

// newFunded is a world in which the ledger knows what the wallet holds.
func newFunded(t testing.TB) *world {
	w := newWorld(t, 1)
	if err := w.run(certain+1, 1); err != nil {
		t.Fatal(err)
	}
	w.wantEven()
	return w
}

// restart ends the program and begins it anew; it will end after so many steps.
func (w *world) restart(left int, after bool) {
	w.t.Helper()
	w.now = &process{left: left, after: after}
	nodes := make([]*chain.Node, len(w.servers))
	for i, server := range w.servers {
		node, err := chain.NewNode(server.URL, transport{w})
		if err != nil {
			w.t.Fatal(err)
		}
		nodes[i] = node
	}
	runner, err := New(Config{
		Pool: w.pool, Payouts: w.payouts, Signer: w.signer, Network: w.network, Contract: w.contract,
		Full: nodes[:1], Solid: [2]*chain.Node{nodes[1], nodes[2]}, Cost: w.cost, Now: w.clock,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.runner = runner
}

func (w *world) clock() time.Time { return w.chain.Now().Add(w.ahead) }

// transport is the network as the program reaches it.
type transport struct{ w *world }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	p := t.w.now
	if !p.step() {
		return nil, errDead
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if !p.done() {
		if err == nil {
			response.Body.Close()
		}
		return nil, errDead
	}
	return response, err
}

// tracer is the database as the program reaches it.
type tracer struct{ w *world }

func (t tracer) begin(ctx context.Context) context.Context {
	if t.w.now.step() {
		return ctx
	}
	ctx, cancel := context.WithCancelCause(ctx)
	cancel(errDead)
	return ctx
}

func (t tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return t.begin(ctx)
}
func (t tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) { t.w.now.done() }
func (t tracer) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return t.begin(ctx)
}
func (t tracer) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {
	t.w.now.done()
}

// runOnce is one run of the runner, whatever comes of it.
func (w *world) runOnce() error { return w.runner.RunOnce(w.t.Context()) }

// run runs so often, with blocks in between.
func (w *world) run(times, blocks int) (last error) {
	for range times {
		last = w.runOnce()
		w.chain.Advance(blocks)
	}
	return last
}

// query reads one value.
func query[T any](w *world, sql string, args ...any) T {
	w.t.Helper()
	return dbtest.Value[T](w.t, w.pool, sql, args...)
}

func (w *world) post(tx db.Tx, e ledger.Entry) {
	w.t.Helper()
	if _, err := ledger.Post(w.t.Context(), tx, e); err != nil {
		w.t.Fatal(err)
	}
}

// owe makes a node of that number with a pending payout of a net amount; its
// gross is a hundredth more.
func (w *world) owe(number byte, net ledger.Amount) (payoutID string) {
	w.t.Helper()
	return w.oweOnceApproved(number, net, false)
}

// oweOnceApproved is the same, of one that may wait for a second person.
func (w *world) oweOnceApproved(number byte, net ledger.Amount, waits bool) (payoutID string) {
	w.t.Helper()
	nodeID, payoutID, fee := fmt.Sprintf("node_%d", number), fmt.Sprintf("payout_%d", number), net/100
	err := db.InTx(w.t.Context(), w.pool, func(tx db.Tx) error {
		w.post(tx, ledger.Accrue("gift to "+nodeID, ten, "pool_gift", []ledger.Share{{NodeID: nodeID, Amount: net + fee}}, 0))
		w.post(tx, ledger.Reserve(payoutID+"/0", ten, nodeID, net, fee))
		var no int32
		err := tx.QueryRow(w.t.Context(), `INSERT INTO node (node_id, name, status, payout_address) VALUES ($1, $1, 'active', $2) RETURNING node_no`,
			nodeID, addressOf(number).String()).Scan(&no)
		if err != nil {
			return err
		}
		for _, of := range []string{
			`INSERT INTO pool (pool_id, name) VALUES ('pool_gift', 'gift') ON CONFLICT DO NOTHING`,
			`INSERT INTO pool_membership (node_no, pool_no, from_at) SELECT node.node_no, pool.pool_no, node.created_at FROM node, pool WHERE node_id = '` + nodeID + `'`,
			`INSERT INTO node_state (node_no, status, from_at) SELECT node_no, status, '` + ten.Format(time.RFC3339) + `' FROM node WHERE node_id = '` + nodeID + `'`,
		} {
			if _, err := tx.Exec(w.t.Context(), of); err != nil {
				return err
			}
		}
		_, err = tx.Exec(w.t.Context(), `INSERT INTO payout (payout_id, node_no, amount, fee, net_amount, wallet_address, needs_approval, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)`, payoutID, no, int64(net+fee), int64(fee), int64(net), addressOf(number).String(), waits, ten)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.addresses[payoutID] = []addressChange{{address: addressOf(number)}}
	return payoutID
}

// moveTo changes the address of the node of a payout, as from the end of its wait on.
func (w *world) moveTo(payoutID string, number byte) {
	w.t.Helper()
	to := addressOf(number)
	if _, err := w.pool.Exec(w.t.Context(), `UPDATE node SET payout_address = $2 FROM payout WHERE payout.node_no = node.node_no AND payout_id = $1`, payoutID, to.String()); err != nil {
		w.t.Fatal(err)
	}
	w.addresses[payoutID] = append(w.addresses[payoutID], addressChange{w.chain.Now(), to})
}

func (w *world) status(payoutID string) payout.Status {
	w.t.Helper()
	return payout.Status(query[string](w, `SELECT status FROM payout WHERE payout_id = $1`, payoutID))
}

func (w *world) wantStatus(payoutID string, want payout.Status) {
	w.t.Helper()
	if got := w.status(payoutID); got != want {
		w.t.Errorf("%s is %s, want %s", payoutID, got, want)
	}
}

// wantReceived compares what the chain gave to the address of a number.
func (w *world) wantReceived(number byte, want ledger.Amount) {
	w.t.Helper()
	if got := ledger.Amount(w.chain.Tokens(addressOf(number))); got != want {
		w.t.Errorf("address %d received %s USDT, want %s", number, got, want)
	}
}

// wantPaidInTheEnd runs on, and wants a payout of 100 USDT to have come to address 1,
// once.
func (w *world) wantPaidInTheEnd(payoutID string) {
	w.t.Helper()
	w.run(20, 3)
	w.wantStatus(payoutID, payout.Completed)
	w.wantReceived(1, ledger.USDT(100))
	w.wantSound()
}
