package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
)

// Someone who owns the database can switch its guards off; Verify still names
// the first thing that was altered.
func TestVerifyFindsTampering(t *testing.T) {
	for name, c := range map[string]struct{ sql, want string }{
		"balance":           {`UPDATE account SET balance = balance + 1 WHERE kind = 'payable'`, "account payable node_a: its balance is 0.000011, its postings sum to 0.00001"},
		"minimum":           {`UPDATE account SET min_balance = 0, balance = 0 WHERE kind = 'pool_expense'`, "account pool_expense pool_a"},
		"allowance":         {`UPDATE account SET min_balance = -1000 WHERE kind = 'pool_expense'`, "account pool_expense pool_a: its balance -0.00001 or minimum -0.001"},
		"posting":           {`UPDATE posting SET amount = sign(amount) * 6 WHERE entry_id = (SELECT entry_id FROM entry WHERE ref = 'e2')`, "entry_no 2 (accrue e2): its postings are not those"},
		"one side":          {`UPDATE posting SET amount = 6 WHERE amount = 5`, "entry_no 1: ledger entry accrue e1 is off balance"},
		"account of a post": {`UPDATE account SET owner = 'node_thief' WHERE kind = 'payable'`, "entry_no 1 (accrue e1): its postings are not those"},
		"time":              {`UPDATE entry SET at = at + interval '1 second' WHERE ref = 'e2'`, "entry_no 2 (accrue e2): its hash does not follow"},
		"reference":         {`UPDATE entry SET ref = 'other' WHERE ref = 'e2'`, "entry_no 2: its id"},
		"lost entry":        {`DELETE FROM posting WHERE entry_id = (SELECT entry_id FROM entry WHERE ref = 'e1'); DELETE FROM entry WHERE ref = 'e1'`, "entry_no 2 (accrue e2): its previous hash"},
		"lost last entry":   {`DELETE FROM posting WHERE entry_id = (SELECT entry_id FROM entry WHERE ref = 'e2'); DELETE FROM entry WHERE ref = 'e2'`, "the last entries are missing"},
		"lost postings":     {`DELETE FROM posting`, "entry_no 1: ledger entry accrue e1 has 0 postings"},
	} {
		t.Run(name, func(t *testing.T) {
			pool := dbtest.New(t)
			for _, ref := range []string{"e1", "e2"} {
				mustPost(t, pool, ledger.Accrue(ref, noon, "pool_a", []ledger.Share{{NodeID: "node_a", Amount: 5}}, 0))
			}
			wantSound(t, pool, 2)
			if _, err := pool.Exec(t.Context(), `SET session_replication_role = replica;`+c.sql); err != nil {
				t.Fatal(err)
			}
			audit, err := ledger.Verify(t.Context(), pool)
			if err != nil || !strings.Contains(audit.Difference, c.want) {
				t.Errorf("%q, %v; want %q", audit.Difference, err, c.want)
			}
		})
	}
}

// Random flows against a model of plain sums: money is conserved, an overdraft
// is refused exactly when the model says so, and no account goes below its floor.
func TestRandomFlows(t *testing.T) {
	pool := dbtest.New(t)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++ // each run has accounts of its own in the same ledger
		node, poolID := fmt.Sprintf("node_%d", round), fmt.Sprintf("pool_%d", round)
		payable, held, inFlight := ledger.Amount(0), ledger.Amount(0), ledger.Amount(0)
		for step := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			amount := ledger.Amount(rapid.Int64Range(1, 1000).Draw(rt, "amount"))
			ref, fits := fmt.Sprintf("%d/%d", round, step), true
			var e ledger.Entry
			switch rapid.SampledFrom([]string{"accrue", "hold", "release", "reserve", "void", "settle"}).Draw(rt, "flow") {
			case "accrue":
				e = ledger.Accrue(ref, noon, poolID, []ledger.Share{{NodeID: node, Amount: amount}}, 1)
				payable += amount
			case "hold":
				if e, fits = ledger.Hold(ref, noon, node, amount), amount <= payable; fits {
					payable, held = payable-amount, held+amount
				}
			case "release":
				if e, fits = ledger.Release(ref, noon, node, amount), amount <= held; fits {
					payable, held = payable+amount, held-amount
				}
			case "reserve":
				if e, fits = ledger.Reserve(ref, noon, node, amount, 0), amount <= payable; fits {
					payable, inFlight = payable-amount, inFlight+amount
				}
			case "void":
				if e, fits = ledger.Void(ref, noon, node, amount, 0), amount <= inFlight; fits {
					payable, inFlight = payable+amount, inFlight-amount
				}
			case "settle":
				if e, fits = ledger.Settle(ref, noon, node, amount, 0), amount <= inFlight; fits {
					inFlight -= amount
				}
			}
			err := db.InTx(t.Context(), pool, func(tx db.Tx) error {
				_, err := ledger.Post(t.Context(), tx, e)
				return err
			})
			if fits && err != nil || !fits && !fault.Has(err, fault.BalanceTooSmall) {
				rt.Fatalf("%s of %s: %v; fits %t", e.Kind, amount, err, fits)
			}
		}
		balances, err := ledger.Balances(t.Context(), pool, node)
		if err != nil || balances[ledger.KindPayable] != payable || balances[ledger.KindHeld] != held || balances[ledger.KindInFlight] != inFlight {
			rt.Fatalf("%v, %v; model: payable %s, held %s, in flight %s", balances, err, payable, held, inFlight)
		}
	})
	var total, below int64
	err := pool.QueryRow(t.Context(), `SELECT sum(balance), count(*) FILTER (WHERE balance < min_balance) FROM account`).Scan(&total, &below)
	if err != nil || total != 0 || below != 0 {
		t.Fatalf("all balances sum to %d, %d below their minimum, %v", total, below, err)
	}
	if audit, err := ledger.Verify(t.Context(), pool); err != nil || audit.Difference != "" {
		t.Fatalf("Verify: %q, %v", audit.Difference, err)
	}
}

// An epoch of 100 nodes is one entry.
func BenchmarkEpochOfHundredNodes(b *testing.B) {
	pool := dbtest.New(b)
	shares := make([]ledger.Share, 100)
	for i := range shares {
		shares[i] = ledger.Share{NodeID: fmt.Sprintf("node_%d", i), Amount: 10}
	}
	for i := 0; b.Loop(); i++ {
		err := db.InTx(b.Context(), pool, func(tx db.Tx) error {
			_, err := ledger.Post(b.Context(), tx, ledger.Accrue(fmt.Sprint(i), noon, "pool_a", shares, 1))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
