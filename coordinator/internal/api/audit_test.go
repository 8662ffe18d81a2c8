package api

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"lucid.internal/coordinator/client"
	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
)

// audited is a world in which two pools and a node were made, an hour after the
// first, and a reader of its audit log.
func audited(t *testing.T) (w *world, list func(client.ListAuditParams) client.AuditList) {
	w = newWorld(t)
	w.createPool("pool_home", 0)
	w.advance(time.Hour)
	w.createPool("pool_away", 0)
	w.enrol("attic-pi", "pool_home")
	c := w.client(access.Admin)
	return w, func(p client.ListAuditParams) client.AuditList {
		t.Helper()
		a, err := c.ListAuditWithResponse(t.Context(), &p)
		if err != nil || a.JSON200 == nil {
			t.Fatalf("%v: %s", err, a.Body)
		}
		return *a.JSON200
	}
}

func TestAuditLog(t *testing.T) {
	w, list := audited(t)
	all := list(client.ListAuditParams{Limit: new(int64(100))})
	var actions []string
	for _, e := range all.Entries {
		actions = append(actions, e.Action)
		if e.EntryNo == 0 || len(e.Hash) != 64 || e.At.IsZero() {
			t.Errorf("%+v", e)
		}
	}
	want := []string{"node.enrol", "token.create", "pool.create", "pool.create"}
	if !slices.Equal(actions[:min(len(actions), len(want))], want) {
		t.Fatalf("got %v, want %v first", actions, want)
	}
	if enrolled := all.Entries[0]; enrolled.Actor != audit.Device || enrolled.Before != nil || enrolled.After == nil {
		t.Errorf("enrolment: %+v", enrolled)
	}
	w.wantError(w.send(http.MethodGet, "/api/v1/audit", "", as(w.keys[access.Operator])), http.StatusForbidden, "LUCID_ERR_2003")
}

func TestAuditFilters(t *testing.T) {
	_, list := audited(t)
	action, at := new("pool.create"), new(time.Date(2026, 5, 4, 13, 0, 0, 0, time.UTC))
	pools := list(client.ListAuditParams{Action: action, Target: new("pool_away")})
	if len(pools.Entries) != 1 || (*pools.Entries[0].After)["name"] != "pool-away" {
		t.Errorf("%+v", pools)
	}
	if late := list(client.ListAuditParams{Action: action, Since: at}); len(late.Entries) != 1 || late.Entries[0].Target != "pool_away" {
		t.Errorf("since: %+v", late)
	}
	if early := list(client.ListAuditParams{Action: action, Until: at}); len(early.Entries) != 1 || early.Entries[0].Target != "pool_home" {
		t.Errorf("until: %+v", early)
	}
	if odd := list(client.ListAuditParams{Actor: new("\x00\xff")}); len(odd.Entries) != 0 {
		t.Errorf("%+v", odd)
	}
}

func TestAuditPages(t *testing.T) {
	_, list := audited(t)
	all := list(client.ListAuditParams{Limit: new(int64(100))})
	var read []int64
	for p := (client.ListAuditParams{Limit: new(int64(1))}); ; {
		page := list(p)
		where := page.Pagination
		if where.HasPrev != (len(read) > 0) || where.HasNext != (where.NextCursor != nil) || where.Limit != 1 || where.Page != nil || where.Total != nil {
			t.Errorf("page %d: %+v", len(read)+1, where)
		}
		read = append(read, page.Entries[0].EntryNo)
		if !where.HasNext {
			break
		}
		p.Cursor = where.NextCursor
	}
	if len(read) != len(all.Entries) || read[0] != all.Entries[0].EntryNo {
		t.Errorf("one by one: %v; at once: %d", read, len(all.Entries))
	}
}
