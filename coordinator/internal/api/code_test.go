package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
)

// codeCase is a request that is answered with the code, in a world where
// pool_one has one place and node_in in it, and node_out is in no pool; neither
// has come online.
type codeCase struct {
	code    fault.Code
	status  int
	prepare func(*world) // may be nil
	method  string
	path    string
	body    string
	edit    func(*http.Request) // of what an admin sends; may be nil
}

func nobody(r *http.Request) { r.Header.Del("Authorization") }

// codeCases reach every code that an operation can answer with.
func codeCases() []codeCase {
	const get, post, put, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	newNode := `{"name": "fresh", "node_type": "worker"}`
	return []codeCase{
		{fault.BodyMalformed, 400, nil, post, "/api/v1/nodes/", "{", nil},
		{fault.Validation, 422, nil, get, "/api/v1/nodes/?limit=0", "", nil},
		{fault.MediaType, 413, nil, post, "/api/v1/enroll", `"` + strings.Repeat("a", maxEnrollBytes) + `"`, nil},
		{fault.MediaType, 415, nil, post, "/api/v1/nodes/", "a=b", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }},
		{fault.RouteUnknown, 404, nil, get, "/api/v2/nodes/", "", nil},
		{fault.RouteUnknown, 421, func(w *world) { w.Hosts = []string{"fleet.example"} }, get, "/api/v1/nodes/", "", nil},
		{fault.MethodNotAllowed, 405, nil, del, "/api/v1/nodes/", "", nil},
		{fault.NoCredentials, 401, nil, get, "/api/v1/nodes/", "", nobody},
		{fault.BadCredentials, 401, nil, get, "/api/v1/nodes/", "", as("lucid_nonsense")},
		{fault.RoleTooLow, 403, nil, post, "/api/v1/enroll", "ENROLL unknown", from("192.0.2.1:1")},
		{fault.BadEnrolmentToken, 403, nil, post, "/api/v1/enroll", "ENROLL unknown", nobody},
		{fault.RateLimited, 429, func(w *world) {
			w.limits.Service = 1
			w.send(get, "/api/v1/nodes/", "", as(w.keys[access.Admin]))
		}, get, "/api/v1/nodes/", "", nil},
		{fault.NodeNotFound, 404, nil, get, "/api/v1/nodes/node_none", "", nil},
		{fault.NameTaken, 409, nil, post, "/api/v1/nodes/", `{"name": "node-in", "node_type": "worker"}`, nil},
		{fault.StateNotAllowed, 409, nil, post, "/api/v1/nodes/IN/start", "", nil},
		{fault.NodeOffline, 409, nil, post, "/api/v1/nodes/IN/stop", "", nil},
		{fault.ChangedMeanwhile, 412, nil, put, "/api/v1/nodes/pools/pool_one", `{"description": "new"}`, func(r *http.Request) { r.Header.Set("If-Match", `"1"`) }},
		{fault.PoolNotFound, 404, nil, get, "/api/v1/nodes/pools/pool_none", "", nil},
		{fault.PoolFull, 409, nil, post, "/api/v1/nodes/pools/pool_one/nodes?node_id=OUT", "", nil},
		{fault.PoolNotEmpty, 409, nil, del, "/api/v1/nodes/pools/pool_one", "", nil},
		{fault.NodeInPool, 409, func(w *world) { w.createPool("pool_two", 0) }, post, "/api/v1/nodes/pools/pool_two/nodes?node_id=IN", "", nil},
		{fault.IdempotencyReuse, 409, func(w *world) {
			w.send(post, "/api/v1/nodes/", newNode, idempotent(w, "once"))
		}, post, "/api/v1/nodes/", `{"name": "other", "node_type": "worker"}`, func(r *http.Request) { r.Header.Set("Idempotency-Key", "once") }},
		{fault.BadPayoutAddress, 422, nil, post, "/api/v1/nodes/", `{"name": "fresh", "node_type": "worker", "payout_address": "T1"}`, nil},
		{fault.ChallengeUnknown, 404, nil, post, "/api/v1/nodes/IN/poot/validate", `{"output_data":"AAAA","nonce":"00000000000000000000000000000000","timestamp":"2026-05-04T12:00:00Z"}`, nil},
		{fault.ChallengeOpen, 409, func(w *world) { w.prove(w.byName("node-in"), true) }, post, "/api/v1/nodes/IN/poot/validate", "SHOW", nil},
		{fault.ChallengeExpired, 409, func(w *world) {
			w.prove(w.byName("node-in"), true)
			w.advance(time.Hour)
		}, post, "/api/v1/nodes/IN/poot/validate", "SHOW", nil},
		{fault.TooManyAttempts, 429, func(w *world) {
			w.prove(w.byName("node-in"), false)
			w.inTx(func(ctx context.Context, tx db.Tx) error {
				_, err := tx.Exec(ctx, "UPDATE challenge SET attempts = 3")
				return err
			})
		}, post, "/api/v1/nodes/IN/poot/validate", "SHOW", nil},
		{fault.PayoutNotFound, 404, nil, get, "/api/v1/nodes/payouts/payout_none", "", nil},
		{fault.BelowMinimum, 409, func(w *world) { w.fundAll() }, post, "/api/v1/nodes/IN/payouts", `{"amount": 0.5, "currency": "USDT"}`, keyed},
		{fault.BalanceTooSmall, 409, func(w *world) { w.fundAll() }, post, "/api/v1/nodes/IN/payouts", `{"amount": 31, "currency": "USDT"}`, keyed},
		{fault.NotCancellable, 409, func(w *world) {
			w.fundAll()
			w.started(w.payoutOf(w.first("node_id FROM node")))
		}, post, "/api/v1/nodes/payouts/LIVE/cancel", "", nil},
		{fault.PlanChanged, 409, nil, post, "/api/v1/nodes/payouts/execute",
			`{"lines": [{"node_id": "node_gone", "amount": 5, "priority": "low", "hash": "` + strings.Repeat("0", 64) + `"}]}`, keyed},
		{fault.Held, 409, func(w *world) {
			w.fundAll()
			w.held = map[int32]bool{1: true, 2: true}
		}, post, "/api/v1/nodes/IN/payouts", `{"amount": 5, "currency": "USDT"}`, keyed},
		{fault.OtherNotFound, 404, nil, get, "/api/v1/nodes/IN/resources", "", nil},
		{fault.InternalError, 500, func(w *world) {
			w.withOperation("/broken", func(context.Context) error { panic("a defect") })
		}, post, "/broken", "", nil},
		{fault.DatabaseDown, 503, func(w *world) {
			w.Nodes = node.NewStore(node.Config{Pool: unreachable(w.t)})
		}, get, "/api/v1/nodes/", "", nil},
		{fault.TimedOut, 504, func(w *world) {
			w.Timeout = time.Millisecond
			w.withOperation("/slow", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		}, post, "/slow", "", nil},
	}
}

// keyed adds an Idempotency-Key.
func keyed(r *http.Request) { r.Header.Set("Idempotency-Key", "once") }

// fundAll gives every node an address and 30 USDT to be paid.
func (w *world) fundAll() {
	w.t.Helper()
	rows, err := w.db.Query(w.t.Context(), `SELECT node_id FROM node`)
	if err != nil {
		w.t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		w.t.Fatal(err)
	}
	for _, id := range ids {
		w.fund(id, 30)
	}
}

// first reads one text.
func (w *world) first(of string) (text string) {
	w.t.Helper()
	if err := w.db.QueryRow(w.t.Context(), "SELECT "+of+" LIMIT 1").Scan(&text); err != nil {
		w.t.Fatal(err)
	}
	return text
}

func idempotent(w *world, key string) func(*http.Request) {
	return func(r *http.Request) {
		as(w.keys[access.Admin])(r)
		r.Header.Set("Idempotency-Key", key)
	}
}

// unreachable is a database that nobody listens for.
func unreachable(t testing.TB) *pgxpool.Pool {
	dead, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/none?connect_timeout=2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dead.Close)
	return dead
}

func TestEveryCodeIsReached(t *testing.T) {
	reached := map[string]bool{}
	for _, c := range codeCases() {
		reached[c.code.String()] = true
		t.Run(c.code.String()+"/"+http.StatusText(c.status), func(t *testing.T) {
			w := newWorld(t)
			w.createPool("pool_one", 0)
			in, out := w.enrol("node-in", "pool_one"), w.enrol("node-out", "")
			w.change(http.MethodPut, "/api/v1/nodes/pools/pool_one", `{"max_nodes": 1}`, http.StatusOK)
			if c.prepare != nil {
				c.prepare(w)
			}
			path := strings.NewReplacer("IN", in.ID, "OUT", out.ID).Replace(c.path)
			if strings.Contains(path, "LIVE") {
				path = strings.ReplaceAll(path, "LIVE", w.first("payout_id FROM payout"))
			}
			if token, enrol := strings.CutPrefix(c.body, "ENROLL "); enrol {
				c.body = w.body(w.enrollRequest(token, exampleNodeRow().Inventory))
			}
			if c.body == "SHOW" {
				c.body = w.validation(proven{w.challengeID(), []byte("answer")}, "")
			}
			a := w.send(c.method, path, c.body, func(r *http.Request) {
				as(w.keys[access.Admin])(r)
				if c.edit != nil {
					c.edit(r)
				}
			})
			w.wantError(a, c.status, c.code.String())
		})
	}
	for _, code := range append(declaredCodes(t), fault.RouteUnknown.String(), fault.MethodNotAllowed.String()) {
		if !reached[code] {
			t.Errorf("%s is declared by an operation, and no case reaches it", code)
		}
	}
}

// declaredCodes are all that the document names.
func declaredCodes(t *testing.T) []string {
	var codes []string
	for _, item := range newWorld(t).huma.OpenAPI().Paths {
		for _, op := range methods(item) {
			for _, response := range op.Responses {
				names, _ := response.Extensions["x-codes"].([]string)
				codes = append(codes, names...)
			}
		}
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}
