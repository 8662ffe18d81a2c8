package api

import (
	"encoding/json"
	"net/http"
	"testing"

	"lucid.internal/coordinator/internal/access"
)

// What a deleted node earned is its owner's: he and the operators read it as before,
// and he may say something against what holds it. Nothing else of the node is there.
func TestMoneyOfADeletedNodeIsReadAsBefore(t *testing.T) {
	w := newWorld(t)
	n, other := w.hours(2), w.enrol("other-pi", "pool_home")
	w.fund(n.ID, 30)
	w.asAdmin(http.MethodPost, payoutsPath+w.payoutOf(n.ID)+"/cancel", "")
	flag := w.flag(n.ID, "second_answer", "a")
	path, owner := "/api/v1/nodes/"+n.ID, w.boundKey(access.Operator, n.ID)
	type money struct {
		earnings, payouts object
		statement         statementPage
		flags             flagListBody
	}
	read := func(key string) (m money) {
		t.Helper()
		for what, into := range map[string]any{"/earnings": &m.earnings, "/payouts": &m.payouts, "/statements": &m.statement, "/fraud/flags": &m.flags} {
			w.want(w.send(http.MethodGet, path+what, "", as(key)), http.StatusOK, into)
		}
		return m
	}
	before := read(owner)
	w.asAdmin(http.MethodDelete, path, "")
	for _, key := range []string{owner, w.keys[access.Viewer], w.keys[access.Admin]} {
		after := read(key)
		wantObject(t, after.earnings, before.earnings)
		wantObject(t, after.payouts, before.payouts)
		if after.earnings["payable"] != json.Number("33.000002") || len(after.payouts["payouts"].([]any)) != 1 {
			t.Errorf("%v, %v", after.earnings, after.payouts)
		}
		if lines := after.statement.Lines; after.statement.NodeID != n.ID || len(lines) != 2 || lines[0]["share"] != json.Number("1.500001") {
			t.Errorf("statement of %s: %v", after.statement.NodeID, lines)
		}
		if list := after.flags.Flags; len(list) != 1 || list[0].FlagID != flag {
			t.Errorf("flags: %v", list)
		}
	}
	w.want(w.send(http.MethodPost, path+"/fraud/flags/"+flag+"/appeal", `{"text": "not mine"}`, as(owner)), http.StatusOK, nil)
	for what, key := range map[string]string{"": owner, "/status": w.keys[access.Admin], "/poot/score": owner, "/earnings": w.boundKey(access.Viewer, other.ID)} {
		w.wantError(w.send(http.MethodGet, path+what, "", as(key)), http.StatusNotFound, "LUCID_ERR_4001")
	}
	for _, what := range []string{"/earnings", "/payouts", "/statements", "/fraud/flags"} {
		w.wantError(w.send(http.MethodGet, "/api/v1/nodes/node_never"+what, "", as(w.keys[access.Admin])), http.StatusNotFound, "LUCID_ERR_4001")
	}
}
