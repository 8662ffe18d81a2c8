package payout_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/tron"
)

// earning makes a node with so much to be paid.
func (w *world) earning(id string, usdt int64) (nodeNo int32) {
	w.t.Helper()
	nodeNo = w.addNode(id)
	w.earn(id, ledger.USDT(usdt))
	return nodeNo
}

func ask(nodeID string, usdt int64) payout.Request {
	return payout.Request{NodeID: nodeID, Amount: ledger.USDT(usdt)}
}

// balances are all accounts, to compare them before and after.
func (w *world) balances() string {
	w.t.Helper()
	return query[string](w, `SELECT coalesce(string_agg(kind || ' ' || owner || ' ' || balance, '; ' ORDER BY account_no), '') FROM account`) +
		fmt.Sprintf("; %d payouts, %d batches, %d entries", w.count("payout"), w.count("payout_batch"), w.count("entry"))
}

func TestCreateSetsTheMoneyAside(t *testing.T) {
	w := newWorld(t)
	w.earning("node_a", 30)
	later := w.now.Add(time.Hour)
	p := must(t)(w.store().Create(t.Context(), byTest, "k", payout.Request{
		NodeID: "node_a", Amount: ledger.USDT(1), WalletAddress: address, Priority: "urgent", ScheduledAt: &later,
	}))
	if p.Status != payout.Pending || p.Amount != ledger.USDT(1) || p.Fee != 10_000 || p.NetAmount != 990_000 || p.Priority != "urgent" ||
		!p.ScheduledAt.Equal(later) || p.WalletAddress != address || p.CreatedBy != "user_test" || p.NeedsApproval || p.BatchID != nil {
		t.Errorf("%+v", p)
	}
	w.wantBalance(ledger.KindPayable, "node_a", ledger.USDT(29))
	w.wantBalance(ledger.KindInFlight, "node_a", 990_000)
	w.wantBalance(ledger.KindFeePending, "", 10_000)
	w.wantTaken(1, "")
	w.now = later
	w.wantTaken(1, "node_a")
	w.wantSound()
}

// By hand as by a round: what a node had earned is its owner's.
func TestCreatePaysADeletedNode(t *testing.T) {
	w := newWorld(t)
	w.earning("node_gone", 12)
	w.exec(`UPDATE node SET deleted_at = now(), status = 'inactive'`)
	p := must(t)(w.store().Create(t.Context(), byTest, "k", payout.Request{NodeID: "node_gone", Amount: ledger.USDT(12)}))
	if p.Amount != ledger.USDT(12) || p.WalletAddress != address {
		t.Errorf("%+v", p)
	}
	w.wantTaken(1, "node_gone")
	w.wantSound()
}

func TestSameKeyMakesOnePayout(t *testing.T) {
	w := newWorld(t)
	w.earning("node_a", 30)
	store, ctx := w.store(), t.Context()
	var group sync.WaitGroup
	ids := make([]string, 6)
	for i := range ids {
		group.Go(func() { ids[i] = must(t)(store.Create(ctx, byTest, "k", ask("node_a", 10))).ID })
	}
	group.Wait()
	if got := strings.Join(ids, " "); strings.ReplaceAll(got, ids[0], "") != "     " || w.count("payout") != 1 {
		t.Errorf("one key made %s", got)
	}
	refuse(t, fault.IdempotencyReuse)(store.Create(ctx, byTest, "k", ask("node_a", 11)))
	if _, err := store.CreateBatch(ctx, byTest, "k", []payout.Request{ask("node_a", 10)}); !fault.Has(err, fault.IdempotencyReuse) {
		t.Errorf("the key of a payout made a batch: %v", err)
	}
	// Another caller's key is another key; the node has a live payout by now.
	refuse(t, fault.StateNotAllowed)(store.Create(ctx, audit.By{Actor: "user_other"}, "k", ask("node_a", 10)))
	refuse(t, fault.Validation)(store.Create(ctx, byTest, "", ask("node_a", 10)))
	w.wantBalance(ledger.KindPayable, "node_a", ledger.USDT(20))
	w.wantSound()
}

// Whatever is wrong with a request or with one line of a batch is told by its
// code, and nothing moves.
func TestBadInputMovesNothing(t *testing.T) {
	w := newWorld(t)
	past, far := w.now.Add(-time.Second), w.now.Add(367*24*time.Hour)
	w.earning("node_a", 30)
	w.earning("node_good", 30)
	w.held[w.earning("node_held", 30)] = true
	w.earning("node_self", 30)
	w.exec(`UPDATE node SET payout_address = $1 WHERE node_id = 'node_self'`, otherAddress)
	w.earning("node_homeless", 30)
	w.exec(`UPDATE node SET payout_address = '' WHERE node_id = 'node_homeless'`)
	w.earning("node_changed", 30)
	w.exec(`UPDATE node SET payout_address = $1, payout_address_before = $2, payout_address_due = $3 WHERE node_id = 'node_changed'`,
		otherAddress, address, w.now.Add(time.Hour))
	w.earning("node_live", 30)
	store := w.store(func(c *payout.Config) { c.Own = []string{otherAddress} })
	must(t)(store.Create(t.Context(), byTest, "live", ask("node_live", 10)))

	with := func(change func(*payout.Request)) payout.Request {
		r := ask("node_a", 10)
		change(&r)
		return r
	}
	before := w.balances()
	for name, c := range map[string]struct {
		request payout.Request
		code    fault.Code
	}{
		"nothing":               {with(func(r *payout.Request) { r.Amount = 0 }), fault.Validation},
		"negative":              {with(func(r *payout.Request) { r.Amount = -1 }), fault.Validation},
		"the least number":      {with(func(r *payout.Request) { r.Amount = -1 << 63 }), fault.Validation},
		"the greatest number":   {with(func(r *payout.Request) { r.Amount = 1<<63 - 1 }), fault.Validation},
		"above the most":        {with(func(r *payout.Request) { r.Amount = ledger.USDT(10_000) + 1 }), fault.Validation},
		"below the least":       {with(func(r *payout.Request) { r.Amount = ledger.USDT(1) - 1 }), fault.BelowMinimum},
		"more than the balance": {with(func(r *payout.Request) { r.Amount = ledger.USDT(30) + 1 }), fault.BalanceTooSmall},
		"no such priority":      {with(func(r *payout.Request) { r.Priority = "asap" }), fault.Validation},
		"scheduled in the past": {with(func(r *payout.Request) { r.ScheduledAt = &past }), fault.Validation},
		"scheduled too far":     {with(func(r *payout.Request) { r.ScheduledAt = &far }), fault.Validation},
		"wrong checksum":        {with(func(r *payout.Request) { r.WalletAddress = address[:33] + "u" }), fault.BadPayoutAddress},
		"a Bitcoin address":     {with(func(r *payout.Request) { r.WalletAddress = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa" }), fault.BadPayoutAddress},
		"an Ethereum address":   {with(func(r *payout.Request) { r.WalletAddress = "0xdAC17F958D2ee523a2206206994597C13D831ec7" }), fault.BadPayoutAddress},
		"another's address":     {with(func(r *payout.Request) { r.WalletAddress = otherAddress }), fault.BadPayoutAddress},
		"an address that waits": {payout.Request{NodeID: "node_changed", Amount: ledger.USDT(10), WalletAddress: otherAddress}, fault.BadPayoutAddress},
		"no address":            {ask("node_homeless", 10), fault.BadPayoutAddress},
		"itself":                {ask("node_self", 10), fault.BadPayoutAddress},
		"held":                  {ask("node_held", 10), fault.Held},
		"live already":          {ask("node_live", 10), fault.StateNotAllowed},
		"unknown node":          {ask("node_nobody", 10), fault.NodeNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := store.Create(t.Context(), byTest, "one "+name, c.request)
			if !fault.Has(err, c.code) {
				t.Errorf("alone: %v, want %s", err, c.code)
			}
			_, err = store.CreateBatch(t.Context(), byTest, "batch "+name, []payout.Request{ask("node_good", 10), c.request})
			if !fault.Has(err, c.code) || !strings.Contains(err.Error(), "payout_requests[1]") {
				t.Errorf("in a batch: %v, want %s of its second line", err, c.code)
			}
			if plan, err := store.Plan(t.Context(), []payout.Request{c.request}); err != nil || plan.Lines[0].Refused == nil || plan.Lines[0].Refused.Code != c.code {
				t.Errorf("in a plan: %+v, %v", plan.Lines, err)
			}
			if after := w.balances(); after != before {
				t.Errorf("moved:\n%s\n%s", before, after)
			}
		})
	}
	w.wantSound()
}

func TestBatchNamesEveryBadLine(t *testing.T) {
	w := newWorld(t)
	w.earning("node_a", 30)
	store := w.store()
	_, err := store.CreateBatch(t.Context(), byTest, "k", []payout.Request{ask("node_a", 10), ask("node_a", 10), ask("node_b", 1), {NodeID: "node_a", Amount: -1}})
	f := fault.As(err)
	names := ""
	for _, field := range f.Fields {
		names += field.Name + " "
	}
	if f.Code != fault.Validation || names != "payout_requests[1].node_id payout_requests[2] payout_requests[3].amount " {
		t.Errorf("%s: %s", f.Code, names)
	}
	for name, requests := range map[string][]payout.Request{"empty": nil, "too long": make([]payout.Request, 1001)} {
		if _, err := store.CreateBatch(t.Context(), byTest, name, requests); !fault.Has(err, fault.Validation) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is paid to these nobody could spend, whatever is set as one's own.
func TestNothingIsPaidIntoASink(t *testing.T) {
	w := newWorld(t)
	if zero, err := tron.ParseAddress("T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb"); err != nil || zero != (tron.Address{0x41}) {
		t.Errorf("%x is not the address of twenty zero bytes, %v", zero, err)
	}
	for node, sink := range map[string]string{
		"node_zero": "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb", "node_hole": "TLsV52sRDL79HXGGm9yzwKibb6BeruhUzy",
		"node_usdt": "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", "node_wtrx": "TNUC9Qb1rRpS5CbWLmNMxXBjyFoydXjWFR",
	} {
		w.earning(node, 30)
		w.exec(`UPDATE node SET payout_address = '` + sink + `' WHERE node_id = '` + node + `'`)
		refuse(t, fault.BadPayoutAddress)(w.store().Create(t.Context(), byTest, "of "+node, payout.Request{NodeID: node, Amount: ledger.USDT(10)}))
		w.wantBalance(ledger.KindPayable, node, ledger.USDT(30))
	}
}

func TestPayoutsOfABatchGoTheirOwnWays(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"node_a", "node_b", "node_c"} {
		w.earning(id, 30)
	}
	store, ctx := w.store(), t.Context()
	status := func(id string, want payout.BatchStatus) {
		t.Helper()
		if b, err := store.Batch(ctx, id); err != nil || b.Status() != want {
			t.Errorf("status %q, %v; want %q", b.Status(), err, want)
		}
	}
	requests := []payout.Request{ask("node_a", 10), ask("node_b", 10), ask("node_c", 10)}
	b, err := store.CreateBatch(ctx, byTest, "k", requests)
	if err != nil || len(b.Payouts) != 3 || *b.Payouts[0].BatchID != b.ID || b.CreatedBy != "user_test" {
		t.Fatalf("%+v, %v", b, err)
	}
	status(b.ID, "pending")
	must(t)(store.Start(ctx, byTest, b.Payouts[0].ID))
	status(b.ID, "processing")
	must(t)(store.Complete(ctx, byTest, b.Payouts[0].ID, "ticket-1"))
	status(b.ID, "processing")
	must(t)(store.Cancel(ctx, byTest, b.Payouts[1].ID))
	must(t)(store.Cancel(ctx, byTest, b.Payouts[2].ID))
	status(b.ID, payout.PartlyCompleted)
	again, err := store.CreateBatch(ctx, byTest, "k", requests)
	if err != nil || again.ID != b.ID || w.count("payout") != 3 {
		t.Errorf("the same call again made %s, %v", again.ID, err)
	}
	if _, err := store.Batch(ctx, "batch_none"); !fault.Has(err, fault.PayoutNotFound) {
		t.Errorf("no batch: %v", err)
	}
	w.wantSound()
}
