package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/payout"
)

const payoutsPath = "/api/v1/nodes/payouts/"

// What a deleted node earned is its owner's, as the automatic round has it.
func TestPayoutOfADeletedNode(t *testing.T) {
	w := newWorld(t)
	n := w.earning("attic-pi", 30)
	if _, err := w.db.Exec(t.Context(), `UPDATE node SET deleted_at = now(), status = 'inactive' WHERE node_id = $1`, n.ID); err != nil {
		t.Fatal(err)
	}
	var made, read object
	w.want(w.send(http.MethodPost, "/api/v1/nodes/"+n.ID+"/payouts", `{"amount":10,"currency":"USDT"}`, w.once("k")), http.StatusCreated, &made)
	w.get(payoutsPath+made["payout_id"].(string), &read)
	wantObject(t, read, made)
	if read["node_id"] != n.ID || read["wallet_address"] != payoutAddress {
		t.Errorf("%v", read)
	}
}

func TestPayoutOfANode(t *testing.T) {
	w := newWorld(t)
	n := w.earning("attic-pi", 30)
	path := "/api/v1/nodes/" + n.ID + "/payouts"
	const body = `{"amount":"10.500001","currency":"USDT","wallet_address":"` + payoutAddress + `","priority":"urgent","scheduled_at":"2026-05-04T14:00:00+01:00"}`
	var made, read, again object
	w.want(w.send(http.MethodPost, path, body, w.once("k")), http.StatusCreated, &made)
	wantObject(t, made, object{
		"payout_id": made["payout_id"], "node_id": n.ID, "amount": json.Number("10.500001"), "fee": json.Number("0.105"), "net_amount": json.Number("10.395001"),
		"currency": "USDT", "wallet_address": payoutAddress, "status": "pending", "priority": "urgent", "rail": nil, "transaction_hash": nil, "batch_id": nil,
		"scheduled_at": "2026-05-04T13:00:00Z", "processed_at": nil, "completed_at": nil, "error_message": nil, "retry_count": json.Number("0"),
		"max_retries": json.Number("3"), "created_by": made["created_by"], "needs_approval": false, "approved_by": nil, "approved_at": nil,
		"created_at": "2026-05-04T12:00:00Z", "updated_at": "2026-05-04T12:00:00Z",
	})
	if by := made["created_by"].(string); !strings.HasPrefix(by, "key_") {
		t.Errorf("made by %q", by)
	}
	w.want(w.send(http.MethodPost, path+"/", body, w.once("k")), http.StatusCreated, &again)
	wantObject(t, again, made)
	w.wantError(w.send(http.MethodPost, path, strings.Replace(body, "10.5", "11.5", 1), w.once("k")), http.StatusConflict, "LUCID_ERR_4305")
	id := made["payout_id"].(string)
	w.get(payoutsPath+id, &read)
	wantObject(t, read, made)

	var queue, stats object
	w.get(payoutsPath+"queue", &queue)
	wantObject(t, queue, object{
		"queue_length": json.Number("1"), "total_amount": json.Number("10.395001"), "estimated_wait_time": nil, "halted": []any{},
		"priority_distribution": object{"urgent": json.Number("1")},
		"waiting_distribution":  object{"approval": json.Number("0"), "schedule": json.Number("1"), "turn": json.Number("0")},
		"oldest_payout":         "2026-05-04T12:00:00Z", "newest_payout": "2026-05-04T12:00:00Z",
	})
	w.ok(http.MethodPost, payoutsPath+id+"/cancel", "", http.StatusOK, &read)
	if read["status"] != "cancelled" {
		t.Errorf("%v", read)
	}
	w.wantError(w.asAdmin(http.MethodPost, payoutsPath+id+"/cancel", ""), http.StatusConflict, "LUCID_ERR_4304")

	second := w.payoutOf(n.ID)
	w.started(second)
	w.advance(90 * time.Second)
	if _, err := w.Payouts.Complete(t.Context(), byCLI(), second, "c0ffee"); err != nil {
		t.Fatal(err)
	}
	w.get(payoutsPath+"stats?time_range=1h&currency=USDT", &stats)
	if stats["total_payouts"] != json.Number("2") || stats["total_paid"] != json.Number("9.9") || stats["success_rate"] != json.Number("1") ||
		stats["average_processing_time"] != json.Number("90") || stats["by_status"].(object)["cancelled"].(object)["fee"] != json.Number("0.105") ||
		stats["by_rail"].(object)["manual"].(object)["payouts"] != json.Number("1") {
		t.Errorf("%v", stats)
	}
	w.get(payoutsPath+"queue", &queue)
	if queue["queue_length"] != json.Number("0") || queue["oldest_payout"] != nil || queue["estimated_wait_time"] != json.Number("0") {
		t.Errorf("%v", queue)
	}
	w.advance(2 * time.Hour)
	if w.get(payoutsPath+"stats?time_range=1h", &stats); stats["total_payouts"] != json.Number("0") || stats["success_rate"] != nil {
		t.Errorf("%v", stats)
	}
}

// Whatever text stands for an amount, an address or a currency: a clear code,
// and nothing moved.
func TestBadMoneyMovesNothing(t *testing.T) {
	w := newWorld(t)
	w.Payouts = w.payoutStore(payout.Terms{Own: []string{otherPayoutAddress}})
	good, bad, self := w.earning("good-pi", 30), w.earning("bad-pi", 30), w.earning("self-pi", 30)
	if _, err := w.db.Exec(t.Context(), `UPDATE node SET payout_address = $1 WHERE node_id = $2`, otherPayoutAddress, self.ID); err != nil {
		t.Fatal(err)
	}
	w.want(w.send(http.MethodPost, "/api/v1/nodes/"+good.ID+"/payouts", `{"amount":1,"currency":"USDT"}`, w.once("used")), http.StatusCreated, nil)
	before := w.moneyStands()
	usdt := func(amount string) string { return `"amount":` + amount + `,"currency":"USDT"` }
	for name, c := range map[string]struct {
		node, fields string
		status       int
		code         string
	}{
		"seven decimals":            {bad.ID, usdt("10.0000001"), 422, "LUCID_ERR_1002"},
		"seven decimals as text":    {bad.ID, usdt(`"10.0000001"`), 422, "LUCID_ERR_1002"},
		"negative":                  {bad.ID, usdt("-10"), 422, "LUCID_ERR_1002"},
		"nothing":                   {bad.ID, usdt("0"), 422, "LUCID_ERR_1002"},
		"null":                      {bad.ID, usdt("null"), 422, "LUCID_ERR_1002"},
		"not a number":              {bad.ID, usdt("NaN"), 400, "LUCID_ERR_1001"},
		"not a number as text":      {bad.ID, usdt(`"NaN"`), 422, "LUCID_ERR_1002"},
		"infinity":                  {bad.ID, usdt(`"Infinity"`), 422, "LUCID_ERR_1002"},
		"exponent":                  {bad.ID, usdt("1e1"), 422, "LUCID_ERR_1002"},
		"exponent as text":          {bad.ID, usdt(`"1E1"`), 422, "LUCID_ERR_1002"},
		"overflow":                  {bad.ID, usdt("9223372036854.775808"), 422, "LUCID_ERR_1002"},
		"overflow of all":           {bad.ID, usdt("1e400"), 400, "LUCID_ERR_1001"},
		"above the most":            {bad.ID, usdt("10000.000001"), 422, "LUCID_ERR_1002"},
		"below the least":           {bad.ID, usdt("0.999999"), 409, "LUCID_ERR_4302"},
		"more than the balance":     {bad.ID, usdt("30.000001"), 409, "LUCID_ERR_4303"},
		"unknown currency":          {bad.ID, `"amount":10,"currency":"BTC"`, 422, "LUCID_ERR_1002"},
		"no currency":               {bad.ID, `"amount":10`, 422, "LUCID_ERR_1002"},
		"a Bitcoin address":         {bad.ID, usdt("10") + `,"wallet_address":"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"`, 422, "LUCID_ERR_4306"},
		"an Ethereum address":       {bad.ID, usdt("10") + `,"wallet_address":"0xdAC17F958D2ee523a2206206994597C13D831ec7"`, 422, "LUCID_ERR_4306"},
		"wrong checksum":            {bad.ID, usdt("10") + `,"wallet_address":"TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6u"`, 422, "LUCID_ERR_4306"},
		"another's address":         {bad.ID, usdt("10") + `,"wallet_address":"` + otherPayoutAddress + `"`, 422, "LUCID_ERR_4306"},
		"itself":                    {self.ID, usdt("10"), 422, "LUCID_ERR_4306"},
		"unknown field":             {bad.ID, usdt("10") + `,"memo":"x"`, 422, "LUCID_ERR_1002"},
		"a second payout":           {good.ID, usdt("10"), 409, "LUCID_ERR_4003"},
		"unknown node":              {"node_nobody", usdt("10"), 404, "LUCID_ERR_4001"},
		"scheduled for the past":    {bad.ID, usdt("10") + `,"scheduled_at":"2020-01-01T00:00:00Z"`, 422, "LUCID_ERR_1002"},
		"scheduled for no time":     {bad.ID, usdt("10") + `,"scheduled_at":"soon"`, 422, "LUCID_ERR_1002"},
		"a priority of one's own":   {bad.ID, usdt("10") + `,"priority":"asap"`, 422, "LUCID_ERR_1002"},
		"amount twice, the worse 2": {bad.ID, usdt("10") + `,"amount":-1`, 422, "LUCID_ERR_1002"},
	} {
		t.Run(name, func(t *testing.T) {
			w.wantError(w.send(http.MethodPost, "/api/v1/nodes/"+c.node+"/payouts", "{"+c.fields+"}", w.once("one "+name)), c.status, c.code)
			lines := `{"node_id":"` + bad.ID + `",` + usdt("10") + `},{"node_id":"` + c.node + `",` + c.fields + `}`
			if c.node == bad.ID { // which would be named twice
				lines = `{"node_id":"` + bad.ID + `",` + c.fields + `}`
			}
			w.wantError(w.send(http.MethodPost, payoutsPath+"batch", `{"payout_requests":[`+lines+`]}`, w.once("batch "+name)), c.status, c.code)
			if after := w.moneyStands(); after != before {
				t.Errorf("moved:\n%s\n%s", before, after)
			}
		})
	}
	w.wantError(w.send(http.MethodPost, "/api/v1/nodes/"+bad.ID+"/payouts", `{"amount":1,"currency":"USDT"}`, w.once("used")), 409, "LUCID_ERR_4305")
	w.wantError(w.asAdmin(http.MethodPost, "/api/v1/nodes/"+bad.ID+"/payouts", `{"amount":1,"currency":"USDT"}`), 422, "LUCID_ERR_1002")
	if after := w.moneyStands(); after != before {
		t.Errorf("moved:\n%s\n%s", before, after)
	}
}

func TestBatchByPlan(t *testing.T) {
	w := newWorld(t)
	a, b := w.earning("one-pi", 30), w.earning("two-pi", 20)
	var plan planRead
	if err := json.Unmarshal(w.asAdmin(http.MethodPost, payoutsPath+"plan", `{}`).body, &plan); err != nil {
		t.Fatal(err)
	}
	if plan.Payouts != 2 || plan.Amount != "50" || plan.Fees != "0.5" || len(plan.Lines) != 2 {
		t.Fatalf("%+v", plan)
	}
	w.demand(access.Operator, http.MethodPut, "/api/v1/nodes/"+b.ID, `{"payout_address":""}`, http.StatusOK, nil)
	lines := make([]object, 2)
	for i, l := range plan.Lines {
		lines[i] = object{"node_id": l.NodeID, "amount": l.Amount, "priority": l.Priority, "hash": l.Hash}
	}
	var batch struct {
		BatchID, Status string
		Total           int
		Payouts         []object
		Dropped         []droppedBody
	}
	raw := object{}
	w.want(w.send(http.MethodPost, payoutsPath+"execute", w.body(object{"lines": lines}), w.once("k")), http.StatusAccepted, &raw)
	text := w.body(raw)
	if err := json.Unmarshal([]byte(strings.ReplaceAll(text, "batch_id", "batchid")), &batch); err != nil {
		t.Fatal(err)
	}
	if batch.Total != 1 || batch.Payouts[0]["node_id"] != a.ID || len(batch.Dropped) != 1 || !strings.HasPrefix(batch.Dropped[0].Reason, "LUCID_ERR_4306") {
		t.Errorf("%s", text)
	}
	var read object
	w.get(payoutsPath+"batch/"+raw["batch_id"].(string), &read)
	wantObject(t, read, raw)
	w.wantError(w.send(http.MethodPost, payoutsPath+"execute", w.body(object{"lines": lines}), w.once("other")), http.StatusConflict, "LUCID_ERR_4307")
	w.wantError(w.asAdmin(http.MethodGet, payoutsPath+"batch/batch_none", ""), http.StatusNotFound, "LUCID_ERR_4301")
}

type planRead struct {
	Payouts int
	Amount  json.Number
	Fees    json.Number
	Lines   []struct {
		NodeID   string      `json:"node_id"`
		Amount   json.Number `json:"amount"`
		Priority string      `json:"priority"`
		Hash     string      `json:"hash"`
	}
}

func TestSecondPersonApproves(t *testing.T) {
	w := newWorld(t)
	w.Payouts = w.payoutStore(payout.Terms{ApprovalFrom: 10_000_000})
	n := w.earning("attic-pi", 30)
	w.addUser("ada", access.Operator)
	w.addUser("bob", access.Operator)
	ada, bob := w.login("ada").AccessToken, w.login("bob").AccessToken
	make := func(r *http.Request) { as(ada)(r); r.Header.Set("Idempotency-Key", "k") }
	var p object
	w.want(w.send(http.MethodPost, "/api/v1/nodes/"+n.ID+"/payouts", `{"amount":10,"currency":"USDT"}`, make), http.StatusCreated, &p)
	approve := payoutsPath + p["payout_id"].(string) + "/approve"
	if p["needs_approval"] != true {
		t.Errorf("%v", p)
	}
	for _, credential := range []string{w.keys[access.Admin], w.keys[access.Service], ada} {
		w.wantError(w.send(http.MethodPost, approve, "", as(credential)), http.StatusForbidden, "LUCID_ERR_2003")
	}
	w.want(w.send(http.MethodPost, approve, "", as(bob)), http.StatusOK, &p)
	if p["approved_by"] == nil || p["approved_at"] == nil {
		t.Errorf("%v", p)
	}
}

func TestBudgetAndHalts(t *testing.T) {
	w := newWorld(t)
	w.addUser("ada", access.Operator)
	ada := w.login("ada").AccessToken
	var budget object
	w.get(payoutsPath+"budget", &budget)
	wantObject(t, budget, object{"per_day": json.Number("0"), "spent": json.Number("0"), "approved_by": nil, "approved_at": nil})
	w.wantError(w.asAdmin(http.MethodPut, payoutsPath+"budget", `{"per_day":5}`), http.StatusForbidden, "LUCID_ERR_2003")
	w.wantError(w.send(http.MethodPut, payoutsPath+"budget", `{"per_day":-5}`, as(ada)), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
	w.want(w.send(http.MethodPut, payoutsPath+"budget", `{"per_day":"5.5"}`, as(ada)), http.StatusOK, &budget)
	if budget["per_day"] != json.Number("5.5") || budget["approved_at"] != "2026-05-04T12:00:00Z" {
		t.Errorf("%v", budget)
	}

	id := w.payoutOf(w.earning("attic-pi", 30).ID)
	var halts haltListBody
	w.ok(http.MethodPost, payoutsPath+"halts", `{"reason":"a drill"}`, http.StatusCreated, &halts)
	if len(halts.Halts) != 1 || halts.Halts[0].Reason != "a drill" {
		t.Fatalf("%+v", halts)
	}
	if _, err := w.Payouts.Start(t.Context(), byCLI(), id); err == nil || !strings.Contains(err.Error(), "a drill") {
		t.Errorf("paid while halted: %v", err)
	}
	lift := payoutsPath + "halts/1"
	w.wantError(w.send(http.MethodDelete, lift, "", as(ada)), http.StatusForbidden, "LUCID_ERR_2003")
	w.want(w.asAdmin(http.MethodDelete, lift, ""), http.StatusNoContent, nil)
	w.wantError(w.asAdmin(http.MethodDelete, lift, ""), http.StatusNotFound, "LUCID_ERR_4901")
	w.started(id)
}

// listed are the ids of a page of all payouts, and its pagination.
func (w *world) listed(query string, edit func(*http.Request)) (ids []string, where pagination) {
	w.t.Helper()
	var l struct {
		Payouts    []object   `json:"payouts"`
		Pagination pagination `json:"pagination"`
	}
	w.want(w.send(http.MethodGet, strings.TrimSuffix(payoutsPath, "/")+query, "", edit), http.StatusOK, &l)
	for _, p := range l.Payouts {
		ids = append(ids, p["payout_id"].(string))
	}
	return ids, l.Pagination
}

func TestPayoutsOfAllNodesByStatusAndCursor(t *testing.T) {
	w := newWorld(t)
	var made []string // newest first
	for _, name := range []string{"a-pi", "b-pi", "c-pi"} {
		made = append([]string{w.payoutOf(w.earning(name, 30).ID)}, made...)
	}
	w.started(made[1])
	admin := as(w.keys[access.Admin])
	first, where := w.listed("?limit=2", admin)
	rest, end := w.listed("/?limit=2&cursor="+*where.NextCursor, admin)
	if !slices.Equal(append(first, rest...), made) || !where.HasNext || end.HasNext || end.NextCursor != nil {
		t.Errorf("%v and %v, want %v; %+v", first, rest, made, end)
	}
	if ids, _ := w.listed("?status=processing", admin); !slices.Equal(ids, made[1:2]) {
		t.Errorf("processing are %v, want %s", ids, made[1])
	}
	w.wantError(w.send(http.MethodGet, strings.TrimSuffix(payoutsPath, "/")+"?status=lost", "", admin), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
}

func TestOwnersSeeTheirPayoutsOnly(t *testing.T) {
	w := newWorld(t)
	mine, other := w.earning("mine-pi", 30), w.earning("other-pi", 30)
	my, others := w.payoutOf(mine.ID), w.payoutOf(other.ID)
	key := as(w.boundKey(access.Viewer, mine.ID))
	w.want(w.send(http.MethodGet, payoutsPath+my, "", key), http.StatusOK, nil)
	w.wantError(w.send(http.MethodGet, payoutsPath+others, "", key), http.StatusNotFound, "LUCID_ERR_4301")
	var queue, stats object
	w.want(w.send(http.MethodGet, payoutsPath+"queue", "", key), http.StatusOK, &queue)
	w.want(w.send(http.MethodGet, payoutsPath+"stats", "", key), http.StatusOK, &stats)
	if queue["queue_length"] != json.Number("1") || stats["total_payouts"] != json.Number("1") {
		t.Errorf("%v, %v", queue, stats)
	}
	if ids, _ := w.listed("", key); !slices.Equal(ids, []string{my}) {
		t.Errorf("%v, want %s", ids, my)
	}
}

func TestPaidByHand(t *testing.T) {
	w := newWorld(t)
	id := w.payoutOf(w.earning("attic-pi", 30).ID)
	var made, again, report object
	w.want(w.send(http.MethodPost, payoutsPath+"exports", `{}`, w.once("k")), http.StatusCreated, &made)
	csv := "payout_id,node_id,wallet_address,amount,currency,gross_amount,fee\n" + id + "," + w.first("node_id FROM node") + "," + payoutAddress + ",9.9,USDT,10,0.1\n"
	if made["csv"] != csv || made["amount"] != json.Number("9.9") || made["total"] != json.Number("1") {
		t.Errorf("%v", made)
	}
	w.get(payoutsPath+"exports/"+made["export_id"].(string), &again)
	wantObject(t, again, made)
	w.wantError(w.send(http.MethodPost, payoutsPath+"exports", `{}`, w.once("k2")), http.StatusConflict, "LUCID_ERR_4003")
	transfer := `{"transfers":[{"transaction_hash":"c0ffee","wallet_address":"` + payoutAddress + `","amount":"9.9"}]`
	w.want(w.asAdmin(http.MethodPost, payoutsPath+"reconcile", transfer+`}`), http.StatusOK, &report)
	if m := report["matches"].([]any)[0].(object); m["result"] != "matched" || m["payout_id"] != id || len(report["unpaid"].([]any)) != 0 {
		t.Errorf("%v", report)
	}
	w.want(w.asAdmin(http.MethodPost, payoutsPath+"reconcile", transfer+`,"record":true}`), http.StatusOK, &report)
	var p object
	if w.get(payoutsPath+id, &p); p["status"] != "completed" || p["transaction_hash"] != "c0ffee" || p["rail"] != "manual" {
		t.Errorf("%v", p)
	}
	w.wantError(w.asAdmin(http.MethodPost, payoutsPath+"reconcile", strings.Replace(transfer, "9.9", "1e1", 1)+`}`), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
}
