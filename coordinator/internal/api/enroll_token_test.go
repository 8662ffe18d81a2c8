package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/wire"
)

const enrolmentTokens = "/api/v1/enrolment-tokens"

func (w *world) asOperator(method, path, body string) answerOf {
	w.t.Helper()
	return w.send(method, path, body, as(w.keys[access.Operator]))
}

func TestEnrolmentTokens(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_home", 0)
	var made createdEnrolmentTokenBody
	w.want(w.asOperator(http.MethodPost, enrolmentTokens, `{"pool_id":"pool_home","uses":2,"serials":["attic","cellar"],"expires_at":"2026-05-04T14:00:00Z"}`), http.StatusCreated, &made)
	if made.Status != "open" || *made.PoolID != "pool_home" || made.Uses != 2 || made.Used != 0 || !made.ExpiresAt.Equal(w.now().Add(2*time.Hour)) ||
		!made.CreatedAt.Equal(w.now()) || made.NodeName != nil || len(made.NodeIDs) != 0 {
		t.Errorf("%+v", made)
	}
	if actor, action, target, _, text := w.lastAudited(); !strings.HasPrefix(actor, "key_") || action != "token.create" || target != made.TokenID || strings.Contains(text, made.Token) ||
		!strings.Contains(text, wire.HashSerial("cellar")) {
		t.Errorf("audited: %s", text)
	}

	var identity wire.EnrollResponse
	w.want(w.send(http.MethodPost, wire.EnrollPath, w.body(w.enrollRequest(made.Token, wire.Inventory{Hostname: "attic", SerialHash: wire.HashSerial("attic")})), nil), http.StatusOK, &identity)
	if n, err := w.Nodes.Get(t.Context(), identity.NodeID); err != nil || n.PoolID != "pool_home" {
		t.Errorf("the node is in pool %q: %v", n.PoolID, err)
	}
	strange := w.enrollRequest(made.Token, wire.Inventory{Hostname: "cellar", SerialHash: wire.HashSerial("shed")})
	if a := w.send(http.MethodPost, wire.EnrollPath, w.body(strange), nil); !strings.Contains(string(a.body), "for other boards") {
		t.Errorf("%s", a.body)
	} else {
		w.wantError(a, http.StatusForbidden, "LUCID_ERR_2004")
	}
	var list enrolmentTokenListBody
	a := w.asOperator(http.MethodGet, enrolmentTokens, "")
	w.want(a, http.StatusOK, &list)
	if len(list.EnrolmentTokens) != 1 || list.EnrolmentTokens[0].Used != 1 || list.EnrolmentTokens[0].NodeIDs[0] != identity.NodeID ||
		*list.Pagination.Total != 1 || strings.Contains(string(a.body), made.Token) {
		t.Errorf("%s", a.body)
	}

	w.want(w.asOperator(http.MethodDelete, enrolmentTokens+"/"+made.TokenID, ""), http.StatusNoContent, nil)
	w.wantError(w.send(http.MethodPost, wire.EnrollPath, w.body(w.enrollRequest(made.Token, wire.Inventory{Hostname: "cellar", SerialHash: wire.HashSerial("cellar")})), nil),
		http.StatusForbidden, "LUCID_ERR_2004")
	w.want(w.asOperator(http.MethodGet, enrolmentTokens, ""), http.StatusOK, &list)
	if got := list.EnrolmentTokens[0]; got.Status != "revoked" || !got.RevokedAt.Equal(w.now()) {
		t.Errorf("%+v", got)
	}
}

func TestEnrolmentTokenForOneNode(t *testing.T) {
	w := newWorld(t)
	n := w.enrol("attic-pi", "")
	var made createdEnrolmentTokenBody
	w.want(w.asOperator(http.MethodPost, enrolmentTokens, `{"node_id":"`+n.ID+`"}`), http.StatusCreated, &made)
	if len(made.NodeIDs) != 1 || made.NodeIDs[0] != n.ID || !made.ExpiresAt.Equal(w.now().Add(24*time.Hour)) || made.Uses != 1 {
		t.Errorf("%+v", made)
	}
	var identity wire.EnrollResponse
	w.want(w.send(http.MethodPost, wire.EnrollPath, w.body(w.enrollRequest(made.Token, exampleNodeRow().Inventory)), nil), http.StatusOK, &identity)
	if identity.NodeID != n.ID || identity.KeyEpoch != 2 {
		t.Errorf("enrolled as %s, key epoch %d", identity.NodeID, identity.KeyEpoch)
	}
	var list enrolmentTokenListBody
	w.want(w.asOperator(http.MethodGet, enrolmentTokens+"?limit=1", ""), http.StatusOK, &list)
	if list.EnrolmentTokens[0].Status != "used" || !list.Pagination.HasNext {
		t.Errorf("%+v", list)
	}
}

func TestEnrolmentTokensThatCannotBe(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]string{
		`{"pool_id":"pool_none"}`:                   "404 LUCID_ERR_4101",
		`{"node_id":"node_none"}`:                   "404 LUCID_ERR_4001",
		`{"uses":101}`:                              "422 LUCID_ERR_1002",
		`{"uses":0}`:                                "422 LUCID_ERR_1002",
		`{"uses":2}`:                                "422 LUCID_ERR_1002",
		`{"uses":2,"serials":["a"]}`:                "422 LUCID_ERR_1002",
		`{"serials":["a","a"]}`:                     "422 LUCID_ERR_1002",
		`{"serials":[]}`:                            "422 LUCID_ERR_1002",
		`{"serials":["none"]}`:                      "422 LUCID_ERR_1002",
		`{"serials":["a","b"],"node_name":"attic"}`: "422 LUCID_ERR_1002",
		`{"expires_at":"2026-05-04T11:00:00Z"}`:     "422 LUCID_ERR_1002",
		`{"expires_at":"2026-06-04T12:00:00Z"}`:     "422 LUCID_ERR_1002",
		`{"life":1}`:                                "422 LUCID_ERR_1002",
		`{"expires_at":"` + strings.Repeat("9", 4) + `-01-01T00:00:00Z"}`: "422 LUCID_ERR_1002",
	} {
		a := w.asOperator(http.MethodPost, enrolmentTokens, body)
		status, code := map[string]int{"404": 404, "422": 422}[want[:3]], want[4:]
		w.wantError(a, status, code)
	}
	w.wantError(w.asOperator(http.MethodDelete, enrolmentTokens+"/token_00", ""), http.StatusNotFound, "LUCID_ERR_4901")
	w.wantError(w.send(http.MethodPost, enrolmentTokens, `{}`, as(w.keys[access.Viewer])), http.StatusForbidden, "LUCID_ERR_2003")
}

func TestEnrolmentTokenStatus(t *testing.T) {
	at := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for want, token := range map[node.TokenStatus]node.IssuedToken{
		node.TokenOpen:    {Uses: 2, Used: 1, ExpiresAt: at},
		node.TokenExpired: {Uses: 1, ExpiresAt: at.Add(-1)},
		node.TokenRevoked: {Uses: 1, ExpiresAt: at.Add(-1), RevokedAt: &at},
		node.TokenUsed:    {Uses: 1, Used: 1, ExpiresAt: at.Add(-1), RevokedAt: &at},
	} {
		if got := token.Status(at); got != want {
			t.Errorf("%+v is %s, want %s", token, got, want)
		}
	}
}
