package api

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/shared/wire"
)

// unmeasured is the usage of nodes that have told nothing.
func unmeasured() object {
	return object{
		"at": "2026-05-04T12:00:00Z", "measured_count": json.Number("0"), "cpu_usage_percent": nil, "memory_used_bytes": nil,
		"memory_total_bytes": nil, "disk_used_bytes": nil, "disk_total_bytes": nil,
	}
}

func TestPoolScalingIsListed(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_home", 0)
	for _, name := range []string{"pi-a", "pi-b", "pi-c"} {
		n := w.enrol(name, "pool_home")
		w.connect(n)
		usage := 12.5
		w.ingest(n, wire.Sample{
			Seq: 1, AtMs: w.now().Add(-2 * time.Minute).UnixMilli(), CPU: &wire.CPU{UsagePercent: &usage, Cores: 4, PerCore: []float64{}},
			Memory: &wire.Memory{TotalBytes: 400, UsedBytes: 100},
		})
	}
	w.change(http.MethodPut, pools+"pool_home", `{"auto_scaling":{"enabled":true,"policy":{"min_nodes":1,"max_nodes":2}}}`, http.StatusOK)
	if err := w.Samples.RunOnceRollup(t.Context()); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		if err := (&pool.Keeper{Store: w.Pools}).RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.advance(time.Minute)
	}
	check()
	w.change(http.MethodPost, pools+"pool_home/scale", `{"target_nodes":1,"reason":"a quiet night"}`, http.StatusOK)

	var page struct {
		Decisions  []object   `json:"decisions"`
		Pagination pagination `json:"pagination"`
	}
	w.get(pools+"pool_home/scaling?limit=1", &page)
	byHand := page.Decisions[0]
	if at := byHand["inputs"].(object)["last_scaled_at"]; at != "2026-05-04T12:00:00Z" {
		t.Errorf("by hand: scaled before at %v", at)
	}
	delete(byHand, "inputs")
	wantObject(t, byHand, object{
		"at": "2026-05-04T12:01:00Z", "checked_at": "2026-05-04T12:01:00Z", "action": "down", "reason": "requested", "note": "a quiet night",
		"automatic": false, "target_nodes": json.Number("1"), "working_before": json.Number("2"), "working_after": json.Number("1"),
		"activated": []any{}, "parked": byHand["parked"], "checked_inputs": nil,
	})
	if !page.Pagination.HasNext || page.Pagination.NextCursor == nil {
		t.Fatalf("page %+v", page.Pagination)
	}
	w.get(pools+"pool_home/scaling?limit=1&cursor="+*page.Pagination.NextCursor, &page)
	byPolicy := page.Decisions[0]
	parked := byPolicy["parked"].([]any)
	wantObject(t, byPolicy, object{
		"at": "2026-05-04T12:00:00Z", "checked_at": "2026-05-04T12:00:00Z", "action": "down", "reason": "above_most", "note": nil, "automatic": true,
		"target_nodes": json.Number("2"), "working_before": json.Number("3"), "working_after": json.Number("2"), "activated": []any{}, "parked": parked,
		"checked_inputs": nil,
		"inputs": object{
			"working_count": json.Number("3"), "standby_count": json.Number("0"), "measured_count": json.Number("3"), "cpu_usage_percent": json.Number("12.5"), "max_nodes": json.Number("100"), "last_scaled_at": nil,
			"auto_scaling": object{"enabled": true, "target_cpu_percent": json.Number("70"), "policy": object{
				"scale_up_threshold": json.Number("80"), "scale_down_threshold": json.Number("30"), "min_nodes": json.Number("1"),
				"max_nodes": json.Number("2"), "cooldown_minutes": json.Number("5"),
			}},
		},
	})
	if len(parked) != 1 || page.Pagination.HasNext {
		t.Errorf("parked %v, more %t", parked, page.Pagination.HasNext)
	}
	var home object
	w.get(pools+"pool_home", &home)
	wantObject(t, home["usage"].(object), object{
		"at": "2026-05-04T12:00:00Z", "measured_count": json.Number("3"), "cpu_usage_percent": json.Number("12.5"),
		"memory_used_bytes": json.Number("300"), "memory_total_bytes": json.Number("1200"), "disk_used_bytes": nil, "disk_total_bytes": nil,
	})
	w.change(http.MethodPut, pools+"pool_home", `{"auto_scaling":{"enabled":true,"policy":{"min_nodes":1,"max_nodes":3}}}`, http.StatusOK)
	check()
	w.change(http.MethodPut, pools+"pool_home", `{"auto_scaling":{"enabled":true,"policy":{"min_nodes":1,"max_nodes":4}}}`, http.StatusOK)
	check()
	w.get(pools+"pool_home/scaling?limit=1", &page)
	most := func(inputs string) any {
		return page.Decisions[0][inputs].(object)["auto_scaling"].(object)["policy"].(object)["max_nodes"]
	}
	if hold := page.Decisions[0]; hold["action"] != "hold" || most("inputs") != json.Number("3") || most("checked_inputs") != json.Number("4") {
		t.Errorf("what was held twice is %v", hold)
	}
	w.wantError(w.send(http.MethodGet, pools+"pool_none/scaling", "", as(w.keys[access.Viewer])), http.StatusNotFound, "LUCID_ERR_4101")
}
