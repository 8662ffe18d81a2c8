package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
)

const (
	usersPath = "/api/v1/users"
	keysPath  = "/api/v1/apikeys"
)

func (w *world) asAdmin(method, path, body string) answerOf {
	w.t.Helper()
	return w.send(method, path, body, as(w.keys[access.Admin]))
}

// want decodes an answer that must have this status; into may be nil.
func (w *world) want(a answerOf, status int, into any) {
	w.t.Helper()
	if a.StatusCode != status {
		w.t.Fatalf("%d %s, want %d", a.StatusCode, a.body, status)
	}
	if into == nil {
		return
	}
	w.decode(a.body, into)
}

// lastAudited is who did what in the newest entry of the audit log.
func (w *world) lastAudited() (actor, action, target, requestID, text string) {
	w.t.Helper()
	err := w.db.QueryRow(w.t.Context(), "SELECT actor, action, target, request_id, a::text FROM audit_entry a ORDER BY entry_no DESC LIMIT 1").
		Scan(&actor, &action, &target, &requestID, &text)
	if err != nil {
		w.t.Fatal(err)
	}
	return actor, action, target, requestID, text
}

func TestUsers(t *testing.T) {
	w := newWorld(t)
	var ada userBody
	a := w.asAdmin(http.MethodPost, usersPath, `{"name":"ada","email":"ada@example.org","role":"operator","password":"`+password+`"}`)
	w.want(a, http.StatusCreated, &ada)
	if ada.Name != "ada" || *ada.Email != "ada@example.org" || ada.Role != "operator" || !ada.CreatedAt.Equal(w.now()) || ada.DisabledAt != nil {
		t.Errorf("%s", a.body)
	}
	actor, action, target, request, text := w.lastAudited()
	if !strings.HasPrefix(actor, "key_") || action != "user.create" || target != ada.UserID || request != a.Header.Get("X-Request-ID") || strings.Contains(text, password) {
		t.Errorf("audited: %s", text)
	}
	w.wantError(w.asAdmin(http.MethodPost, usersPath, `{"name":"Ada","role":"viewer","password":"`+password+`"}`), http.StatusConflict, "LUCID_ERR_4002")
	d := w.wantError(w.asAdmin(http.MethodPost, usersPath, `{"name":"a b","role":"service","password":"short"}`), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
	if len(d.Details) != 3 {
		t.Errorf("details %v; want name, role and password", d.Details)
	}
	token := w.login("ada").AccessToken
	w.wantError(w.send(http.MethodGet, usersPath, "", as(token)), http.StatusForbidden, "LUCID_ERR_2003")

	one := usersPath + "/" + ada.UserID
	w.want(w.asAdmin(http.MethodPatch, one, `{"role":"admin"}`), http.StatusOK, &ada)
	if ada.Role != "admin" {
		t.Errorf("%+v", ada)
	}
	token = w.login("ada").AccessToken
	var list userListBody
	w.want(w.send(http.MethodGet, usersPath, "", as(token)), http.StatusOK, &list)
	if len(list.Users) != 1 || *list.Pagination.Total != 1 || list.Users[0].LastLoginAt == nil {
		t.Errorf("%+v", list)
	}
	w.want(w.asAdmin(http.MethodPatch, one, `{"disabled":true}`), http.StatusOK, &ada)
	if ada.DisabledAt == nil {
		t.Errorf("%+v", ada)
	}
	w.wantError(w.send(http.MethodGet, anyPath, "", as(token)), http.StatusUnauthorized, "LUCID_ERR_2002")
	w.wantError(w.send(http.MethodPost, tokenPath, loginOf("ada", password), nil), http.StatusUnauthorized, "LUCID_ERR_2002")
	w.want(w.asAdmin(http.MethodPatch, one, `{"disabled":false,"password":"another password","email":""}`), http.StatusOK, &ada)
	if ada.DisabledAt != nil || ada.Email != nil {
		t.Errorf("%+v", ada)
	}
	w.token(w.send(http.MethodPost, tokenPath, loginOf("ada", "another password"), nil))
	w.wantError(w.asAdmin(http.MethodPatch, usersPath+"/user_0", `{"disabled":true}`), http.StatusNotFound, "LUCID_ERR_4901")
	w.wantError(w.asAdmin(http.MethodPatch, one, `{"name":"eve"}`), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
}

func TestAPIKeys(t *testing.T) {
	w := newWorld(t)
	n := w.enrol("attic-pi", "")
	var made createdKeyBody
	a := w.asAdmin(http.MethodPost, keysPath, `{"name":"owner-1","role":"viewer","node_ids":["`+n.ID+`"],"expires_at":"2026-05-04T13:00:00Z"}`)
	w.want(a, http.StatusCreated, &made)
	if made.Role != "viewer" || len(made.NodeIDs) != 1 || made.NodeIDs[0] != n.ID || !strings.HasPrefix(made.APIKey, made.Prefix) || made.ExpiresAt == nil {
		t.Errorf("%s", a.body)
	}
	if _, action, target, _, text := w.lastAudited(); action != "apikey.create" || target != made.KeyID || strings.Contains(text, made.APIKey) {
		t.Errorf("audited: %s", text)
	}
	read := func(key string) answerOf { return w.send(http.MethodGet, anyPath+n.ID, "", as(key)) }
	if a := read(made.APIKey); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	a = w.asAdmin(http.MethodGet, keysPath+"/?limit=100", "")
	var list keyListBody
	w.want(a, http.StatusOK, &list)
	if len(list.APIKeys) != 5 || strings.Contains(string(a.body), made.APIKey) {
		t.Errorf("%s", a.body)
	}
	w.advance(time.Hour)
	w.wantError(read(made.APIKey), http.StatusUnauthorized, "LUCID_ERR_2002")

	w.want(w.asAdmin(http.MethodPost, keysPath, `{"name":"other","role":"operator"}`), http.StatusCreated, &made)
	if made.ExpiresAt != nil || len(made.NodeIDs) != 0 {
		t.Errorf("%+v", made)
	}
	for range 2 {
		if a := w.asAdmin(http.MethodDelete, keysPath+"/"+made.KeyID, ""); a.StatusCode != http.StatusNoContent {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
	w.wantError(read(made.APIKey), http.StatusUnauthorized, "LUCID_ERR_2002")
	w.wantError(w.asAdmin(http.MethodDelete, keysPath+"/key_0", ""), http.StatusNotFound, "LUCID_ERR_4901")
	for body, fields := range map[string]int{
		`{"name":"a b","role":"root","expires_at":"soon"}`:                     3,
		`{"name":"owner","role":"admin","node_ids":["` + n.ID + `"]}`:          1,
		`{"name":"owner","role":"viewer","node_ids":["node_none"]}`:            1,
		`{"name":"owner","role":"viewer","expires_at":"2020-01-01T00:00:00Z"}`: 1,
	} {
		if d := w.wantError(w.asAdmin(http.MethodPost, keysPath, body), http.StatusUnprocessableEntity, "LUCID_ERR_1002"); len(d.Details) != fields {
			t.Errorf("%s: details %v, want %d", body, d.Details, fields)
		}
	}
	w.wantError(w.send(http.MethodGet, keysPath, "", as(w.keys[access.Service])), http.StatusForbidden, "LUCID_ERR_2003")
}
