package api

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/shared/wire"
)

// generated is a world with something of each kind in it, and the paths of its
// document in order.
type generated struct {
	*world
	known       map[string][]string
	paths       []string
	credentials []string // of all kinds, and what is none
	succeeded   map[string]int
}

func newGenerated(t testing.TB) *generated {
	w := newWorld(t, func(c *Config) { c.Nodes.Send = func(string, *wire.Command) error { return nil } })
	w.createPool("pool_home", 0)
	w.createPool("pool_away", 0)
	n, outside := w.enrol("attic-pi", "pool_home"), w.enrol("cellar-pi", "")
	w.judge(n, "valid", "")
	w.ingest(n, wire.Sample{Seq: 1, AtMs: w.now().UnixMilli(), Memory: &wire.Memory{TotalBytes: 1 << 30}})
	w.connect(outside)
	g := &generated{world: w, succeeded: map[string]int{}, known: map[string][]string{
		"node_id": {n.ID, n.ID, outside.ID, "node_none"}, "pool_id": {"pool_home", "pool_home", "pool_away", "pool_none"}, "initial_pool_id": {"pool_home", "pool_none"},
		"from_pool_id": {"pool_home", "pool_none"}, "to_pool_id": {"pool_away", "pool_none"},
		"name": {"attic-pi"}, "payout_address": {payoutAddress}, "If-Match": {`"1"`, "*"}, "Last-Event-ID": {"0", "5"},
		"country": {"DE"}, "timezone": {"Europe/Berlin"}, "start": {"23:00"}, "end": {"01:30"}, "email": {"ada@fleet.example"},
		"start_time": {"2026-05-04T13:00:00Z"}, "status_until": {"2026-05-05T13:00:00Z"}, "since": {"2026-05-04T13:00:00Z"},
	}}
	g.money()
	for i := range 40 {
		g.known["name"] = append(g.known["name"], fmt.Sprintf("pi-%d", i))
	}
	g.people(n.ID)
	for path := range w.huma.OpenAPI().Paths {
		g.paths = append(g.paths, path)
	}
	slices.Sort(g.paths)
	return g
}

// money adds nodes with something to be paid, and payouts of all kinds.
func (w *generated) money() {
	for i := range 40 {
		n := w.earning(fmt.Sprintf("rich-%d", i), 5000)
		w.known["node_id"] = append(w.known["node_id"], n.ID)
		if i < 20 {
			w.known["payout_id"] = append(w.known["payout_id"], w.payoutOf(n.ID))
		}
	}
	w.known["payout_id"] = append(w.known["payout_id"], "payout_none")
	w.known["amount"], w.known["per_day"], w.known["currency"] = []string{"10", "1.5", "2000"}, []string{"100"}, []string{"USDT"}
	w.known["wallet_address"], w.known["scheduled_at"] = []string{payoutAddress}, []string{"2026-05-05T13:00:00Z"}
	for i := range 5 {
		var batch object
		w.want(w.send(http.MethodPost, "/api/v1/nodes/payouts/batch", `{"payout_requests":[{"node_id":"`+w.earning(fmt.Sprintf("batch-%d", i), 30).ID+`","amount":5,"currency":"USDT"}]}`,
			w.once(fmt.Sprint("batch ", i))), http.StatusAccepted, &batch)
		w.known["batch_id"] = append(w.known["batch_id"], batch["batch_id"].(string))
	}
}

// people adds users, keys and credentials of all kinds, and what is none.
func (w *generated) people(nodeID string) {
	ada := w.addUser("ada", access.Operator)
	for range 5 { // each is good once
		w.known["refresh_token"] = append(w.known["refresh_token"], *w.login("ada").RefreshToken)
	}
	useless, _, err := w.Access.CreateKey(w.t.Context(), audit.By{Actor: audit.CLI}, access.NewKey{Name: "useless", Role: access.Viewer})
	if err != nil {
		w.t.Fatal(err)
	}
	w.known["user_id"], w.known["key_id"], w.known["password"] = []string{ada.ID, "user_1"}, []string{useless.ID, "key_1"}, []string{password}
	bound := w.boundKey(access.Operator, nodeID)
	w.credentials = []string{
		w.keys[access.Admin], w.keys[access.Admin], w.keys[access.Admin], w.keys[access.Operator], w.keys[access.Viewer], w.keys[access.Service],
		bound, w.boundKey(access.Viewer, nodeID), w.token(w.send(http.MethodPost, tokenPath, "", as(bound))).AccessToken,
		w.token(w.send(http.MethodPost, tokenPath, "", as(w.keys[access.Service]))).AccessToken, w.login("ada").AccessToken, "", "x",
	}
}

// try makes the request of a seed to the operation and checks its answer.
func (w *generated) try(t *testing.T, seed uint64, path string, op *huma.Operation) {
	t.Helper()
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), s: w.server, known: w.known}
	g.calm = g.oneIn(2)
	target, header, body := g.request(path, op)
	if _, err := url.ParseRequestURI(target); err != nil {
		return // net/http refuses it itself
	}
	key := pick(g, w.credentials)
	a := send(t, w.engine, op.Method, target, body, func(r *http.Request) {
		for name := range header {
			r.Header.Set(name, header.Get(name))
		}
		if key != "" {
			as(key)(r)
		}
		if g.oneIn(50) {
			r.Header.Set("Content-Type", pick(g, oddities()))
		}
	})
	w.wantDocumented(t, op, target, a)
	if a.StatusCode < http.StatusMultipleChoices {
		w.succeeded[op.OperationID]++
	}
	if t.Failed() {
		t.Logf("seed %d, headers %v, body %.2000s", seed, header, body)
	}
}

// TestGeneratedRequests sends some requests to each operation. Most are to be
// reached in earnest, or nothing would be known of what they answer then.
func TestGeneratedRequests(t *testing.T) {
	const each = 60
	w := newGenerated(t)
	seed, seen := uint64(0), map[string]bool{}
	for _, deleting := range []bool{false, true} { // what is gone is of no more use
		for _, path := range w.paths {
			for method, op := range methods(w.huma.OpenAPI().Paths[path]) {
				seen[op.OperationID] = true
				for range each {
					seed++
					if deleting == (method == http.MethodDelete) {
						w.try(t, seed, path, op)
					}
				}
				if t.Failed() {
					return
				}
			}
		}
	}
	if all := len(seen); len(w.succeeded)*3 < all*2 {
		t.Errorf("%d of %d operations did what was asked: %v", len(w.succeeded), all, w.succeeded)
	}
}

// FuzzRequests sends requests for as long as it may.
func FuzzRequests(f *testing.F) {
	w := newGenerated(f)
	for seed := range uint64(len(w.paths)) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		path := w.paths[seed%uint64(len(w.paths))]
		for _, op := range methods(w.huma.OpenAPI().Paths[path]) {
			w.try(t, seed, path, op)
		}
	})
}
