package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/pool"
)

const pools = "/api/v1/nodes/pools/"

// change sends a request as an operator, or as who, and decodes its answer.
func (w *world) change(method, path, body string, status int, who ...access.Role) object {
	w.t.Helper()
	role := append(who, access.Operator)[0]
	a := w.send(method, path, body, as(w.keys[role]))
	if a.StatusCode != status {
		w.t.Fatalf("%s %s: %d %s, want %d", method, path, a.StatusCode, a.body, status)
	}
	var got object
	if len(a.body) > 0 {
		w.decode(a.body, &got)
	}
	return got
}

// refused sends a request that must fail with a code.
func (w *world) refused(method, path, body string, code fault.Code, who ...access.Role) detail {
	w.t.Helper()
	a := w.send(method, path, body, as(w.keys[append(who, access.Operator)[0]]))
	return w.wantError(a, statuses(code)[0], code.String())
}

// fleet puts n connected, active nodes beside the API's own enrolment: node_1

// and so on.
func (w *world) fleet(n int) {
	w.t.Helper()
	_, err := w.db.Exec(w.t.Context(), `WITH made AS (
			INSERT INTO node (node_id, name, status, online, poot_score, created_at, updated_at)
			SELECT 'node_' || i, 'pi-' || i, 'active', true, 900000000, $2, $2 FROM generate_series(1, $1) i RETURNING node_no)
		INSERT INTO node_state (node_no, status, from_at) SELECT node_no, 'active', $2 FROM made`, n, w.now())
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) count(sql string, args ...any) int {
	w.t.Helper()
	return dbtest.Value[int](w.t, w.db, sql, args...)
}

func TestPools(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_one", ledger.USDT(1)/8)
	w.createPool("pool_two", 0)
	n := w.enrol("attic-pi", "pool_one")
	w.connect(n)
	w.judge(n, "missed", "")
	w.enrol("cellar-pi", "pool_one")
	number := func(s string) json.Number { return json.Number(s) }
	want := object{
		"pool_id": "pool_one", "name": "pool-one", "description": "", "node_count": number("2"), "online_count": number("1"),
		"working_count": number("2"), "standby_count": number("0"),
		"max_nodes": number("100"), "poot_score": number("47.5"), "pricing": object{"reward_per_epoch": number("0.125")},
		"resource_limits": object{"cpu_percent": nil, "memory_bytes": nil, "disk_bytes": nil, "network_mbps": nil}, "placement": object{"node_types": []any{}, "regions": []any{}}, "challenge": object{"difficulty": nil},
		"health": nil, "usage": nil,
		"auto_scaling": object{"enabled": false, "target_cpu_percent": number("70"), "policy": object{
			"scale_up_threshold": number("80"), "scale_down_threshold": number("30"), "min_nodes": number("0"),
			"max_nodes": number("100"), "cooldown_minutes": number("5"),
		}},
		"created_at": "2026-05-04T12:00:00Z", "updated_at": "2026-05-04T12:00:00Z",
	}
	var one object
	w.get(pools+"pool_one", &one)
	wantObject(t, one, want)
	for _, path := range []string{"/api/v1/nodes/pools", pools} {
		list := w.pools(path + "?limit=1")
		if p := list.Pagination; len(list.Pools) != 1 || *p.Total != 2 || !p.HasNext || p.HasPrev || p.NextCursor == nil {
			t.Errorf("%s: %+v", path, list)
		}
		wantObject(t, list.Pools[0], want)
	}
	if err := (&pool.Keeper{Store: w.Pools}).RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	want["health"] = object{
		"state": "degraded", "reasons": []any{"many_offline", "too_few_online"}, "online_count": number("1"),
		"expected_count": number("2"), "poot_score": number("95"), "since": "2026-05-04T12:00:00Z", "checked_at": "2026-05-04T12:00:00Z",
	}
	want["usage"] = unmeasured()
	w.get(pools+"pool_one", &one)
	wantObject(t, one, want)
}

type poolList struct {
	Pools      []object   `json:"pools"`
	Pagination pagination `json:"pagination"`
}

func (w *world) pools(path string) (list poolList) {
	w.t.Helper()
	w.get(path, &list)
	return list
}

func TestPoolFiltersAndCursor(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.change(http.MethodPost, pools, fmt.Sprintf(`{"name": "north_%d", "auto_scaling": {"enabled": %t}}`, i, i%2 == 0), http.StatusCreated)
	}
	w.change(http.MethodPost, pools, `{"name": "South-x"}`, http.StatusCreated)
	names := func(query string) (names []string, p pagination) {
		list := w.pools(pools + query)
		for _, one := range list.Pools {
			names = append(names, one["name"].(string))
		}
		return names, list.Pagination
	}
	for query, want := range map[string][]string{
		"":                         {"north_0", "north_1", "north_2", "north_3", "north_4", "South-x"},
		"?auto_scaling=true":       {"north_0", "north_2", "north_4"},
		"?auto_scaling=false":      {"north_1", "north_3", "South-x"},
		"?q=SOUTH":                 {"South-x"},
		"?q=%25":                   nil,
		"?q=north_":                {"north_0", "north_1", "north_2", "north_3", "north_4"},
		"?q=north-":                nil,
		"?q=TH_2&auto_scaling=yes": nil,
	} {
		if strings.HasSuffix(query, "yes") {
			w.refused(http.MethodGet, pools+query, "", fault.Validation)
			continue
		}
		got, _ := names(query)
		slices.SortFunc(want, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
		slices.SortFunc(got, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q gives %v, want %v", query, got, want)
		}
	}
	var seen []string
	query := "?limit=2"
	for range 3 {
		got, p := names(query)
		seen = append(seen, got...)
		if p.NextCursor == nil {
			break
		}
		query = "?limit=2&cursor=" + *p.NextCursor
	}
	all, _ := names("")
	if !reflect.DeepEqual(seen, all) {
		t.Errorf("by cursor %v, want %v", seen, all)
	}
	if second, p := names("?limit=4&page=2"); !reflect.DeepEqual(second, all[4:]) || p.HasNext || !p.HasPrev || p.NextCursor != nil {
		t.Errorf("page 2 of 4 each: %v %+v", second, p)
	}
	for _, bad := range []string{"AAAA", "====", "bm9ydGg_"} {
		w.refused(http.MethodGet, pools+"?cursor="+bad, "", fault.Validation)
	}
}

func TestPoolLifeCycle(t *testing.T) {
	w := newWorld(t)
	w.fleet(2)
	body := `{"name": "north", "description": "up", "max_nodes": 2, "resource_limits": {"cpu_percent": 50, "memory_bytes": 1024, "disk_bytes": 2048, "network_mbps": 100},
		"auto_scaling": {"enabled": true, "policy": {"min_nodes": 1}}, "placement": {"node_types": ["worker", "worker"], "regions": ["DE/Bavaria"]},
		"pricing": {"reward_per_epoch": "1.000001"}}`
	w.refused(http.MethodPost, pools, body, fault.RoleTooLow, access.Viewer)
	made := w.change(http.MethodPost, pools, body, http.StatusCreated)
	id := made["pool_id"].(string)
	if made["max_nodes"] != json.Number("2") || made["pricing"].(object)["reward_per_epoch"] != json.Number("1.000001") ||
		!reflect.DeepEqual(made["placement"], object{"node_types": []any{"worker"}, "regions": []any{"DE/Bavaria"}}) ||
		!reflect.DeepEqual(made["resource_limits"], object{
			"cpu_percent": json.Number("50"), "memory_bytes": json.Number("1024"), "disk_bytes": json.Number("2048"), "network_mbps": json.Number("100"),
		}) {
		t.Errorf("made %v", made)
	}
	w.refused(http.MethodPost, pools, `{"name": "north"}`, fault.NameTaken)
	w.change(http.MethodPost, pools, `{"name": "south"}`, http.StatusCreated)
	w.refused(http.MethodPut, pools+id, `{"name": "south"}`, fault.NameTaken)

	w.change(http.MethodPost, pools+id+"/nodes", `{"node_id": "node_1"}`, http.StatusOK)
	w.change(http.MethodPost, pools+id+"/nodes/?node_id=node_2&priority=7", "", http.StatusOK)
	w.refused(http.MethodPut, pools+id, `{"max_nodes": 1}`, fault.StateNotAllowed)
	w.advance(time.Minute)
	changed := w.change(http.MethodPut, pools+id, `{"max_nodes": 3, "pricing": {"reward_per_epoch": 2.5}}`, http.StatusOK)
	if changed["description"] != "up" || changed["max_nodes"] != json.Number("3") || changed["updated_at"] != "2026-05-04T12:01:00Z" ||
		changed["pricing"].(object)["reward_per_epoch"] != json.Number("2.5") {
		t.Errorf("changed %v", changed)
	}

	w.refused(http.MethodDelete, pools+id, "", fault.RoleTooLow)
	w.refused(http.MethodDelete, pools+id, "", fault.PoolNotEmpty, access.Admin)
	for _, n := range []string{"node_1", "node_2"} {
		w.change(http.MethodDelete, pools+id+"/nodes/"+n, "", http.StatusNoContent)
	}
	w.refused(http.MethodDelete, pools+id+"/nodes/node_1", "", fault.NodeNotFound)
	w.change(http.MethodDelete, pools+id, "", http.StatusNoContent, access.Admin)
	w.refused(http.MethodGet, pools+id, "", fault.PoolNotFound)
	w.refused(http.MethodPut, pools+id, `{"max_nodes": 3}`, fault.PoolNotFound)
	w.refused(http.MethodDelete, pools+id, "", fault.PoolNotFound, access.Admin)
	w.refused(http.MethodPost, pools+id+"/nodes", `{"node_id": "node_1"}`, fault.PoolNotFound)
	w.change(http.MethodPost, pools, `{"name": "north"}`, http.StatusCreated)
	if n := w.count("SELECT count(*) FROM pool_membership m JOIN pool p USING (pool_no) WHERE pool_id = $1 AND to_at IS NOT NULL", id); n != 2 {
		t.Errorf("%d memberships on record, want 2", n)
	}
	want := []string{"pool.create", "pool.add_node", "pool.add_node", "pool.update", "pool.remove_node", "pool.remove_node", "pool.delete"}
	var actions, told []string
	err := w.db.QueryRow(t.Context(), `SELECT array_agg(action ORDER BY entry_no) FROM audit_entry
		WHERE target = $1 AND actor LIKE 'key_%' AND request_id <> ''`, id).Scan(&actions)
	if err != nil || !reflect.DeepEqual(actions, want) {
		t.Errorf("audit log has %v %v, want %v", actions, err, want)
	}
	want = []string{"created", "node_joined", "node_joined", "updated", "node_left", "node_left", "deleted"}
	err = w.db.QueryRow(t.Context(), `SELECT array_agg(body ->> 'change' ORDER BY out_no) FROM event_outbox
		WHERE kind = 'pool' AND pool_id = $1`, id).Scan(&told)
	if err != nil || !reflect.DeepEqual(told, want) {
		t.Errorf("events tell %v %v, want %v", told, err, want)
	}
}

func TestPoolVersions(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_one", 0)
	put := func(body, tag string) answerOf {
		return w.send(http.MethodPut, pools+"pool_one", body, func(r *http.Request) {
			as(w.keys[access.Operator])(r)
			r.Header.Set("If-Match", tag)
		})
	}
	tag := w.send(http.MethodGet, pools+"pool_one", "", as(w.keys[access.Viewer])).Header.Get("ETag")
	if tag != `"1"` {
		t.Fatalf("ETag %s", tag)
	}
	if a := put(`{"max_nodes": 100}`, tag); a.StatusCode != http.StatusOK || a.Header.Get("ETag") != tag {
		t.Errorf("a change of nothing gives %s %s", a.Header.Get("ETag"), a.body)
	}
	if a := put(`{"max_nodes": 99}`, tag); a.StatusCode != http.StatusOK || a.Header.Get("ETag") != `"2"` {
		t.Errorf("a change gives %s %s", a.Header.Get("ETag"), a.body)
	}
	for _, stale := range []string{tag, `W/"2"`, `2`, `"2 "`, `"02"`, `"-1"`, `"99999999999999999999"`, `"x"`, "`2`"} {
		w.wantError(put(`{"max_nodes": 98}`, stale), http.StatusPreconditionFailed, fault.ChangedMeanwhile.String())
	}
	if a := put(`{"max_nodes": 97}`, "*"); a.StatusCode != http.StatusOK {
		t.Errorf("any version: %s", a.body)
	}
	a := w.send(http.MethodDelete, pools+"pool_one", "", func(r *http.Request) {
		as(w.keys[access.Admin])(r)
		r.Header.Set("If-Match", `"2"`)
	})
	w.wantError(a, http.StatusPreconditionFailed, fault.ChangedMeanwhile.String())
}

func TestPoolInputNamesEveryBadField(t *testing.T) {
	w := newWorld(t)
	fields := func(d detail) (names []string) {
		for _, f := range d.Details {
			names = append(names, f.Name)
		}
		slices.Sort(names)
		return names
	}
	got := fields(w.refused(http.MethodPost, pools, `{"name": "a b", "max_nodes": 101, "surprise": 1,
		"auto_scaling": {"target_cpu_percent": 91, "policy": {"scale_up_threshold": 49}}, "resource_limits":
			{"cpu_percent": 0, "memory_bytes": 0, "disk_bytes": -1, "network_mbps": 1000001}}`, fault.Validation))
	want := []string{
		"auto_scaling.policy.scale_up_threshold", "auto_scaling.target_cpu_percent", "max_nodes", "name", "resource_limits.cpu_percent",
		"resource_limits.disk_bytes", "resource_limits.memory_bytes", "resource_limits.network_mbps", "surprise",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("named %v, want %v", got, want)
	}
	got = fields(w.refused(http.MethodPost, pools, `{"name": "abc", "max_nodes": 4, "placement": {"regions": ["Germany"]},
		"auto_scaling": {"policy": {"scale_up_threshold": 50, "scale_down_threshold": 50, "min_nodes": 5}}}`, fault.Validation))
	want = []string{"auto_scaling.policy.min_nodes", "auto_scaling.policy.scale_down_threshold", "placement.regions"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("named %v, want %v", got, want)
	}
	for _, amount := range []string{`-1`, `"1.0000001"`, `1e3`, `""`, `"x"`, `99999999999999999999`} {
		d := w.refused(http.MethodPost, pools, `{"name": "abc", "pricing": {"reward_per_epoch": `+amount+`}}`, fault.Validation)
		if got := fields(d); !reflect.DeepEqual(got, []string{"pricing.reward_per_epoch"}) {
			t.Errorf("%s names %v", amount, got)
		}
	}
	w.fleet(1)
	w.createPool("pool_one", 0)
	for _, body := range []string{``, `{}`, `{"node_id": "pool_1"}`, `{"node_id": "node_1", "priority": 101}`, `{"node_id": "node_1", "priority": -1}`} {
		w.refused(http.MethodPost, pools+"pool_one/nodes", body, fault.Validation)
	}
	w.refused(http.MethodPost, pools+"pool_one/nodes?node_id=node_2", `{"node_id": "node_1"}`, fault.Validation)
	w.refused(http.MethodPost, pools+"pool_one/nodes?node_id=node_1&priority=1", `{"priority": 2}`, fault.Validation)
	w.refused(http.MethodPost, pools+"pool_one/nodes?node_id=node_2", "", fault.NodeNotFound)
	if got := w.change(http.MethodPost, pools+"pool_one/nodes?node_id=node_1", `{"priority": 2}`, http.StatusOK); got["priority"] != json.Number("2") {
		t.Errorf("added %v", got)
	}
	w.refused(http.MethodPost, pools+"pool_one/nodes?node_id=node_1", "", fault.NodeInPool)
}
