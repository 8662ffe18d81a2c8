package api

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/fraud"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/manual"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/coordinator/internal/sample"
	"lucid.internal/coordinator/internal/score"
	"lucid.internal/coordinator/internal/seal"
	"lucid.internal/coordinator/internal/span"
	"lucid.internal/coordinator/internal/statement"
	"lucid.internal/coordinator/internal/webhook"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

const payoutAddress = "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ"

// puzzleKey is the coordinator's in a world.
var puzzleKey = proof.Key{2}

// world is the whole API on a database of its own, with a clock that the test
// moves and one API key of each role.
type world struct {
	*server
	t    testing.TB
	db   *db.Pool
	keys map[access.Role]string
	log  *bytes.Buffer

	promised map[string]*openapi3.Operation // what the document says, once it was asked for

	mu   sync.Mutex
	time time.Time

	held map[int32]bool // nodes under suspicion
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.time
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.time = w.time.Add(d)
}

func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	return newWorldOn(t, dbtest.New(t), change...)
}

func newWorldOn(t testing.TB, pool *db.Pool, change ...func(*Config)) *world {
	t.Helper()
	w := &world{
		t: t, db: pool, keys: map[access.Role]string{}, log: new(bytes.Buffer),
		time: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC),
	}
	config := w.config()
	for _, f := range change {
		f(&config)
	}
	var err error
	if w.server, err = newServer(config); err != nil {
		t.Fatal(err)
	}
	for _, role := range []access.Role{access.Viewer, access.Operator, access.Admin, access.Service} {
		if _, w.keys[role], err = w.Access.CreateKey(t.Context(), audit.By{Actor: audit.System}, access.NewKey{Name: "test-" + string(role), Role: role}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) config() Config {
	_, signing, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	keys, err := access.NewStore(access.Config{Pool: w.db, SigningKey: signing, Now: w.now})
	if err != nil {
		w.t.Fatal(err)
	}
	scores, err := score.NewStore(score.Config{Pool: w.db, SetNodeScore: node.SetScore})
	if err != nil {
		w.t.Fatal(err)
	}
	payouts := w.payoutStore(payout.Terms{})
	flags, err := fraud.NewStore(fraud.Config{
		Pool: w.db, Now: w.now, Fastest: challenge.FastestOf, CohortTime: challenge.CohortTime, CancelPayouts: payouts.CancelPending,
		Vetted: func(context.Context, db.Tx, int32, time.Time) (bool, error) { return true, nil },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	nodes := node.NewStore(node.Config{
		Pool: w.db, Box: seal.New(proof.Key{1}), EnrolmentKey: signing, MQTT: []string{"broker:8883"}, CAPEM: func() string { return "pem" },
		Join: pool.Join, Leave: pool.Leave, Now: w.now,
		HighestDifficulty: func(model string) int { return challenge.HighestDifficulty(model, 8, 30*time.Second) },
	})
	return Config{
		Proofs:    challenge.NewDesk(challenge.DeskConfig{Pool: w.db, Nodes: nodes, PuzzleKey: puzzleKey, Poll: time.Millisecond, Now: w.now}),
		ProofWait: 50 * time.Millisecond,
		Fraud:     flags, Access: keys, Pools: pool.NewStore(w.db, w.now), Scores: scores, Epochs: epoch.NewStore(w.db), Statements: &statement.Archive{Pool: w.db, Epochs: epoch.Archive{ScoreAsOf: w.scoreAsOf, FaultWindows: noFaults}},
		Payouts: payouts, Manual: manual.NewStore(manual.Config{Pool: w.db, Payouts: payouts, Now: w.now}),
		Audit: audit.NewLog(w.db), Events: event.NewFeed(event.Config{Pool: w.db, Now: w.now}),
		Webhooks:  webhook.NewStore(webhook.Config{Pool: w.db, Box: seal.New(proof.Key{1}), Now: w.now}),
		Alerts:    alert.NewStore(alert.Config{Pool: w.db, Now: w.now}),
		Samples:   sample.NewStore(sample.Config{Pool: w.db, Now: w.now}),
		Nodes:     nodes,
		EnrolFile: func(token string, expires time.Time) string { return token + " until " + expires.Format(time.RFC3339) },
		Version:   "1.2.3", Now: w.now,
		Logger: slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// enrollRequest is an enrolment request, signed as an agent signs it.
func (w *world) enrollRequest(token string, inventory wire.Inventory) *wire.EnrollRequest {
	w.t.Helper()
	return w.signedOver(token, []byte(w.body(inventory)))
}

// signedOver is a request with an inventory of exactly these bytes.
func (w *world) signedOver(token string, inventory []byte) *wire.EnrollRequest {
	w.t.Helper()
	exchange, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	r := &wire.EnrollRequest{
		V: wire.ProtocolVersion, Token: token, X25519Public: exchange.PublicKey().Bytes(), DevicePublic: public,
		Inventory: inventory, PayoutAddress: payoutAddress,
	}
	r.Signature = ed25519.Sign(private, proof.EnrollRequestTranscript(r))
	return r
}

// enrol brings a node in by the API, and gives it as stored.
func (w *world) enrol(name, poolID string) node.Node {
	w.t.Helper()
	t := node.Token{NodeName: name, Life: time.Hour}
	if poolID != "" {
		p, err := w.Pools.Get(w.t.Context(), poolID)
		if err != nil {
			w.t.Fatal(err)
		}
		t.PoolNo = &p.No
	}
	token, err := w.Nodes.CreateToken(w.t.Context(), audit.By{Actor: audit.CLI}, t)
	if err != nil {
		w.t.Fatal(err)
	}
	a := w.send(http.MethodPost, wire.EnrollPath, w.body(w.enrollRequest(token, exampleNodeRow().Inventory)), nil)
	var identity wire.EnrollResponse
	if a.StatusCode != http.StatusOK {
		w.t.Fatalf("enrolment: %d %s", a.StatusCode, a.body)
	}
	w.decode(a.body, &identity)
	n, err := w.Nodes.Get(w.t.Context(), identity.NodeID)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) createPool(id string, reward ledger.Amount) {
	w.t.Helper()
	_, err := w.Pools.Create(w.t.Context(), audit.By{Actor: audit.CLI}, pool.New{ID: id, Name: strings.ReplaceAll(id, "_", "-"), RewardPerEpoch: reward})
	if err != nil {
		w.t.Fatal(err)
	}
}

// connect brings a node online and makes it active, as the broker's hooks and
// its first proof do.
func (w *world) connect(n node.Node) {
	w.t.Helper()
	if _, _, err := node.NewPresence(w.db, w.now).Connected(w.t.Context(), n.No, node.AnyKey); err != nil {
		w.t.Fatal(err)
	}
	w.inTx(func(ctx context.Context, tx db.Tx) error {
		return node.SetStatus(ctx, tx, n.No, node.Active, "", w.now())
	})
}

func (w *world) inTx(f func(context.Context, db.Tx) error) {
	w.t.Helper()
	if err := db.InTx(w.t.Context(), w.db, func(tx db.Tx) error { return f(w.t.Context(), tx) }); err != nil {
		w.t.Fatal(err)
	}
}

// judge stores a verdict and scores it.
func (w *world) judge(n node.Node, result score.Result, reason string) score.Change {
	w.t.Helper()
	var change score.Change
	w.inTx(func(ctx context.Context, tx db.Tx) error {
		id, at := uuid.New(), w.now()
		if _, err := tx.Exec(ctx, `INSERT INTO challenge (challenge_id, node_no, key_epoch, session_no, issued_at, deadline_at, expires_at, canonical, state)
			VALUES ($1, $2, 1, 1, $3, $4, $4, '', 'judged')`, id, n.No, at.Add(-time.Second), at); err != nil {
			return err
		}
		var no int64
		var response []byte
		if result != score.Missed {
			response = []byte("answer")
		}
		err := tx.QueryRow(ctx, `INSERT INTO verdict (challenge_id, node_no, at, result, reason, rule_version, answered_ms, response)
			VALUES ($1, $2, $3, $4, $5, 1, 250, $6) RETURNING verdict_no`, id, n.No, at, result, reason, response).Scan(&no)
		if err != nil {
			return err
		}
		change, err = w.Scores.OnVerdict(ctx, tx, score.Entry{NodeNo: n.No, No: no, Reason: reason, Judged: score.Judged{Result: result, At: at}})
		return err
	})
	return change
}

// ingest takes one sample in, as the broker hands it over.
func (w *world) ingest(n node.Node, s wire.Sample) {
	w.t.Helper()
	if err := w.Samples.RunOnceMaintain(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	in, err := sample.NewIngest(sample.IngestConfig{Store: w.Samples})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); in.Run(ctx) }()
	payload, err := json.Marshal(wire.Metrics{V: wire.ProtocolVersion, Run: wire.NewRunID(), Samples: []wire.Sample{s}})
	if err == nil {
		settled := make(chan error, 1)
		in.Take(n.No, n.ID, payload, sample.Alone(func(err error) { settled <- err }))
		err = <-settled
	}
	stop()
	<-done
	if err != nil {
		w.t.Fatal(err)
	}
}

// closeEpoch moves the clock past the hour's end and its grace, closes the
// epoch and pays who has earned enough.
func (w *world) closeEpoch() {
	w.t.Helper()
	w.advance(w.now().Truncate(time.Hour).Add(time.Hour + 3*time.Minute).Sub(w.now()))
	if _, err := w.Payouts.SetBudget(w.t.Context(), payout.Person{By: audit.By{Actor: audit.CLI}, Human: true}, ledger.USDT(1000)); err != nil {
		w.t.Fatal(err)
	}
	round := payout.NewRound(w.Payouts, nil)
	closer, err := epoch.NewCloser(epoch.Config{
		Pool: w.db, Now: w.now, AfterClosing: round.RunOnce,
		ScoreAsOf: w.scoreAsOf, FaultWindows: noFaults, Epoch: time.Hour,
	})
	if err == nil {
		err = closer.RunOnce(w.t.Context())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) scoreAsOf(ctx context.Context, tx db.Tx, nodeNos []int32, at time.Time) (map[int32]epoch.ScoreAt, error) {
	scores, err := w.Scores.AsOf(ctx, tx, nodeNos, at)
	all := map[int32]epoch.ScoreAt{}
	for no, s := range scores {
		all[no] = epoch.ScoreAt{ScoreNano: s.ScoreNano, Factors: s.Factors, Vetted: s.Vetted}
	}
	return all, err
}

func noFaults(context.Context, db.Tx, time.Time, time.Time) ([]span.Interval, error) { return nil, nil }
