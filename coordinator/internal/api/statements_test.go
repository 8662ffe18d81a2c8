package api

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
)

type statementPage struct {
	NodeID     string     `json:"node_id"`
	Head       object     `json:"ledger_head"`
	Lines      []object   `json:"lines"`
	Pagination pagination `json:"pagination"`
}

// hours closes so many epochs of a node that was connected from a quarter past
// the first one on, and answered once.
func (w *world) hours(count int) node.Node {
	w.t.Helper()
	w.createPool("pool_home", ledger.USDT(3)/2+1)
	n := w.enrol("attic-pi", "pool_home")
	w.advance(15 * time.Minute)
	w.connect(n)
	w.judge(n, "valid", "")
	for range count {
		w.closeEpoch()
	}
	return n
}

func TestStatementShowsWhatALineFollowsFrom(t *testing.T) {
	w := newWorld(t)
	n := w.hours(2)
	var page statementPage
	w.get("/api/v1/nodes/"+n.ID+"/statements?end_time=2026-05-04T13:00:00Z", &page)
	if len(page.Lines) != 1 || page.Pagination.HasNext {
		t.Fatalf("%+v, want the first hour alone", page)
	}
	line := page.Lines[0]
	since := line["evidence"].(object)["score"].(object)["since"].([]any)
	if len(since) != 1 || since[0].(object)["judged"].(object)["result"] != "valid" || line["factors"].(object)["counters"] == nil {
		t.Errorf("score follows from %v and counters %v", since, line["factors"])
	}
	delete(line["evidence"].(object), "score")
	delete(line, "factors")
	entry := w.first("entry_id FROM entry WHERE kind = 'accrue' ORDER BY entry_no")
	hour := func(from, to string) object { return object{"from": from, "to": to} }
	wantObject(t, line, object{
		"pool_id": "pool_home", "starts_at": "2026-05-04T12:00:00Z", "ends_at": "2026-05-04T13:00:00Z",
		"pool_reward": json.Number("1.500001"), "pool_weight": "2700000000000000", "member_ms": json.Number("3600000"), "credited_ms": json.Number("2700000"),
		"score": json.Number("1000000000"), "weight": json.Number("2700000000000000"), "share": json.Number("1.500001"), "destination": "payable",
		"reasons": []any{"inactive"}, "fault_windows": []any{}, "entry_id": entry,
		"evidence": object{
			"membership": []any{hour("2026-05-04T12:00:00Z", "2026-05-04T13:15:01Z")}, "presence": []any{hour("2026-05-04T12:15:00Z", "2026-05-04T13:15:01Z")},
			"states": line["evidence"].(object)["states"], "vetted": true, "held": false, "left": nil,
		},
	})
	head, err := ledger.ReadHead(t.Context(), w.db)
	if err != nil || page.Head["hash"] != head.Hash || page.Head["entry_no"] != json.Number(fmt.Sprint(head.No)) {
		t.Errorf("head %v, %v; want %+v", page.Head, err, head)
	}
}

// Read page by page, as JSON by cursors and as CSV by links, a statement has the
// same shares as in one piece.
func TestStatementPagesSayTheSameInBothForms(t *testing.T) {
	w := newWorld(t)
	path := "/api/v1/nodes/" + w.hours(5).ID + "/statements"
	var whole statementPage
	w.get(path, &whole)
	if len(whole.Lines) != 5 {
		t.Fatalf("%d lines, want 5", len(whole.Lines))
	}
	var lines, rows []string
	for query, more := "?limit=2", true; more; {
		var page statementPage
		w.get(path+query, &page)
		for _, l := range page.Lines {
			lines = append(lines, fmt.Sprint(l["starts_at"], l["share"]))
		}
		if more = page.Pagination.HasNext; more {
			query = "?limit=2&cursor=" + *page.Pagination.NextCursor
		}
	}
	for link := path + "?limit=2&format=csv"; link != ""; {
		a := w.send(http.MethodGet, link, "", as(w.keys[access.Viewer]))
		table, err := csv.NewReader(strings.NewReader(string(a.body))).ReadAll()
		if err != nil || a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "text/csv; charset=utf-8" || table[0][2] != "starts_at" || table[0][10] != "share" {
			t.Fatalf("%s: %d %v %s", link, a.StatusCode, err, a.body)
		}
		for _, row := range table[1:] {
			rows = append(rows, row[2]+row[10])
		}
		link, _ = strings.CutSuffix(strings.TrimPrefix(a.Header.Get("Link"), "<"), `>; rel="next"`)
	}
	var want []string
	for _, l := range whole.Lines {
		want = append(want, fmt.Sprint(l["starts_at"], l["share"]))
	}
	if fmt.Sprint(lines) != fmt.Sprint(want) || fmt.Sprint(rows) != fmt.Sprint(want) {
		t.Errorf("pages have %v, CSV has %v; want %v", lines, rows, want)
	}
}

func TestStatementIsRefused(t *testing.T) {
	w := newWorld(t)
	n := w.enrol("attic-pi", "")
	path := "/api/v1/nodes/" + n.ID + "/statements"
	for _, query := range []string{
		"?start_time=2026-05-04T12:00:00Z&end_time=2026-05-04T12:00:00Z", "?start_time=2027-01-01T00:00:00Z", "?format=xml", "?cursor=0", "?from=2026-05-04T12:00:00Z", "?limit=101",
	} {
		w.wantError(w.send(http.MethodGet, path+query, "", as(w.keys[access.Viewer])), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
	}
	w.wantError(w.send(http.MethodGet, "/api/v1/nodes/node_none/statements", "", as(w.keys[access.Viewer])), http.StatusNotFound, "LUCID_ERR_4001")
	var none statementPage
	w.get(path, &none)
	if len(none.Lines) != 0 || none.Head["entry_no"] != json.Number("0") || none.Head["at"] != nil {
		t.Errorf("a node that earned nothing yet has %+v", none)
	}
}
