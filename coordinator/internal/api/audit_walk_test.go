package api

import (
	"cmp"
	"crypto/ed25519"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// auditWalk is a world in which every changing operation can succeed, and what
// its requests need to know.
type auditWalk struct {
	*world
	known map[string]string // values by their {name} in paths and bodies
	done  map[string]bool   // operations that were called

	caller string // credential of who calls; "" is an admin's key
	keyNo  int    // of the last Idempotency-Key
}

func newAuditWalk(t *testing.T) *auditWalk {
	w := newWorld(t)
	a := &auditWalk{world: w, known: map[string]string{}, done: map[string]bool{}}
	w.createPool("pool_home", 0)
	w.createPool("pool_away", 0)
	w.createPool("pool_empty", 0)
	for _, name := range []string{"one", "two", "three"} {
		pool := "pool_home"
		if name == "three" {
			pool = ""
		}
		n := w.enrol(name+"-pi", pool)
		if name != "three" {
			w.connect(n)
		}
		a.known[name] = n.ID
	}
	w.asAdmin(http.MethodPost, usersPath, `{"name":"ada","role":"viewer","password":"`+password+`"}`)
	return a
}

func (a *auditWalk) fill(text string) string {
	for name, value := range a.known {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

// call sends a request, which must succeed and add so many entries to the log:
// one, unless it says otherwise. what the answer holds is known afterwards.
func (a *auditWalk) call(id, target, body string, entries int, learn ...string) {
	a.t.Helper()
	a.done[id] = true
	method, path, _ := strings.Cut(target, " ")
	before := a.count("SELECT count(*) FROM audit_entry")
	answer := a.send(method, a.fill(path), a.fill(body), func(r *http.Request) {
		if !strings.Contains(path, "/auth/") && !strings.HasSuffix(path, "/enroll") {
			as(cmp.Or(a.caller, a.keys[access.Admin]))(r)
		}
		a.keyNo++
		r.Header.Set("Idempotency-Key", strconv.Itoa(a.keyNo))
	})
	if answer.StatusCode >= http.StatusMultipleChoices {
		a.t.Errorf("%s: %d %s", id, answer.StatusCode, answer.body)
		return
	}
	if n := a.count("SELECT count(*) FROM audit_entry") - before; n != entries {
		a.t.Errorf("%s leaves %d entries in the audit log, want %d", id, n, entries)
	}
	_, action, _, request, _ := a.lastAudited()
	if id != "enroll" && entries > 0 && request != answer.Header.Get("X-Request-ID") {
		a.t.Errorf("%s: the last entry, %s, is of request %q", id, action, request)
	}
	if len(learn) == 0 {
		return
	}
	var made object
	a.decode(answer.body, &made)
	for _, name := range learn {
		a.known[name], _ = made[name].(string)
	}
}

// TestEveryChangingCallIsAudited calls every operation that changes something,
// also where it changes nothing any more. Whoever adds one adds its call.
func TestEveryChangingCallIsAudited(t *testing.T) {
	a := newAuditWalk(t)
	a.auditedAccess()
	a.auditedPools()
	a.auditedNodes()
	a.auditedAlerts()
	a.auditedProofs()
	a.auditedFraud()
	a.auditedPayouts()
	for path, item := range a.huma.OpenAPI().Paths {
		for method, op := range methods(item) {
			if method != http.MethodGet && !a.done[op.OperationID] {
				t.Errorf("%s %s (%s) changes something, and no call of it is here", method, path, op.OperationID)
			}
		}
	}
}

func (a *auditWalk) auditedAccess() {
	login := `{"name":"ada","password":"` + password + `"}`
	a.call("createToken", "POST /api/v1/auth/token", login, 1, "refresh_token")
	a.call("refreshToken", "POST /api/v1/auth/refresh", `{"refresh_token":"{refresh_token}"}`, 1, "refresh_token")
	a.call("logout", "POST /api/v1/auth/logout", `{"refresh_token":"{refresh_token}"}`, 1)
	a.call("logout", "POST /api/v1/auth/logout", `{"refresh_token":"{refresh_token}"}`, 1)
	a.call("createAPIKey", "POST /api/v1/apikeys", `{"name":"billing","role":"viewer"}`, 1, "key_id")
	for range 2 {
		a.call("grantTopics", "POST /api/v1/apikeys/{key_id}/grants", `{"filter":"lucid/v1/events/+"}`, 1, "grant_id")
	}
	a.call("revokeTopicGrant", "DELETE /api/v1/apikeys/{key_id}/grants/{grant_id}", "", 1)
	a.call("revokeAPIKey", "DELETE /api/v1/apikeys/{key_id}", "", 1)
	a.call("revokeAPIKey", "DELETE /api/v1/apikeys/{key_id}", "", 1)
	a.call("createUser", "POST /api/v1/users", `{"name":"bob","role":"viewer","password":"`+password+`"}`, 1, "user_id")
	a.call("updateUser", "PATCH /api/v1/users/{user_id}", `{"disabled":true}`, 1)
	a.call("updateUser", "PATCH /api/v1/users/{user_id}", `{"disabled":true}`, 1)
}

func (a *auditWalk) auditedPools() {
	a.call("createPool", "POST /api/v1/nodes/pools/", `{"name":"fresh"}`, 1)
	for range 2 {
		a.call("updatePool", "PUT /api/v1/nodes/pools/pool_away", `{"description":"far away"}`, 1)
	}
	a.call("deletePool", "DELETE /api/v1/nodes/pools/pool_empty", "", 1)
	a.call("addPoolNode", "POST /api/v1/nodes/pools/pool_away/nodes?node_id={three}", "", 1)
	a.call("removePoolNode", "DELETE /api/v1/nodes/pools/pool_away/nodes/{three}", "", 1)
	for range 2 {
		a.call("scalePool", "POST /api/v1/nodes/pools/pool_home/scale", `{"target_nodes":2,"reason":"as it is"}`, 1)
	}
	moves := `{"node_id":"{one}","from_pool_id":"pool_home","to_pool_id":"pool_away"},{"node_id":"{two}","from_pool_id":"pool_home","to_pool_id":"pool_away"}`
	a.call("applyPoolMoves", "POST /api/v1/nodes/pools/balance", `{"moves":[`+moves+`]}`, 2) // one for each
}

func (a *auditWalk) auditedNodes() {
	a.call("createEnrolmentToken", "POST /api/v1/enrolment-tokens", `{}`, 1, "token", "token_id")
	request := a.enrollRequest(a.known["token"], wire.Inventory{Hostname: "four"})
	a.call("enroll", "POST "+wire.EnrollPath, a.body(request), 1)
	four := a.byName("four")
	a.known["four"] = four.ID
	end := wire.SignedChange{V: 1, NodeID: four.ID, Field: wire.FieldEnrolment, Value: wire.EnrolmentEnded, SignedMs: a.now().UnixMilli()}
	proof.SignChange(a.deviceOf(four.ID), &end)
	a.call("unenroll", "POST /api/v1/nodes/{four}/unenroll", a.body(end), 1)
	for range 2 {
		a.call("revokeEnrolmentToken", "DELETE /api/v1/enrolment-tokens/{token_id}", "", 1)
	}
	a.call("createNode", "POST /api/v1/nodes/", `{"name":"five","node_type":"worker"}`, 2) // the node, and its token
	for range 2 {
		a.call("updateNode", "PUT /api/v1/nodes/{three}", `{"name":"six"}`, 1)
	}
	a.call("stopNode", "POST /api/v1/nodes/{one}/stop", "", 1)
	a.call("updateNode", "PUT /api/v1/nodes/{two}", `{"status":"maintenance","status_reason":"new fan"}`, 1)
	a.call("startNode", "POST /api/v1/nodes/{two}/start", "", 1)
	a.call("deleteNode", "DELETE /api/v1/nodes/{three}", "", 1)
}

// deviceOf gives a node another device key, by which changes can be signed.
func (a *auditWalk) deviceOf(nodeID string) ed25519.PrivateKey {
	a.t.Helper()
	public, device, err := ed25519.GenerateKey(nil)
	if err == nil {
		_, err = a.db.Exec(a.t.Context(), `UPDATE node_key SET device_public = $1 WHERE node_no = (SELECT node_no FROM node WHERE node_id = $2)`, []byte(public), nodeID)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return device
}

func (a *auditWalk) auditedProofs() {
	n := a.enrol("proven-pi", "")
	a.connect(n)
	shown := a.prove(n, false)
	a.known["proven"] = n.ID
	for range 2 {
		a.call("validateProof", "POST /api/v1/nodes/{proven}/poot/validate", a.validation(shown, ""), 1)
	}
	a.call("validateProofs", "POST /api/v1/nodes/poot/batch-validate", `{"validations":[`+a.validation(shown, `,"node_id":"`+n.ID+`"`)+`]}`, 1)
	for range 2 {
		a.call("calculatePootScore", "POST /api/v1/nodes/{proven}/poot/calculate", "", 1)
	}
}

func (a *auditWalk) auditedAlerts() {
	thresholds := a.body(exampleSetThresholds())
	for _, at := range []struct{ set, remove, path string }{
		{"setFleetThresholds", "removeFleetThreshold", "/api/v1/alerts/thresholds"},
		{"setPoolThresholds", "removePoolThreshold", "/api/v1/nodes/pools/pool_home/thresholds"},
		{"setNodeThresholds", "removeNodeThreshold", "/api/v1/nodes/{one}/resources/thresholds"},
	} {
		for range 2 {
			a.call(at.set, "POST "+at.path, thresholds, 1)
		}
		a.call(at.remove, "DELETE "+at.path+"/temperature", "", 1)
	}
	a.call("createSilence", "POST /api/v1/alerts/silences", `{"ends_at":"2026-05-05T12:00:00Z","reason":"moving"}`, 1, "silence_id")
	for range 2 {
		a.call("endSilence", "DELETE /api/v1/alerts/silences/{silence_id}", "", 1)
	}
	a.call("createWebhook", "POST /api/v1/webhooks", `{"type":"webhook","url":"https://ops.example/lucid"}`, 1, "webhook_id")
	a.call("testWebhook", "POST /api/v1/webhooks/{webhook_id}/test", "", 1)
	a.call("deleteWebhook", "DELETE /api/v1/webhooks/{webhook_id}", "", 1)
}

func (a *auditWalk) auditedFraud() {
	a.known["flag_id"] = a.flag(a.known["one"], "second_answer", "c")
	a.call("appealFlag", "POST /api/v1/nodes/{one}/fraud/flags/{flag_id}/appeal", `{"text":"not mine"}`, 1)
	a.call("decideFlag", "POST /api/v1/fraud/flags/{flag_id}/decision", `{"decision":"confirmed","reason":"it was"}`, 1)
}

func (a *auditWalk) auditedPayouts() {
	a.Payouts = a.payoutStore(payout.Terms{ApprovalFrom: 12_000_000})
	for _, name := range []string{"rich", "poor", "late"} {
		a.known[name] = a.earning(name+"-pi", 30).ID
	}
	const usdt = `"amount":6,"currency":"USDT"`
	a.call("planPayouts", "POST /api/v1/nodes/payouts/plan", `{}`, 0) // nothing is made
	plan, err := a.Payouts.Plan(a.t.Context(), []payout.Request{{NodeID: a.known["late"], Amount: 6_000_000}})
	if err != nil {
		a.t.Fatal(err)
	}
	a.call("executePayoutPlan", "POST /api/v1/nodes/payouts/execute",
		`{"lines":[{"node_id":"{late}","amount":6,"priority":"normal","hash":"`+plan.Lines[0].Hash()+`"}]}`, 1)
	a.call("createPayout", "POST /api/v1/nodes/{rich}/payouts", "{"+usdt+"}", 1, "payout_id")
	a.call("createPayoutBatch", "POST /api/v1/nodes/payouts/batch", `{"payout_requests":[{"node_id":"{poor}",`+usdt+`}]}`, 1, "batch_id")
	a.addUser("bob-the-second", access.Operator)
	a.caller = a.login("bob-the-second").AccessToken
	a.call("approvePayout", "POST /api/v1/nodes/payouts/{payout_id}/approve", "", 1)
	a.call("approvePayoutBatch", "POST /api/v1/nodes/payouts/batch/{batch_id}/approve", "", 1)
	for range 2 {
		a.call("setPayoutBudget", "PUT /api/v1/nodes/payouts/budget", `{"per_day":5}`, 1)
	}
	a.caller = ""
	change := wire.SignedChange{V: 1, NodeID: a.known["poor"], Field: wire.FieldPayoutAddress, Value: otherPayoutAddress, SignedMs: a.now().UnixMilli()}
	proof.SignChange(a.deviceOf(a.known["poor"]), &change)
	a.call("changePayoutAddress", "POST /api/v1/nodes/{poor}/payout-address", a.body(change), 1)
	a.call("exportPayouts", "POST /api/v1/nodes/payouts/exports", `{}`, 3) // one for each payout
	a.call("reportPayoutFailure", "POST /api/v1/nodes/payouts/{payout_id}/failure", `{"reason":"refused","proof":"ticket 17"}`, 1)
	a.caller = a.login("bob-the-second").AccessToken
	report, err := a.Manual.Failure(a.t.Context(), a.known["payout_id"])
	if err != nil {
		a.t.Fatal(err)
	}
	a.call("confirmPayoutFailure", "POST /api/v1/nodes/payouts/{payout_id}/failure/confirm", `{"report_hash":"`+report.Hash()+`"}`, 1)
	a.caller = ""
	a.known["late_payout"] = a.first("payout_id FROM payout WHERE node_no = (SELECT node_no FROM node WHERE node_id = '" + a.known["late"] + "')")
	a.call("completePayout", "POST /api/v1/nodes/payouts/{late_payout}/complete", `{"transaction_hash":"c0ffee"}`, 1)
	a.call("reconcilePayouts", "POST /api/v1/nodes/payouts/reconcile",
		`{"transfers":[{"transaction_hash":"c0ffe2","wallet_address":"`+payoutAddress+`","amount":5.94}],"record":true}`, 1)
	a.call("retryPayout", "POST /api/v1/nodes/payouts/{payout_id}/retry", "", 1)
	a.call("cancelPayout", "POST /api/v1/nodes/payouts/{payout_id}/cancel", "", 1)
	a.call("haltPayouts", "POST /api/v1/nodes/payouts/halts", `{"reason":"a drill"}`, 1)
	a.call("liftPayoutHalt", "DELETE /api/v1/nodes/payouts/halts/1", "", 1)
}
