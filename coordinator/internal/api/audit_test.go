package api

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
)

func TestAuditLog(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_home", 0)
	w.advance(time.Hour)
	w.createPool("pool_away", 0)
	w.enrol("attic-pi", "pool_home")

	list := func(query string) (b auditListBody) {
		t.Helper()
		a := w.send(http.MethodGet, "/api/v1/audit"+query, "", as(w.keys[access.Admin]))
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", query, a.StatusCode, a.body)
		}
		w.decode(a.body, &b)
		return b
	}
	all := list("?limit=100")
	var actions []string
	for _, e := range all.Entries {
		actions = append(actions, e.Action)
		if e.EntryNo == 0 || len(e.Hash) != 64 || e.At.IsZero() {
			t.Errorf("%+v", e)
		}
	}
	want := []string{"node.enrol", "token.create", "pool.create", "pool.create"}
	if len(actions) < len(want) {
		t.Fatalf("got %v, want %v first", actions, want)
	}
	if enrolled := all.Entries[0]; enrolled.Action != "node.enrol" || enrolled.Actor != audit.Device || string(enrolled.Before.RawMessage) != "null" {
		t.Errorf("enrolment: %+v", enrolled)
	}

	pools := list("?action=pool.create&target=pool_away")
	var after struct {
		Name string `json:"name"`
	}
	if len(pools.Entries) != 1 || json.Unmarshal(pools.Entries[0].After.RawMessage, &after) != nil || after.Name != "pool-away" {
		t.Errorf("%+v", pools)
	}
	if late := list("?since=2026-05-04T13:00:00Z&action=pool.create"); len(late.Entries) != 1 || late.Entries[0].Target != "pool_away" {
		t.Errorf("since: %+v", late)
	}
	if early := list("?until=2026-05-04T13:00:00Z&action=pool.create"); len(early.Entries) != 1 || early.Entries[0].Target != "pool_home" {
		t.Errorf("until: %+v", early)
	}

	var read []int64
	for query := "?limit=1"; ; {
		b := list(query)
		if p := b.Pagination; p.HasPrev != (len(read) > 0) || p.HasNext != (p.NextCursor != nil) || p.Limit != 1 || p.Page != nil || p.Total != nil {
			t.Errorf("page %d: %+v", len(read)+1, p)
		}
		read = append(read, b.Entries[0].EntryNo)
		if !b.Pagination.HasNext {
			break
		}
		query = "?limit=1&cursor=" + *b.Pagination.NextCursor
	}
	if len(read) != len(all.Entries) || read[0] != all.Entries[0].EntryNo {
		t.Errorf("one by one: %v; at once: %d", read, len(all.Entries))
	}
	w.wantError(w.send(http.MethodGet, "/api/v1/audit", "", as(w.keys[access.Operator])), http.StatusForbidden, "LUCID_ERR_2003")
	if odd := list("?actor=%00%ff"); len(odd.Entries) != 0 {
		t.Errorf("%+v", odd)
	}
}
