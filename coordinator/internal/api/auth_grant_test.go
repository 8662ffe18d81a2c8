package api

import (
	"net/http"
	"testing"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/audit"
)

func TestTopicGrantsByTheAPI(t *testing.T) {
	w := newWorld(t)
	key, _, err := w.Access.CreateKey(t.Context(), audit.By{Actor: audit.CLI}, access.NewKey{Name: "grafana", Role: access.Viewer})
	if err != nil {
		t.Fatal(err)
	}
	admin, path := as(w.keys[access.Admin]), "/api/v1/apikeys/"+key.ID+"/grants"
	made := w.send(http.MethodPost, path, `{"filter": "lucid/v1/events/+"}`, admin)
	var grant topicGrantBody
	if made.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", made.StatusCode, made.body)
	}
	w.decode(made.body, &grant)
	var list topicGrantListBody
	w.decode(w.send(http.MethodGet, path, "", admin).body, &list)
	if len(list.Grants) != 1 || list.Grants[0] != grant || grant.Filter != "lucid/v1/events/+" {
		t.Errorf("%+v", list)
	}
	w.send(http.MethodPost, path, `{"filter": "lucid/v1/events/pool"}`, admin)
	w.decode(w.send(http.MethodGet, path+"?limit=1&page=2", "", admin).body, &list)
	if p := list.Pagination; len(list.Grants) != 1 || list.Grants[0].Filter != "lucid/v1/events/pool" || *p.Total != 2 || p.HasNext || !p.HasPrev {
		t.Errorf("the second page is %+v", list)
	}
	w.decode(w.send(http.MethodGet, path+"?page=9", "", admin).body, &list)
	if len(list.Grants) != 0 || *list.Pagination.TotalPages != 1 {
		t.Errorf("beyond the last page there is %+v", list)
	}
	for filter, code := range map[string]string{"lucid/v1/#": "LUCID_ERR_1002", "a+": "LUCID_ERR_1002"} {
		if d := w.wantError(w.send(http.MethodPost, path, w.body(map[string]string{"filter": filter}), admin), 422, code); d.Details[0].Name != "filter" {
			t.Errorf("%+v", d)
		}
	}
	w.wantError(w.send(http.MethodPost, path, `{"filter": "lucid/v1/events/+"}`, as(w.keys[access.Service])), 403, "LUCID_ERR_2003")
	w.wantError(w.send(http.MethodGet, "/api/v1/apikeys/key_none/grants", "", admin), 404, "LUCID_ERR_4901")
	if a := w.send(http.MethodDelete, path+"/"+grant.GrantID, "", admin); a.StatusCode != http.StatusNoContent {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	w.wantError(w.send(http.MethodDelete, path+"/"+grant.GrantID, "", admin), 404, "LUCID_ERR_4901")
	if n := w.auditCount("apikey.grant") + w.auditCount("apikey.ungrant"); n != 3 {
		t.Errorf("%d changes in the audit log, want 3", n)
	}
}
