package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/shared/wire"
)

// filled makes a pool of the fleet's nodes from..to, each with its number as
// priority.
func (w *world) filled(id string, from, to int) {
	w.t.Helper()
	w.createPool(id, 0)
	for i := from; i <= to; i++ {
		w.change(http.MethodPost, fmt.Sprintf("%s%s/nodes?node_id=node_%d&priority=%d", pools, id, i, i), "", http.StatusOK)
	}
}

func TestPoolNodes(t *testing.T) {
	w := newWorld(t)
	w.fleet(3)
	w.filled("pool_one", 1, 3)
	var list struct {
		Nodes      []object   `json:"nodes"`
		Pagination pagination `json:"pagination"`
	}
	for path, want := range map[string][]string{
		"pool_one/nodes?limit=2":         {"node_3", "node_2"},
		"pool_one/nodes/?limit=2&page=2": {"node_1"},
	} {
		w.get(pools+path, &list)
		var got []string
		for _, n := range list.Nodes {
			got = append(got, n["node_id"].(string))
		}
		if !reflect.DeepEqual(got, want) || *list.Pagination.Total != 3 {
			t.Errorf("%s gives %v of %d, want %v of 3", path, got, *list.Pagination.Total, want)
		}
	}
	wantObject(t, list.Nodes[len(list.Nodes)-1], object{
		"node_id": list.Nodes[len(list.Nodes)-1]["node_id"], "name": list.Nodes[len(list.Nodes)-1]["name"], "node_type": "worker",
		"status": "active", "status_reason": nil, "standby": false, "online": true, "poot_score": json.Number("90"),
		"priority": list.Nodes[len(list.Nodes)-1]["priority"], "joined_at": "2026-05-04T12:00:00Z",
	})
	w.refused(http.MethodGet, pools+"pool_none/nodes", "", fault.PoolNotFound, access.Viewer)
	w.refused(http.MethodDelete, pools+"pool_one/nodes/node_9", "", fault.NodeNotFound)
	w.refused(http.MethodDelete, pools+"pool_none/nodes/node_1", "", fault.PoolNotFound)
	// Out and in again within the same moment of the clock.
	w.change(http.MethodDelete, pools+"pool_one/nodes/node_1", "", http.StatusNoContent)
	w.change(http.MethodPost, pools+"pool_one/nodes?node_id=node_1", "", http.StatusOK)
	if n := w.count("SELECT count(*) FROM pool_membership a JOIN pool_membership b USING (node_no) WHERE a.from_at < b.from_at AND a.to_at > b.from_at"); n != 0 {
		t.Errorf("%d memberships overlap", n)
	}
}

func TestScale(t *testing.T) {
	w := newWorld(t)
	w.fleet(4)
	w.filled("pool_one", 1, 4)
	path := pools + "pool_one/scale"
	scale := func(target int, before, after string, activated, parked []any) {
		t.Helper()
		w.advance(time.Second)
		got := w.change(http.MethodPost, path, fmt.Sprintf(`{"target_nodes": %d, "reason": "as needed"}`, target), http.StatusOK)
		wantObject(t, got, object{
			"pool_id": "pool_one", "target_nodes": json.Number(fmt.Sprint(target)), "working_before": json.Number(before),
			"working_after": json.Number(after), "activated": activated, "parked": parked, "reason": "as needed",
		})
	}
	w.refused(http.MethodPost, path, `{"target_nodes": 1, "reason": "x"}`, fault.RoleTooLow, access.Viewer)
	w.refused(http.MethodPost, path, `{"target_nodes": 1, "reason": ""}`, fault.Validation)
	w.refused(http.MethodPost, pools+"pool_none/scale", `{"target_nodes": 1, "reason": "x"}`, fault.PoolNotFound)
	scale(2, "4", "2", []any{}, []any{"node_1", "node_2"})
	scale(3, "2", "3", []any{"node_2"}, []any{})
	scale(3, "3", "3", []any{}, []any{})
	var one object
	w.get(pools+"pool_one", &one)
	if one["working_count"] != json.Number("3") || one["standby_count"] != json.Number("1") || one["node_count"] != json.Number("4") {
		t.Errorf("pool %v", one)
	}
	// Neither what an operator set aside nor what failed is touched.
	if _, err := w.db.Exec(t.Context(), `UPDATE node SET status = CASE node_id WHEN 'node_3' THEN 'maintenance' ELSE 'error' END
		WHERE node_id IN ('node_3', 'node_4')`); err != nil {
		t.Fatal(err)
	}
	scale(4, "1", "2", []any{"node_1"}, []any{})
	scale(0, "2", "0", []any{}, []any{"node_1", "node_2"})
	w.change(http.MethodPut, pools+"pool_one", `{"auto_scaling": {"policy": {"min_nodes": 1, "max_nodes": 3}}}`, http.StatusOK)
	for _, target := range []int{0, 4} {
		w.refused(http.MethodPost, path, fmt.Sprintf(`{"target_nodes": %d, "reason": "x"}`, target), fault.StateNotAllowed)
	}
	if n := w.count("SELECT count(*) FROM audit_entry WHERE action = 'pool.scale' AND after ->> 'reason' = 'as needed'"); n != 5 {
		t.Errorf("%d scalings on record, want 5: one changed nothing", n)
	}
	if n := w.count("SELECT count(*) FROM node_state s JOIN node USING (node_no) WHERE node_id = 'node_1' AND s.reason = $1", pool.Standby); n != 2 {
		t.Errorf("node_1 was parked %d times on record, want 2", n)
	}
}

func TestScalingAtOnceKeepsTheTarget(t *testing.T) {
	w := newWorld(t)
	w.fleet(6)
	w.filled("pool_one", 1, 6)
	answers := together(6, func(i int) answerOf {
		if i%2 == 0 {
			return w.send(http.MethodDelete, fmt.Sprintf("%spool_one/nodes/node_%d", pools, i+1), "", as(w.keys[access.Operator]))
		}
		return w.send(http.MethodPost, pools+"pool_one/scale", `{"target_nodes": 2, "reason": "x"}`, as(w.keys[access.Operator]))
	})
	if got, want := countCodes(answers), (map[string]int{"200": 3, "204": 3}); !reflect.DeepEqual(got, want) {
		t.Errorf("answers %v, want %v", got, want)
	}
	inPool := w.count("SELECT count(*) FROM node WHERE pool_no IS NOT NULL")
	if working := w.count("SELECT count(*) FROM node WHERE pool_no IS NOT NULL AND status IN ('starting', 'active')"); inPool != 3 || working > 2 {
		t.Errorf("%d in the pool, %d at work, want 3 and at most 2", inPool, working)
	}
}

func TestBalance(t *testing.T) {
	w := newWorld(t)
	w.fleet(8)
	w.filled("pool_full", 1, 8)
	w.change(http.MethodPut, pools+"pool_full", `{"max_nodes": 8}`, http.StatusOK)
	w.createPool("pool_free", 0)
	w.createPool("pool_other", 0)
	w.change(http.MethodPut, pools+"pool_other", `{"placement": {"node_types": ["storage"]}}`, http.StatusOK)
	read := func() []any {
		var got object
		w.get(pools+"balance?limit=100", &got)
		return got["moves"].([]any)
	}
	if moves := read(); len(moves) != 0 {
		t.Errorf("nodes that have just come shall move: %v", moves)
	}
	w.advance(time.Hour)
	moves := read()
	if len(moves) != 5 { // down to the healthy minimum of 3
		t.Fatalf("%d moves: %v", len(moves), moves)
	}
	wantObject(t, moves[0].(object), object{"node_id": "node_1", "from_pool_id": "pool_full", "to_pool_id": "pool_free", "reason": "fuller"})

	w.refused(http.MethodPost, pools+"balance", `{"moves": []}`, fault.Validation)
	w.refused(http.MethodPost, pools+"balance", w.body(object{"moves": moves}), fault.RoleTooLow, access.Viewer)
	chosen := object{"moves": []any{
		moves[0], moves[0],
		object{"node_id": "node_2", "from_pool_id": "pool_full", "to_pool_id": "pool_other"},
		object{"node_id": "node_2", "from_pool_id": "pool_full", "to_pool_id": "pool_none"},
		object{"node_id": "node_2", "from_pool_id": "pool_none", "to_pool_id": "pool_free"},
		object{"node_id": "node_2", "from_pool_id": "pool_full", "to_pool_id": "pool_full"},
		object{"node_id": "node_9", "from_pool_id": "pool_full", "to_pool_id": "pool_free"},
		moves[1],
	}}
	got := w.change(http.MethodPost, pools+"balance", w.body(chosen), http.StatusOK)
	var codes []any
	for _, r := range got["results"].([]any) {
		codes = append(codes, r.(object)["code"])
	}
	want := []any{
		nil, fault.StateNotAllowed.String(), fault.StateNotAllowed.String(), fault.PoolNotFound.String(), fault.PoolNotFound.String(),
		fault.NodeInPool.String(), fault.NodeNotFound.String(), nil,
	}
	if !reflect.DeepEqual(codes, want) {
		t.Errorf("codes %v, want %v", codes, want)
	}
	wantObject(t, got["summary"].(object), object{"total": json.Number("8"), "applied": json.Number("2"), "refused": json.Number("6")})
	if n := w.count(`SELECT count(*) FROM pool_membership m JOIN pool USING (pool_no) JOIN node USING (node_no)
		WHERE pool_id = 'pool_free' AND to_at IS NULL AND m.priority = substr(node_id, 6)::integer`); n != 2 {
		t.Errorf("%d nodes moved with their priority, want 2", n)
	}
	if moves := read(); len(moves) != 3 {
		t.Errorf("%d moves are left: %v", len(moves), moves)
	}
}

func TestFleetSummary(t *testing.T) {
	w := newWorld(t)
	var got object
	number := func(n int) json.Number { return json.Number(fmt.Sprint(n)) }
	w.get("/api/v1/fleet/summary", &got)
	if got["poot_score"] != nil {
		t.Errorf("mean of nothing: %v", got["poot_score"])
	}
	w.fleet(5)
	w.filled("pool_one", 1, 3)
	w.createPool("pool_two", 0)
	if _, err := w.db.Exec(t.Context(), `UPDATE node SET status = 'pending', online = false, node_type = 'storage', poot_score = 0
		WHERE node_id = 'node_5'`); err != nil {
		t.Fatal(err)
	}
	if err := (&pool.Keeper{Store: w.Pools}).RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.createPool("pool_new", 0)
	w.createPool("pool_gone", 0)
	w.change(http.MethodDelete, pools+"pool_gone", "", http.StatusNoContent, access.Admin)
	w.get("/api/v1/fleet/summary", &got)
	zero := number(0)
	wantObject(t, got, object{
		"poot_score": number(90), "usage": unmeasured(),
		"alerts": object{"warning": zero, "critical": zero, "silenced": zero},
		"nodes": object{
			"total": number(5), "online": number(4), "without_pool": number(2),
			"by_status": object{
				"pending": number(1), "starting": zero, "active": number(4), "stopping": zero, "inactive": zero, "maintenance": zero,
				"suspended": zero, "error": zero,
			},
			"by_type": object{"worker": number(4), "validator": zero, "storage": number(1), "compute": zero},
		},
		"pools": object{
			"total": number(3), "healthy": number(1), "degraded": number(1), "critical": zero, "unchecked": number(1),
			"places": number(300), "free_places": number(297),
		},
	})
}

func TestNewNodesAreAssigned(t *testing.T) {
	w := newWorld(t)
	w.Nodes.Assign = pool.Assign
	if n := w.enrol("lonely-pi", ""); n.PoolID != "" {
		t.Errorf("without any pool it is in %s", n.PoolID)
	}
	w.createPool("pool_small", 0)
	w.change(http.MethodPut, pools+"pool_small", `{"max_nodes": 1}`, http.StatusOK)
	w.createPool("pool_large", 0)
	w.change(http.MethodPut, pools+"pool_large", `{"max_nodes": 2}`, http.StatusOK)
	w.createPool("pool_storage", 0)
	w.change(http.MethodPut, pools+"pool_storage", `{"placement": {"node_types": ["storage"]}}`, http.StatusOK)
	if n := w.enrol("named-pi", "pool_small"); n.PoolID != "pool_small" {
		t.Errorf("the token's pool is not kept: %s", n.PoolID)
	}
	for i, want := range []string{"pool_large", "pool_large", ""} {
		if n := w.enrol(fmt.Sprintf("pi-%d", i), ""); n.PoolID != want {
			t.Errorf("node %d is in %q, want %q", i, n.PoolID, want)
		}
	}
	// A node that its operator made without a pool is assigned when its device comes.
	var made createdIDs
	w.demand(access.Operator, http.MethodPost, nodesPath, `{"name": "disk-pi", "node_type": "storage"}`, http.StatusCreated, &made)
	request := w.enrollRequest(made.Enrolment["token"].(string), wire.Inventory{})
	if a := w.send(http.MethodPost, wire.EnrollPath, w.body(request), nil); a.StatusCode != http.StatusOK {
		t.Fatalf("enrolment: %d %s", a.StatusCode, a.body)
	}
	if n, err := w.Nodes.Get(t.Context(), made.Node["node_id"].(string)); err != nil || n.PoolID != "pool_storage" {
		t.Errorf("a storage node is in %q, %v", n.PoolID, err)
	}
	if n := w.count("SELECT count(*) FROM audit_entry WHERE action = 'pool.assign_node' AND actor = 'system' AND after ->> 'reason' LIKE 'most room%'"); n != 3 {
		t.Errorf("%d assignments on record, want 3", n)
	}
}
