package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
)

func TestDifficultyOfAPoolIsSetShownAndTakenBack(t *testing.T) {
	w := newWorld(t)
	id := w.change(http.MethodPost, pools, `{"name": "north", "challenge": {"difficulty": 0}}`, http.StatusCreated)["pool_id"].(string)
	shown := func(want any) {
		t.Helper()
		var p object
		w.get(pools+id, &p)
		if got := p["challenge"]; !reflect.DeepEqual(got, object{"difficulty": want}) {
			t.Errorf("shown is %v, want %v", got, want)
		}
	}
	shown(json.Number("0"))
	w.change(http.MethodPut, pools+id, `{"challenge": {"difficulty": 16}}`, http.StatusOK)
	w.change(http.MethodPut, pools+id, `{"description": "something else"}`, http.StatusOK)
	shown(json.Number("16"))
	for _, bits := range []string{"-1", "41", "1.5", `"16"`} {
		w.refused(http.MethodPut, pools+id, `{"challenge": {"difficulty": `+bits+`}}`, fault.Validation)
	}
	shown(json.Number("16"))
	w.change(http.MethodPut, pools+id, `{"challenge": {"difficulty": null}}`, http.StatusOK)
	shown(nil)
}

func TestDifficultyOfANodeIsSetShownAndTakenBack(t *testing.T) {
	w := newWorld(t)
	path := nodesPath + w.enrol("attic-pi", "").ID
	if _, err := w.db.Exec(t.Context(), `UPDATE node SET inventory = '{"model": "Raspberry Pi 4 Model B Rev 1.4"}'`); err != nil {
		t.Fatal(err)
	}
	put := func(configuration string, want any) {
		t.Helper()
		w.demand(access.Operator, http.MethodPut, path, `{"configuration": `+configuration+`}`, http.StatusOK, nil)
		var n object
		w.get(path, &n)
		if got := n["configuration"].(object)["challenge"]; !reflect.DeepEqual(got, object{"difficulty": want}) {
			t.Errorf("shown is %v, want %v", got, want)
		}
	}
	put(`{"challenge": {"difficulty": 18}}`, json.Number("18"))
	for bits, reason := range map[string]string{"41": "<= 40", "19": "19 is more than a quarter of what Raspberry Pi 4 Model B Rev 1.4 could search before the deadline, limit is 18"} {
		a := w.send(http.MethodPut, path, `{"configuration": {"challenge": {"difficulty": `+bits+`}}}`, as(w.keys[access.Operator]))
		d := w.wantError(a, http.StatusUnprocessableEntity, "LUCID_ERR_1002")
		if len(d.Details) != 1 || d.Details[0].Name != "configuration.challenge.difficulty" || !strings.Contains(d.Details[0].Reason, reason) {
			t.Errorf("%s bits: %+v, want %q", bits, d.Details, reason)
		}
	}
	put(`{"challenge": {"difficulty": 0}}`, json.Number("0"))
	put(`{}`, nil)
}
