package payout_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

func planned(p payout.Plan) []payout.Planned {
	lines := make([]payout.Planned, len(p.Lines))
	for i, l := range p.Lines {
		lines[i] = payout.Planned{Request: l.Request, Hash: l.Hash()}
	}
	return lines
}

// The plan of a round is what the round does; lines that changed since drop out
// with their reasons.
func TestPlanShowsAndExecutionKeepsToIt(t *testing.T) {
	w := newWorld(t)
	cost := func(c *payout.Config) {
		c.Cost = func(net, _ ledger.Amount) (ledger.Amount, string) {
			if net > ledger.USDT(60) {
				return ledger.USDT(2), "the network is dear"
			}
			return ledger.USDT(2), ""
		}
	}
	store, ctx := w.store(cost), t.Context()
	for id, usdt := range map[string]int64{"node_same": 20, "node_spent": 30, "node_moved": 40, "node_held": 50, "node_poor": 9, "node_dear": 70} {
		w.earning(id, usdt)
	}
	before := w.balances()
	plan, err := store.PlanRound(ctx)
	if err != nil || len(plan.Lines) != 5 || plan.Payouts != 4 || plan.Amount != ledger.USDT(140) || plan.Fees != 1_400_000 || plan.NetworkCost != ledger.USDT(8) {
		t.Fatalf("%+v, %v", plan, err)
	}
	if after := w.balances(); after != before {
		t.Errorf("planning moved:\n%s\n%s", before, after)
	}
	w.post(ledger.Hold("h", w.now, "node_spent", 1))
	w.exec(`UPDATE node SET payout_address = $1 WHERE node_id = 'node_moved'`, otherAddress)
	w.held[query[int32](w, `SELECT node_no FROM node WHERE node_id = 'node_held'`)] = true

	b, err := store.Execute(ctx, byTest, "k", planned(plan))
	if err != nil || len(b.Payouts) != 1 || b.Payouts[0].NodeID != "node_same" || b.Payouts[0].Amount != ledger.USDT(20) {
		t.Fatalf("%+v, %v", b, err)
	}
	reasons := map[string]string{}
	for _, d := range b.Dropped {
		reasons[d.NodeID] = d.Reason
	}
	// What was planned for the moved node names its old address, so it is told as another address.
	for id, want := range map[string]string{"node_spent": "LUCID_ERR_4303", "node_moved": "LUCID_ERR_4306", "node_held": "LUCID_ERR_4308", "node_dear": "dear"} {
		if !strings.Contains(reasons[id], want) {
			t.Errorf("%s dropped for %q, want %q", id, reasons[id], want)
		}
	}
	again, err := store.Execute(ctx, byTest, "k", planned(plan))
	if err != nil || again.ID != b.ID || len(again.Dropped) != 4 || w.count("payout") != 1 {
		t.Errorf("executed again: %+v, %v", again, err)
	}
	if _, err := store.Execute(ctx, byTest, "other", planned(plan)); !fault.Has(err, fault.PlanChanged) {
		t.Errorf("nothing left of the plan: %v", err)
	}
	w.wantSound()
}

// A fee that was changed since drops every line, though no node changed.
func TestExecutionRefusesOtherTerms(t *testing.T) {
	w := newWorld(t)
	w.earning("node_a", 20)
	plan, err := w.store().Plan(t.Context(), []payout.Request{ask("node_a", 10)})
	if err != nil {
		t.Fatal(err)
	}
	dearer := w.store(func(c *payout.Config) { c.FeeBasisPoints = 200 })
	if _, err := dearer.Execute(t.Context(), byTest, "k", planned(plan)); !fault.Has(err, fault.PlanChanged) || !strings.Contains(err.Error(), "a fee of 0.2") {
		t.Errorf("%v", err)
	}
	if n := w.count("payout"); n != 0 {
		t.Errorf("%d payouts", n)
	}
}

// Two lines have one hash only if they do the same.
func TestLineHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"", "a", "aa", "b"})
		line := rapid.Custom(func(t *rapid.T) payout.Line {
			amount := ledger.Amount(rapid.Int64Range(1, 3).Draw(t, "amount"))
			return payout.Line{Request: payout.Request{
				NodeID: text.Draw(t, "node"), WalletAddress: text.Draw(t, "address"), Priority: text.Draw(t, "priority"), Amount: amount,
			}, Fee: ledger.Amount(rapid.Int64Range(0, 1).Draw(t, "fee"))}
		})
		a, b := line.Draw(t, "a"), line.Draw(t, "b")
		same := a.NodeID == b.NodeID && a.WalletAddress == b.WalletAddress && a.Priority == b.Priority && a.Amount == b.Amount && a.Fee == b.Fee
		if (a.Hash() == b.Hash()) != same {
			t.Fatalf("%+v and %+v", a, b)
		}
	})
}
