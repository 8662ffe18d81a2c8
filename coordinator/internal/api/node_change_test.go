package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/wire"
)

// demand sends a body as a caller of a role and wants a status.
func (w *world) demand(role access.Role, method, path, body string, status int, into any, edits ...func(*http.Request)) answerOf {
	w.t.Helper()
	a := w.send(method, path, body, func(r *http.Request) {
		as(w.keys[role])(r)
		for _, edit := range edits {
			edit(r)
		}
	})
	if a.StatusCode != status {
		w.t.Fatalf("%s %s: %d %s, want %d", method, path, a.StatusCode, a.body, status)
	}
	if into != nil {
		w.decode(a.body, into)
	}
	return a
}

func ifMatch(tag string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("If-Match", tag) }
}

const nodesPath = "/api/v1/nodes/"

func TestNodeFromCreationToDeletion(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_home", 0)
	var made struct {
		Node      object `json:"node"`
		Enrolment object `json:"enrolment"`
	}
	a := w.demand(access.Operator, http.MethodPost, nodesPath, `{
		"name": "attic-pi", "node_type": "storage", "initial_pool_id": "pool_home", "payout_address": "`+payoutAddress+`",
		"hardware_info": {"model": "Raspberry Pi 5", "cpu": {"cores": 4}, "memory": {"total_bytes": 8589934592, "type": "LPDDR4X"},
			"storage": {"type": "ssd", "interface": "nvme"}, "gpu": {"model": "VideoCore VII", "memory_total_bytes": 1024},
			"network": [{"name": "eth0", "ip": "192.168.1.9", "mac": "dc:a6:32:00:00:09", "status": "up"}, {"name": "wlan0"}]},
		"location": {"country": "DE", "city": "Munich", "timezone": "Europe/Berlin", "coordinates": {"latitude": 48.1, "longitude": 11.6}},
		"configuration": {"max_sessions": 5, "resource_limits": {"cpu_percent": 80}, "maintenance_window": {"start": "23:00", "end": "01:30"},
			"sample_interval_seconds": 5, "publish_interval_seconds": 60},
		"labels": {"site": "attic"}}`, http.StatusCreated, &made)
	id, _ := made.Node["node_id"].(string)
	if made.Node["status"] != "pending" || made.Node["pool_id"] != "pool_home" || made.Node["payout_address"] != payoutAddress ||
		made.Enrolment["expires_at"] != "2026-05-05T12:00:00Z" || a.Header.Get("ETag") == "" {
		t.Fatalf("made %s with ETag %q", a.body, a.Header.Get("ETag"))
	}
	wantObject(t, made.Node["location"].(object), object{
		"country": "DE", "region": nil, "city": "Munich", "timezone": "Europe/Berlin",
		"coordinates": object{"latitude": json.Number("48.1"), "longitude": json.Number("11.6")},
	})
	wantObject(t, made.Node["configuration"].(object), object{
		"max_sessions": json.Number("5"), "auto_scaling": nil, "maintenance_window": object{"start": "23:00", "end": "01:30"},
		"sample_interval_seconds": json.Number("5"), "publish_interval_seconds": json.Number("60"), "challenge": object{"difficulty": nil},
		"agent":           object{"version": json.Number(strconv.FormatInt(w.now().UnixMilli(), 10)), "state": "pending", "reason": nil},
		"resource_limits": object{"cpu_percent": json.Number("80"), "memory_bytes": nil, "disk_bytes": nil, "network_mbps": nil},
	})
	wantObject(t, made.Node["labels"].(object), object{"site": "attic"})
	wantObject(t, made.Node["hardware_info"].(object), object{
		"model": "Raspberry Pi 5", "cpu": object{"model": nil, "cores": json.Number("4"), "frequency_mhz": nil, "architecture": nil},
		"memory":  object{"total_bytes": json.Number("8589934592"), "type": "LPDDR4X"},
		"storage": object{"total_bytes": nil, "type": "ssd", "interface": "nvme"},
		"gpu":     object{"model": "VideoCore VII", "driver": nil, "memory_total_bytes": json.Number("1024")},
		"network": []any{
			object{"name": "eth0", "ip": "192.168.1.9", "mac": "dc:a6:32:00:00:09", "status": "up"},
			object{"name": "wlan0", "ip": nil, "mac": nil, "status": "down"},
		},
	})

	request := w.enrollRequest(made.Enrolment["token"].(string), exampleNodeRow().Inventory)
	var identity wire.EnrollResponse
	w.decode(w.send(http.MethodPost, wire.EnrollPath, w.body(request), nil).body, &identity)
	var n object
	tag := w.demand(access.Viewer, http.MethodGet, nodesPath+id, "", http.StatusOK, &n).Header.Get("ETag")
	if identity.NodeID != id || n["status"] != "starting" {
		t.Fatalf("enrolled as %s, %v", identity.NodeID, n["status"])
	}

	a = w.demand(access.Operator, http.MethodPut, nodesPath+id, `{"name": "cellar-pi", "pool_id": "", "payout_address": "", "labels": {}}`,
		http.StatusOK, &n, ifMatch(tag))
	if n["name"] != "cellar-pi" || n["pool_id"] != nil || n["payout_address"] != nil || n["node_type"] != "storage" || a.Header.Get("ETag") == tag {
		t.Errorf("changed to %s", a.body)
	}
	for _, stale := range []string{tag, `"999"`, `W/"1"`, "x"} {
		a := w.send(http.MethodPut, nodesPath+id, `{"name": "third-pi"}`, func(r *http.Request) {
			as(w.keys[access.Operator])(r)
			ifMatch(stale)(r)
		})
		w.wantError(a, http.StatusPreconditionFailed, "LUCID_ERR_4005")
	}
	w.wantError(w.send(http.MethodDelete, nodesPath+id, "", as(w.keys[access.Operator])), http.StatusForbidden, "LUCID_ERR_2003")
	w.demand(access.Admin, http.MethodDelete, nodesPath+id, "", http.StatusNoContent, nil)
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		w.wantError(w.send(method, nodesPath+id, "", as(w.keys[access.Admin])), http.StatusNotFound, "LUCID_ERR_4001")
	}
	w.demand(access.Operator, http.MethodPost, nodesPath, `{"name": "cellar-pi", "node_type": "worker"}`, http.StatusCreated, nil)
}

func TestNodeChangesThatAreRefused(t *testing.T) {
	w := newWorld(t)
	n := w.enrol("attic-pi", "")
	operator := as(w.keys[access.Operator])
	w.wantError(w.send(http.MethodPost, nodesPath, `{"name": "other", "node_type": "worker"}`, as(w.keys[access.Viewer])), http.StatusForbidden, "LUCID_ERR_2003")

	d := w.wantError(w.send(http.MethodPost, nodesPath, `{"name": "a b", "node_type": "toaster", "colour": "red",
		"location": {"country": "Germany", "planet": "Mars"}, "configuration": {"max_sessions": 0}}`, operator), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
	want := []string{"colour", "configuration.max_sessions", "location.country", "location.planet", "name", "node_type"}
	got := w.fieldNames(d)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("bad fields %v, want %v", got, want)
	}
	d = w.wantError(w.send(http.MethodPost, nodesPath, `{"name": "new-pi", "node_type": "worker", "hardware_info": {"network": [
		{"name": "a", "ip": "192.168.1.20"}, {"name": "b", "ip": "999.1.1.1"}, {"name": "c", "ip": "dead.beef"}, {"name": "d", "ip": "2001:db8::1"},
		{"name": "e", "ip": ":::"}, {"name": "f", "ip": "attic"}, {"name": "g"}]}}`, operator), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
	got = w.fieldNames(d)
	if want := []string{"hardware_info.network[1].ip", "hardware_info.network[2].ip", "hardware_info.network[4].ip", "hardware_info.network[5].ip"}; !slices.Equal(got, want) {
		t.Errorf("bad fields %v, want %v", got, want)
	}
	d = w.wantError(w.send(http.MethodPut, nodesPath+n.ID, `{"status": "maintenance", "payout_address": "T1", "location": {"country": "XX"}, "labels": {"a": "ä"}}`,
		operator), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
	got = w.fieldNames(d)
	slices.Sort(got)
	if want := []string{"labels.a", "location.country", "payout_address", "status_reason"}; !slices.Equal(got, want) {
		t.Errorf("bad fields %v, want %v", got, want)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{http.MethodPost, "", `{"name": "attic-pi", "node_type": "worker"}`, 409, "LUCID_ERR_4002"},
		{http.MethodPost, "", `{"name": "new-pi", "node_type": "worker", "initial_pool_id": "pool_none"}`, 404, "LUCID_ERR_4101"},
		{http.MethodPost, "", `{"name": "new-pi", "node_type": "worker", "payout_address": "T1"}`, 422, "LUCID_ERR_4306"},
		{http.MethodPost, "", `[`, 400, "LUCID_ERR_1001"},
		{http.MethodPut, n.ID, `{"pool_id": "pool_none"}`, 404, "LUCID_ERR_4101"},
		{http.MethodPut, "node_none", `{}`, 404, "LUCID_ERR_4001"},
		{http.MethodPost, n.ID + "/start", "", 409, "LUCID_ERR_4003"},
		{http.MethodPost, n.ID + "/stop", "", 409, "LUCID_ERR_4004"},
		{http.MethodPost, "node_none/start", "", 404, "LUCID_ERR_4001"},
		{http.MethodPost, "node_none/stop", "", 404, "LUCID_ERR_4001"},
	} {
		w.wantError(w.send(c.method, nodesPath+c.path, c.body, operator), c.status, c.code)
	}
	if _, err := w.db.Exec(t.Context(), `INSERT INTO payout (payout_id, node_no, amount, fee, net_amount, wallet_address, created_at, updated_at)
		VALUES ('payout_1', $1, 100, 1, 99, 'T', now(), now())`, n.No); err != nil {
		t.Fatal(err)
	}
	w.wantError(w.send(http.MethodDelete, nodesPath+n.ID, "", as(w.keys[access.Admin])), http.StatusConflict, "LUCID_ERR_4003")
}

func TestOfTwoUpdatesWithOneETagOneWins(t *testing.T) {
	w := newWorld(t)
	n := w.enrol("attic-pi", "")
	tag := w.demand(access.Viewer, http.MethodGet, nodesPath+n.ID, "", http.StatusOK, nil).Header.Get("ETag")
	var both sync.WaitGroup
	statuses := make([]int, 2)
	for i, name := range []string{"first-pi", "second-pi"} {
		both.Go(func() {
			statuses[i] = w.send(http.MethodPut, nodesPath+n.ID, `{"name": "`+name+`"}`, func(r *http.Request) {
				as(w.keys[access.Operator])(r)
				ifMatch(tag)(r)
			}).StatusCode
		})
	}
	both.Wait()
	slices.Sort(statuses)
	if !slices.Equal(statuses, []int{http.StatusOK, http.StatusPreconditionFailed}) {
		t.Errorf("answers %v, want one 200 and one 412", statuses)
	}
}

func TestStopAndStartAnswerAtOnce(t *testing.T) {
	var sent []string
	w := newWorld(t, func(c *Config) {
		c.Nodes.Send = func(nodeID string, command *wire.Command) error {
			sent = append(sent, nodeID+" "+string(command.Kind))
			return errors.New("lost on the way") // the answer does not wait for it
		}
	})
	n := w.enrol("attic-pi", "")
	w.connect(n)
	var stopped, status object
	w.demand(access.Operator, http.MethodPost, nodesPath+n.ID+"/stop", "", http.StatusAccepted, &stopped)
	id := stopped["command_id"]
	wantObject(t, stopped, object{
		"node_id": n.ID, "status": "stopping", "stopped_at": "2026-05-04T12:00:00Z", "confirm_by": "2026-05-04T12:01:00Z", "command_id": id,
	})
	w.get(nodesPath+n.ID+"/status", &status)
	if status["status"] != "stopping" || status["status_reason"] != "stop requested" {
		t.Errorf("status %v", status)
	}
	w.wantError(w.send(http.MethodPost, nodesPath+n.ID+"/stop", "", as(w.keys[access.Operator])), http.StatusConflict, "LUCID_ERR_4003")
	if err := w.Nodes.CommandResult(t.Context(), n.No, &wire.CommandResult{V: 1, CommandID: id.(string), Result: wire.CommandDone}); err != nil {
		t.Fatal(err)
	}
	var started object
	w.demand(access.Operator, http.MethodPost, nodesPath+n.ID+"/start", "", http.StatusAccepted, &started)
	if started["status"] != "starting" || started["started_at"] != "2026-05-04T12:00:00Z" || started["command_id"] == id {
		t.Errorf("started %v", started)
	}
	if want := []string{n.ID + " stop", n.ID + " start"}; !reflect.DeepEqual(sent, want) {
		t.Errorf("sent %v, want %v", sent, want)
	}
}

func TestStatusUntil(t *testing.T) {
	w := newWorld(t)
	n := w.enrol("attic-pi", "")
	var got object
	w.demand(access.Operator, http.MethodPut, nodesPath+n.ID,
		`{"status": "maintenance", "status_reason": "new card", "status_until": "2026-05-04T14:30:00+02:00"}`, http.StatusOK, &got)
	if got["status"] != "maintenance" || got["status_reason"] != "new card" || got["status_until"] != "2026-05-04T12:30:00Z" {
		t.Errorf("set to %v %v %v", got["status"], got["status_reason"], got["status_until"])
	}
	w.advance(30 * time.Minute)
	if err := w.Nodes.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.get(nodesPath+n.ID, &got)
	if got["status"] != "starting" || got["status_until"] != nil {
		t.Errorf("lifted to %v until %v", got["status"], got["status_until"])
	}
	w.inTx(func(ctx context.Context, tx db.Tx) error {
		return node.SetStatus(ctx, tx, n.No, node.Suspended, node.Disqualified+"lost", w.now())
	})
	w.wantError(w.send(http.MethodPut, nodesPath+n.ID, `{"status": "inactive"}`, as(w.keys[access.Operator])), http.StatusConflict, "LUCID_ERR_4003")
}

func TestNodeLabelsAndSearch(t *testing.T) {
	w := newWorld(t)
	for name, more := range map[string]string{
		"alpha":   `"labels": {"site": "attic", "rack": "1"}, "location": {"city": "Lyon"}`,
		"bravo":   `"labels": {"site": "attic", "rack": "2"}, "hardware_info": {"model": "Raspberry Pi 5"}`,
		"charlie": `"labels": {"site": "cellar"}`,
	} {
		w.demand(access.Operator, http.MethodPost, nodesPath, `{"node_type": "worker", "name": "`+name+`", `+more+`}`, http.StatusCreated, nil)
	}
	for query, want := range map[string][]string{
		"labels=site:attic":                 {"alpha", "bravo"},
		"labels=site:attic,rack:2":          {"bravo"},
		"labels=site:none":                  nil,
		"labels=site:cellar&q=char":         {"charlie"},
		"labels=":                           {"alpha", "bravo", "charlie"},
		"q=lyon":                            {"alpha"},
		"q=raspberry+pi+5":                  {"bravo"},
		"q=_":                               {"alpha", "bravo", "charlie"}, // of each id
		"status=pending&node_type=worker":   {"alpha", "bravo", "charlie"},
		"status=starting&labels=site:attic": nil,
	} {
		if got, _ := w.names("?sort=name&order=asc&" + query); !reflect.DeepEqual(got, want) {
			t.Errorf("%s gives %v, want %v", query, got, want)
		}
	}
	d := w.wantError(w.send(http.MethodGet, "/api/v1/nodes?labels=attic", "", as(w.keys[access.Viewer])), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
	if names := w.fieldNames(d); !slices.Equal(names, []string{"labels"}) {
		t.Errorf("bad fields %v", names)
	}
}

func TestCreationUnderOneKey(t *testing.T) {
	w := newWorld(t)
	key := func(r *http.Request) { r.Header.Set("Idempotency-Key", "order 66") }
	const body = `{"name": "attic-pi", "node_type": "worker"}`
	var first, second createdIDs
	w.demand(access.Operator, http.MethodPost, nodesPath, body, http.StatusCreated, &first, key)
	w.demand(access.Operator, http.MethodPost, nodesPath, body, http.StatusCreated, &second, key)
	if first.Node["node_id"] != second.Node["node_id"] || first.Enrolment["token"] == second.Enrolment["token"] {
		t.Errorf("made %v with %v, then %v with %v; want one node and another token",
			first.Node["node_id"], first.Enrolment["token"], second.Node["node_id"], second.Enrolment["token"])
	}
	a := w.send(http.MethodPost, nodesPath, `{"name": "other-pi", "node_type": "worker"}`, func(r *http.Request) {
		as(w.keys[access.Operator])(r)
		key(r)
	})
	w.wantError(a, http.StatusConflict, "LUCID_ERR_4305")
}

type createdIDs struct {
	Node      object `json:"node"`
	Enrolment object `json:"enrolment"`
}
