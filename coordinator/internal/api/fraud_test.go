package api

import (
	"net/http"
	"testing"

	"lucid.internal/coordinator/internal/access"
)

// flag stores what a rule found against a node, and gives the flag's id.
func (w *world) flag(nodeID, rule, subject string) (id string) {
	w.t.Helper()
	err := w.db.QueryRow(w.t.Context(), `INSERT INTO fraud_flag (node_no, rule, rule_version, layer, severity, subject, evidence, at, found_at)
		SELECT node_no, $2, 1, 0, 'critical', $3, '{"challenge_id": "c"}', $4, $4 FROM node WHERE node_id = $1 RETURNING 'flag_' || flag_no`,
		nodeID, rule, subject, w.now()).Scan(&id)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func TestFlagsAreListedAppealedAndDecided(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_home", 0)
	one, two := w.enrol("one-pi", "pool_home"), w.enrol("two-pi", "pool_home")
	first, second := w.flag(one.ID, "second_answer", "a"), w.flag(two.ID, "altered_hash", "b")
	var list flagListBody
	w.get("/api/v1/fraud/flags", &list)
	if len(list.Flags) != 2 || list.Flags[0].FlagID != second || list.Flags[1].FlagID != first || *list.Pagination.Total != 2 {
		t.Errorf("%+v", list)
	}
	w.get("/api/v1/fraud/flags?rule=second_answer&state=open&severity=critical&node_id="+one.ID, &list)
	if len(list.Flags) != 1 || list.Flags[0].NodeName != "one-pi" || string(list.Flags[0].Evidence.RawMessage) != `{"challenge_id":"c"}` {
		t.Errorf("%+v", list)
	}

	owner := as(w.boundKey(access.Operator, one.ID))
	appeal := func(nodeID, flagID string) answerOf {
		return w.send(http.MethodPost, "/api/v1/nodes/"+nodeID+"/fraud/flags/"+flagID+"/appeal", `{"text": "not mine"}`, owner)
	}
	if a := appeal(one.ID, first); a.StatusCode != http.StatusOK {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	w.wantError(appeal(one.ID, first), http.StatusConflict, "LUCID_ERR_4003")
	w.wantError(appeal(one.ID, second), http.StatusNotFound, "LUCID_ERR_4901")
	w.wantError(appeal(two.ID, second), http.StatusNotFound, "LUCID_ERR_4001")
	var own flagListBody
	w.decode(w.send(http.MethodGet, "/api/v1/nodes/"+one.ID+"/fraud/flags?state=appealed", "", owner).body, &own)
	if len(own.Flags) != 1 || *own.Flags[0].Appeal != "not mine" {
		t.Errorf("%+v", own)
	}

	decision := `{"decision": "dismissed", "reason": "a new board"}`
	path := "/api/v1/fraud/flags/" + first + "/decision"
	w.wantError(w.send(http.MethodPost, path, decision, as(w.keys[access.Operator])), http.StatusForbidden, "LUCID_ERR_2003")
	var decided flagBody
	w.asAdmin(http.MethodPost, path, decision)
	w.get("/api/v1/fraud/flags?state=dismissed", &list)
	if len(list.Flags) == 1 {
		decided = list.Flags[0]
	}
	if decided.FlagID != first || *decided.Reason != "a new board" || decided.DecidedBy == nil {
		t.Errorf("%+v", list)
	}
	w.wantError(w.send(http.MethodPost, path, decision, as(w.keys[access.Admin])), http.StatusConflict, "LUCID_ERR_4003")
	w.wantError(w.send(http.MethodPost, "/api/v1/fraud/flags/flag_99/decision", decision, as(w.keys[access.Admin])), http.StatusNotFound, "LUCID_ERR_4901")
}
