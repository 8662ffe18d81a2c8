package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/score"
	"lucid.internal/shared/wire"
)

func TestResources(t *testing.T) {
	w := newWorld(t)
	n := w.enrol("attic-pi", "")
	path := "/api/v1/nodes/" + n.ID + "/resources"
	w.wantError(w.send(http.MethodGet, path, "", as(w.keys[access.Viewer])), http.StatusNotFound, "LUCID_ERR_4901")

	usage := 12.5
	w.ingest(n, wire.Sample{
		Seq: 1, AtMs: w.now().Add(-1500 * time.Millisecond).UnixMilli(),
		CPU:      &wire.CPU{UsagePercent: &usage, Cores: 2, LoadAverage: [3]float64{1, .5, .25}, PerCore: []float64{25, 0}},
		Memory:   &wire.Memory{TotalBytes: 1 << 40, UsedBytes: 1 << 39},
		Throttle: &wire.Throttle{UnderVoltage: new(true), UnderVoltageEvents: new(uint64(2))},
		Absent:   map[string]string{"gpu": "none"},
	})
	var got object
	w.get(path, &got)
	wantObject(t, got, object{
		"node_id": n.ID, "timestamp": "2026-05-04T11:59:58.5Z", "received_at": "2026-05-04T12:00:00Z",
		"cpu": object{
			"usage_percent": json.Number("12.5"), "cores": json.Number("2"), "frequency_mhz": nil, "temperature_celsius": nil,
			"load_average": []any{json.Number("1"), json.Number("0.5"), json.Number("0.25")},
			"per_core":     []any{json.Number("25"), json.Number("0")},
		},
		"memory": object{
			"total_bytes": json.Number("1099511627776"), "used_bytes": json.Number("549755813888"), "free_bytes": json.Number("0"),
			"available_bytes": json.Number("0"), "cached_bytes": json.Number("0"), "swap_total_bytes": json.Number("0"),
			"swap_used_bytes": json.Number("0"),
		},
		"disk": nil, "network": nil, "gpu": nil, "board": nil, "absent": object{"gpu": "none"}, "range": nil,
		"throttle": object{"under_voltage": true, "capped": nil, "throttled": nil, "soft_limit": nil, "under_voltage_events": json.Number("2")},
	})
}

func TestPootScore(t *testing.T) {
	w := newWorld(t)
	n := w.enrol("attic-pi", "")
	path := "/api/v1/nodes/" + n.ID + "/poot/score"
	var before, after object
	w.get(path, &before)
	wantObject(t, before, object{
		"node_id": n.ID, "score": json.Number("0"), "confidence": json.Number("0"), "factors": nil, "validation_status": nil,
		"validation_reason": nil, "verdicts": json.Number("0"), "failures_left": nil, "early_warning": false, "rule_version": nil, "vetted_at": nil,
		"calculated_at": nil, "output_hash": nil,
	})
	w.judge(n, "valid", "")
	w.get(path, &after)
	// printf answer | sha256sum
	if after["output_hash"] != "0db52f4076c082518412afd3dd3576e2cb0c63703fd7fed5e23ade60efef31d9" {
		t.Errorf("output_hash is %v", after["output_hash"])
	}
	after = nil
	w.advance(time.Minute)
	w.judge(n, "missed", "no_answer")
	w.get(path, &after)
	wantObject(t, after, object{
		"node_id": n.ID, "score": json.Number("95"), "confidence": json.Number("0.038461538"), "validation_status": "missed",
		"factors": object{
			"reputation": json.Number("1"), "timeliness": json.Number("0.95"), "availability": json.Number("1"), "quality": json.Number("1"),
		},
		"validation_reason": "no_answer", "verdicts": json.Number("2"), "failures_left": json.Number("9"), "early_warning": true,
		"rule_version": json.Number("3"), "vetted_at": "2026-05-04T12:00:00Z", "calculated_at": "2026-05-04T12:01:00Z",
		"output_hash": nil, // nothing was answered
	})
}

func TestPootHistory(t *testing.T) {
	w := newWorld(t)
	n := w.enrol("attic-pi", "")
	results := []string{"valid", "late", "missed", "invalid", "void"}
	for _, r := range results {
		w.judge(n, score.Result(r), "because")
	}
	path := "/api/v1/nodes/" + n.ID + "/poot/history"
	type page struct {
		History    []object   `json:"history"`
		Pagination pagination `json:"pagination"`
	}
	var seen []string
	query := "?limit=2"
	for i := range len(results) {
		var p page
		w.get(path+query, &p)
		for _, v := range p.History {
			seen = append(seen, fmt.Sprint(v["verdict"]))
		}
		if p.Pagination.HasPrev != (i > 0) || p.Pagination.HasNext != (p.Pagination.NextCursor != nil) || p.Pagination.Total != nil {
			t.Errorf("page %d says %+v", i, p.Pagination)
		}
		if p.Pagination.NextCursor == nil {
			break
		}
		query = "?limit=2&cursor=" + *p.Pagination.NextCursor
	}
	if want := []string{"void", "invalid", "missed", "late", "valid"}; !reflect.DeepEqual(seen, want) {
		t.Errorf("verdicts %v, want %v", seen, want)
	}
	var whole page
	w.get(path+"/", &whole)
	first := whole.History[len(whole.History)-1]
	delete(first, "challenge_id")
	wantObject(t, first, object{
		"verdict": "valid", "reason": "because", "at": "2026-05-04T12:00:00Z", "answered_ms": json.Number("250"),
		"rule_version": json.Number("1"), "score_before": json.Number("0"), "score_after": json.Number("100"),
	})
}

// TestMoney follows an hour's reward from its epoch into a payout.
func TestMoney(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_home", ledger.USDT(25))
	n := w.enrol("attic-pi", "pool_home")
	w.advance(15 * time.Minute)
	w.connect(n)
	w.judge(n, "valid", "")
	w.closeEpoch() // 12:00 to 13:00

	var earnings object
	w.get("/api/v1/nodes/"+n.ID+"/earnings", &earnings)
	epochs := earnings["epochs"].([]any)
	delete(earnings, "epochs")
	wantObject(t, earnings, object{
		"node_id": n.ID, "currency": "USDT", "payable": json.Number("0"), "held": json.Number("0"),
		"in_flight": json.Number("24.75"), "paid": json.Number("0"), "fees": json.Number("0.25"),
	})
	if len(epochs) != 1 {
		t.Fatalf("%d epochs, want 1", len(epochs))
	}
	epoch := epochs[0].(object)
	wantObject(t, epoch, object{
		"factors": object{
			"reputation": json.Number("1"), "timeliness": json.Number("1"), "availability": json.Number("1"), "quality": json.Number("1"),
		},
		"pool_id": "pool_home", "starts_at": "2026-05-04T12:00:00Z", "ends_at": "2026-05-04T13:00:00Z", "pool_reward": json.Number("25"),
		"share": json.Number("25"), "destination": "payable", "member_seconds": json.Number("3600"), "credited_seconds": json.Number("2700"),
		"poot_score": json.Number("100"), "reasons": []any{"inactive"},
	})

	var list struct {
		Payouts    []object   `json:"payouts"`
		Pagination pagination `json:"pagination"`
	}
	w.get("/api/v1/nodes/"+n.ID+"/payouts?status=pending", &list)
	if len(list.Payouts) != 1 || *list.Pagination.Total != 1 || list.Pagination.HasNext {
		t.Fatalf("payouts %+v", list)
	}
	id := list.Payouts[0]["payout_id"]
	wantObject(t, list.Payouts[0], object{
		"payout_id": id, "node_id": n.ID, "amount": json.Number("25"), "fee": json.Number("0.25"), "net_amount": json.Number("24.75"),
		"currency": "USDT", "wallet_address": payoutAddress, "status": "pending", "priority": "normal", "transaction_hash": nil,
		"rail": nil, "created_by": "system", "needs_approval": false, "approved_by": nil, "approved_at": nil, "batch_id": nil, "scheduled_at": nil, "processed_at": nil, "completed_at": nil, "error_message": nil,
		"retry_count": json.Number("0"), "max_retries": json.Number("3"),
		"created_at": "2026-05-04T13:03:00Z", "updated_at": "2026-05-04T13:03:00Z",
	})
	w.get("/api/v1/nodes/"+n.ID+"/payouts/?status=completed", &list)
	if len(list.Payouts) != 0 {
		t.Errorf("completed payouts %+v, want none", list.Payouts)
	}
}

func TestPayoutPages(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_home", ledger.USDT(25))
	n := w.enrol("attic-pi", "pool_home")
	w.connect(n)
	w.judge(n, "valid", "")
	const total = 4
	type page struct {
		Payouts    []payoutID `json:"payouts"`
		Pagination pagination `json:"pagination"`
	}
	var live page
	read := func(query string) (p page) {
		a := w.send(http.MethodGet, "/api/v1/nodes/"+n.ID+"/payouts"+query, "", as(w.keys[access.Viewer]))
		if err := json.Unmarshal(a.body, &p); err != nil || a.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		return p
	}
	for range total { // a node has one live payout at a time
		w.closeEpoch()
		live = read("?status=pending")
		if _, err := w.Payouts.Cancel(t.Context(), audit.By{Actor: audit.System}, live.Payouts[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	p := read("?limit=2")
	for pages := 1; ; pages++ {
		for _, id := range p.Payouts {
			seen[id.ID] = true
		}
		if p.Pagination.NextCursor == nil {
			if pages != 2 || p.Pagination.HasNext {
				t.Errorf("%d pages, the last says %+v; want 2", pages, p.Pagination)
			}
			break
		}
		p = read("?limit=2&cursor=" + *p.Pagination.NextCursor)
	}
	if len(seen) != total {
		t.Errorf("cursors gave %d payouts, want %d", len(seen), total)
	}
	if second := read("?limit=3&page=2"); len(second.Payouts) != 1 || second.Pagination.HasNext || *second.Pagination.TotalPages != 2 {
		t.Errorf("page 2 of 3 each: %+v", second)
	}
}

type payoutID struct {
	ID string `json:"payout_id"`
}
