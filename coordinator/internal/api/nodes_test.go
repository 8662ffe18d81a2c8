package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/wire"
)

type object = map[string]any

func TestNodeShapes(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_home", ledger.USDT(3)/2)
	n := w.enrol("attic-pi", "pool_home")
	w.connect(n)
	w.judge(n, "missed", "")
	w.advance(90 * time.Second)

	want := object{
		"node_id": n.ID, "name": "attic-pi", "status": "active", "status_reason": nil, "status_until": nil, "online": true, "node_type": "worker",
		"location": object{"country": nil, "region": nil, "city": nil, "timezone": nil, "coordinates": nil}, "labels": object{},
		"configuration": object{
			"max_sessions": nil, "auto_scaling": nil, "maintenance_window": nil,
			"sample_interval_seconds": nil, "publish_interval_seconds": nil, "challenge": object{"difficulty": nil}, "agent": nil,
			"resource_limits": object{"cpu_percent": nil, "memory_bytes": nil, "disk_bytes": nil, "network_mbps": nil},
		},
		"pool_id": "pool_home", "agent_version": nil, "payout_address": payoutAddress, "payout_address_from": nil, "poot_score": json.Number("95"),
		"last_heartbeat": "2026-05-04T12:00:00Z", "created_at": "2026-05-04T12:00:00Z", "updated_at": "2026-05-04T12:00:00Z",
		"hardware_info": object{
			"model": "Raspberry Pi 4 Model B Rev 1.4",
			"cpu": object{
				"model": "Cortex-A72", "cores": json.Number("4"), "frequency_mhz": json.Number("1800"), "architecture": "arm64",
			},
			"memory":  object{"total_bytes": json.Number("4294967296"), "type": nil},
			"storage": object{"total_bytes": json.Number("34359738368"), "type": "sd_card", "interface": "mmc"},
			"gpu":     object{"model": "brcm,2711-v3d", "driver": "v3d", "memory_total_bytes": nil},
			"network": []any{object{"name": "eth0", "ip": "192.168.1.20", "mac": "dc:a6:32:00:00:01", "status": "up"}},
		},
	}
	var got, status object
	w.get("/api/v1/nodes/"+n.ID, &got)
	wantObject(t, got, want)

	w.get("/api/v1/nodes/"+n.ID+"/status", &status)
	wantObject(t, status, object{
		"node_id": n.ID, "status": "active", "status_reason": nil, "online": true, "node_type": "worker", "pool_id": "pool_home",
		"agent_version": nil, "poot_score": json.Number("95"), "uptime_seconds": json.Number("90"), "alerts": []any{},
		"last_heartbeat": "2026-05-04T12:00:00Z", "created_at": "2026-05-04T12:00:00Z", "updated_at": "2026-05-04T12:00:00Z",
	})

	var list struct {
		Nodes      []object   `json:"nodes"`
		Pagination pagination `json:"pagination"`
	}
	w.get("/api/v1/nodes/", &list)
	if len(list.Nodes) != 1 {
		t.Fatalf("%d nodes, want 1", len(list.Nodes))
	}
	wantObject(t, list.Nodes[0], want)
}

func wantObject(t *testing.T, got, want object) {
	t.Helper()
	for name := range want {
		if !reflect.DeepEqual(got[name], want[name]) {
			t.Errorf("%s is %#v, want %#v", name, got[name], want[name])
		}
	}
	for name := range got {
		if _, known := want[name]; !known {
			t.Errorf("%s is %#v, want no such field", name, got[name])
		}
	}
}

type nodeNames struct {
	Nodes []struct {
		Name string `json:"name"`
	} `json:"nodes"`
	Pagination pagination `json:"pagination"`
}

func (w *world) names(query string) (names []string, p pagination) {
	w.t.Helper()
	a := w.send(http.MethodGet, "/api/v1/nodes"+query, "", as(w.keys["viewer"]))
	var list nodeNames
	if err := json.Unmarshal(a.body, &list); err != nil || a.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %d %s", query, a.StatusCode, a.body)
	}
	for _, n := range list.Nodes {
		names = append(names, n.Name)
	}
	return names, list.Pagination
}

func TestNodeFiltersAndSorts(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_a", 0)
	w.createPool("pool_b", 0)
	for i, name := range []string{"alpha", "bravo", "charlie"} {
		n := w.enrol(name, []string{"pool_a", "pool_b", "pool_a"}[i])
		if i < 2 {
			w.connect(n)
		}
		for range 3 - i {
			w.judge(n, "missed", "")
		}
		w.advance(time.Minute)
	}
	cases := map[string][]string{
		"":                                    {"charlie", "bravo", "alpha"},
		"/":                                   {"charlie", "bravo", "alpha"},
		"?order=asc":                          {"alpha", "bravo", "charlie"},
		"?sort=name&order=asc":                {"alpha", "bravo", "charlie"},
		"?sort=poot_score":                    {"charlie", "bravo", "alpha"},
		"?sort=last_heartbeat":                {"bravo", "alpha", "charlie"},
		"?status=active":                      {"bravo", "alpha"},
		"?status=starting":                    {"charlie"},
		"?node_type=storage":                  nil,
		"?pool_id=pool_a":                     {"charlie", "alpha"},
		"?pool_id=pool_none":                  nil,
		"?online=true":                        {"bravo", "alpha"},
		"?online=false":                       {"charlie"},
		"?q=RAV":                              {"bravo"},
		"?q=%25":                              nil,
		"?online=true&pool_id=pool_a&q=alpha": {"alpha"},
	}
	for query, want := range cases {
		if got, _ := w.names(query); !reflect.DeepEqual(got, want) {
			t.Errorf("%q gives %v, want %v", query, got, want)
		}
	}
}

func TestNodePages(t *testing.T) {
	w := newWorld(t)
	const total = 5
	for i := range total {
		w.enrol(fmt.Sprintf("node-%d", i), "")
		w.advance(time.Minute)
	}
	for _, c := range []struct {
		query            string
		want             []string
		hasPrev, hasNext bool
	}{
		{"?limit=2", []string{"node-4", "node-3"}, false, true},
		{"?limit=2&page=2", []string{"node-2", "node-1"}, true, true},
		{"?limit=2&page=3", []string{"node-0"}, true, false},
		{"?limit=2&page=4", nil, true, false},
		{"?limit=5", []string{"node-4", "node-3", "node-2", "node-1", "node-0"}, false, false},
	} {
		got, p := w.names(c.query)
		if !reflect.DeepEqual(got, c.want) || p.HasPrev != c.hasPrev || p.HasNext != c.hasNext || *p.Total != total ||
			*p.TotalPages != (total+p.Limit-1)/p.Limit || (p.NextCursor != nil) != c.hasNext {
			t.Errorf("%s gives %v and %+v, want %v", c.query, got, p, c.want)
		}
	}
	for _, query := range []string{"?limit=2", "?limit=2&sort=name&order=asc", "?limit=2&sort=poot_score", "?limit=2&sort=last_heartbeat"} {
		seen := map[string]bool{}
		names, p := w.names(query)
		for range total { // far more pages than there are
			for _, name := range names {
				seen[name] = true
			}
			if p.NextCursor == nil {
				break
			}
			names, p = w.names(query + "&cursor=" + *p.NextCursor)
			if p.Page != nil || !p.HasPrev {
				t.Errorf("a page by cursor says %+v", p)
			}
		}
		if len(seen) != total || p.NextCursor != nil {
			t.Errorf("%s by cursors gives %v, want all %d", query, seen, total)
		}
	}
	_, p := w.names("?limit=2")
	for _, other := range []string{"sort=updated_at", "sort=name", "sort=last_heartbeat", "order=asc"} { // where it is no place
		a := w.send(http.MethodGet, nodesPath+"?"+other+"&cursor="+*p.NextCursor, "", as(w.keys[access.Viewer]))
		if d := w.wantError(a, http.StatusUnprocessableEntity, "LUCID_ERR_1002"); d.Details[0].Name != "cursor" {
			t.Errorf("%s: %+v", other, d)
		}
	}
}

func TestNodeOfWhichLittleIsKnown(t *testing.T) {
	b := shapeNode(node.Node{ID: "node_1", Name: "bare", Type: "worker", Status: node.Pending, Labels: map[string]string{}})
	raw, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"node_id":"node_1","name":"bare","status":"pending","status_reason":null,"status_until":null,"online":false,"node_type":"worker",` +
		`"pool_id":null,"hardware_info":{"model":null,"cpu":{"model":null,"cores":null,"frequency_mhz":null,"architecture":null},` +
		`"memory":{"total_bytes":null,"type":null},"storage":{"total_bytes":null,"type":null,"interface":null},"gpu":null,"network":[]},` +
		`"location":{"country":null,"region":null,"city":null,"timezone":null,"coordinates":null},"configuration":{"max_sessions":null,` +
		`"resource_limits":{"cpu_percent":null,"memory_bytes":null,"disk_bytes":null,"network_mbps":null},"auto_scaling":null,` +
		`"maintenance_window":null,"sample_interval_seconds":null,"publish_interval_seconds":null,"challenge":{"difficulty":null},"agent":null},"labels":{},"agent_version":null,"payout_address":null,"payout_address_from":null,` +
		`"poot_score":0,"last_heartbeat":null,"created_at":"0001-01-01T00:00:00Z","updated_at":"0001-01-01T00:00:00Z"}`
	if string(raw) != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
}

func TestStorageIsTheLargestDisks(t *testing.T) {
	got := shapeHardware(wire.Inventory{Disks: []wire.DiskInfo{
		{Mount: "/", TotalBytes: 32, Type: "sd_card", Interface: "mmc"}, {Mount: "/data", TotalBytes: 500, Type: "ssd", Interface: "usb"},
	}}).Storage
	if *got.TotalBytes != 532 || *got.Type != "ssd" || *got.Interface != "usb" {
		t.Errorf("storage is %d bytes, %s on %s", *got.TotalBytes, *got.Type, *got.Interface)
	}
}
