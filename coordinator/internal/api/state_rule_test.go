package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/pool"
)

// TestWhatEachStatusAllows asks each operation that moves a connected node of
// each status. 1 is done, 0 is refused with 4003.
func TestWhatEachStatusAllows(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Nodes.Disconnect = func(string, string) {} })
	n := w.enrol("attic-pi", "")
	w.connect(n)
	asks := []struct{ method, path, body string }{
		{http.MethodPost, "/start", ""},
		{http.MethodPost, "/stop", ""},
		{http.MethodPut, "", `{"status": "maintenance", "status_reason": "x"}`},
		{http.MethodPut, "", `{"status": "inactive"}`},
		{http.MethodPut, "", `{"status": "suspended", "status_reason": "x"}`},
		{http.MethodPut, "", `{"labels": {}}`},
	}
	for _, c := range []struct {
		status, reason string
		allowed        string // for each of asks
	}{
		{"pending", "", "000001"},
		{"starting", "enrolled", "011111"},
		{"active", "proven", "011111"},
		{"stopping", "stop requested", "001111"},
		{"inactive", "stop confirmed", "101111"},
		{"inactive", pool.Standby, "101111"},
		{"maintenance", "x", "101111"},
		{"error", "stop refused: x", "111111"},
		{"suspended", "operator: x", "101111"},
		{"suspended", "score: low_timeliness", "000011"},
		{"suspended", "disqualified: reputation_lost", "000001"},
	} {
		for i, ask := range asks {
			w.inTx(func(ctx context.Context, tx db.Tx) error {
				return node.SetStatus(ctx, tx, n.No, node.Status(c.status), c.reason, w.now())
			})
			a := w.send(ask.method, nodesPath+n.ID+ask.path, ask.body, as(w.keys[access.Operator]))
			if done := a.StatusCode/100 == 2; done != (c.allowed[i] == '1') {
				t.Errorf("%s (%s): %s %s %s gives %d %s", c.status, c.reason, ask.method, ask.path, ask.body, a.StatusCode, a.body)
			} else if !done {
				w.wantError(a, http.StatusConflict, "LUCID_ERR_4003")
			}
		}
	}
	for _, status := range []string{"active", "starting", "pending", "stopping", "error"} {
		a := w.send(http.MethodPut, nodesPath+n.ID, `{"status": "`+status+`", "status_reason": "x"}`, as(w.keys[access.Operator]))
		w.wantError(a, http.StatusUnprocessableEntity, "LUCID_ERR_1002")
	}
	w.demand(access.Admin, http.MethodDelete, nodesPath+n.ID, "", http.StatusNoContent, nil)
	for _, ask := range asks { // 4001 for each
		w.wantError(w.send(ask.method, nodesPath+n.ID+ask.path, ask.body, as(w.keys[access.Operator])), http.StatusNotFound, "LUCID_ERR_4001")
	}
}

// TestPoolTellsOfItsNodes: what a pool says of its nodes in numbers, with one of
// each kind in it, one that left and one that was deleted.
func TestPoolTellsOfItsNodes(t *testing.T) {
	w := newWorld(t)
	w.fleet(11)
	w.filled("pool_one", 1, 11)
	kinds := []struct {
		status, reason string
		online         bool
		score          int64
	}{
		{"active", "proven", true, 1_000_000_000},
		{"active", "proven", false, 500_000_000},
		{"starting", "enrolled", true, 0},
		{"suspended", "score: low_timeliness", true, 300_000_000},
		{"error", "stop refused: x", true, 800_000_000},
		{"inactive", pool.Standby, true, 900_000_000},
		{"inactive", "stop confirmed", true, 900_000_000},
		{"maintenance", "x", false, 600_000_000},
		{"stopping", "stop requested", true, 400_000_000},
	}
	for i, k := range kinds {
		if _, err := w.db.Exec(t.Context(), `UPDATE node SET status = $2, status_reason = $3, online = $4, poot_score = $5 WHERE name = 'pi-' || $1::int`,
			i+1, k.status, k.reason, k.online, k.score); err != nil {
			t.Fatal(err)
		}
	}
	w.change(http.MethodDelete, pools+"pool_one/nodes/node_10", "", http.StatusNoContent)
	w.change(http.MethodDelete, nodesPath+"node_11", "", http.StatusNoContent, access.Admin)
	if err := (&pool.Keeper{Store: w.Pools}).RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	var one object
	w.get(pools+"pool_one", &one)
	for name, want := range map[string]string{
		"node_count": "9", "online_count": "7", "working_count": "3", "standby_count": "1",
		"poot_score": "60", // 540 / 9
	} {
		if one[name] != json.Number(want) {
			t.Errorf("%s is %v, want %s", name, one[name], want)
		}
	}
	health := one["health"].(object)
	for name, want := range map[string]string{"online_count": "4", "expected_count": "5", "poot_score": "60"} { // (100 + 50 + 30) / 3
		if health[name] != json.Number(want) {
			t.Errorf("health.%s is %v, want %s", name, health[name], want)
		}
	}
	if health["state"] != "degraded" || !strings.Contains(w.body(health["reasons"]), "low_score") {
		t.Errorf("health %v", health)
	}
}
