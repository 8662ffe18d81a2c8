package payout_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

// The limit counts the payout, its batch, and what its creator asked for in the
// last 24 hours.
func TestApprovalCountsPayoutBatchAndDay(t *testing.T) {
	w := newWorld(t)
	for _, id := range strings.Fields("node_a node_b node_c node_d node_e node_f node_g") {
		w.earning(id, 200)
	}
	store, ctx := w.store(func(c *payout.Config) { c.ApprovalFrom = ledger.USDT(100) }), t.Context()
	creator := func(name string) audit.By { return audit.By{Actor: "user_" + name} }
	needs := func(p payout.Payout, want bool) payout.Payout {
		t.Helper()
		if p.NeedsApproval != want {
			t.Errorf("%s of %s for %s: needs approval %t, want %t", p.Amount, p.CreatedBy, p.NodeID, p.NeedsApproval, want)
		}
		return p
	}
	needs(must(t)(store.Create(ctx, creator("big"), "a", ask("node_a", 100))), true)
	needs(must(t)(store.Create(ctx, creator("small"), "b", ask("node_b", 99))), false)
	needs(must(t)(store.Create(ctx, creator("small"), "c", ask("node_c", 1))), true)
	b, err := store.CreateBatch(ctx, creator("batch"), "d", []payout.Request{ask("node_d", 50), ask("node_e", 50)})
	if err != nil {
		t.Fatal(err)
	}
	needs(b.Payouts[0], true)
	needs(b.Payouts[1], true)
	w.now = w.now.Add(24*time.Hour - time.Microsecond)
	needs(must(t)(store.Create(ctx, creator("small"), "f", ask("node_f", 1))), true)
	w.now = w.now.Add(time.Microsecond)
	needs(must(t)(store.Create(ctx, creator("small"), "g", ask("node_g", 98))), false)
	w.wantTaken(9, "node_b node_g")
	if _, err := w.pool.Exec(ctx, `UPDATE payout SET status = 'processing' WHERE payout_id = $1`, b.Payouts[0].ID); err == nil || !strings.Contains(err.Error(), "payout_approved") {
		t.Errorf("the database lets an unapproved payout be paid: %v", err)
	}
}

func TestOnlyASecondPersonApproves(t *testing.T) {
	w := newWorld(t)
	for _, id := range strings.Fields("node_a node_b node_c") {
		w.earning(id, 200)
	}
	store, ctx := w.store(func(c *payout.Config) { c.ApprovalFrom = ledger.USDT(100) }), t.Context()
	err := db.InTx(ctx, w.pool, func(tx db.Tx) error {
		return audit.Write(ctx, tx, audit.By{Actor: "user_ada"}.Record("apikey.create", "key_1", nil, nil))
	})
	if err != nil {
		t.Fatal(err)
	}
	p := must(t)(store.Create(ctx, audit.By{Actor: "key_1"}, "k", ask("node_a", 100)))
	bob := payout.Person{By: audit.By{Actor: "user_bob"}, Human: true}
	refuse(t, fault.StateNotAllowed)(store.Start(ctx, byTest, p.ID))
	refuse(t, fault.RoleTooLow)(store.Approve(ctx, payout.Person{By: audit.By{Actor: "key_2"}}, p.ID))
	refuse(t, fault.RoleTooLow)(store.Approve(ctx, ada, p.ID)) // whose key it is
	first := must(t)(store.Approve(ctx, bob, p.ID))
	w.now = w.now.Add(time.Minute)
	if again := must(t)(store.Approve(ctx, bob, p.ID)); *again.ApprovedBy != "user_bob" || !again.ApprovedAt.Equal(*first.ApprovedAt) {
		t.Errorf("approved again: %+v", again)
	}
	must(t)(store.Start(ctx, byTest, p.ID))
	refuse(t, fault.StateNotAllowed)(store.Approve(ctx, bob, p.ID))

	b, err := store.CreateBatch(ctx, ada.By, "b", []payout.Request{ask("node_b", 60), ask("node_c", 60)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.ApproveBatch(ctx, ada, b.ID); !fault.Has(err, fault.RoleTooLow) {
		t.Errorf("her own batch: %v", err)
	}
	if _, err := store.ApproveBatch(ctx, bob, b.ID); err != nil {
		t.Error(err)
	}
	w.wantTaken(9, "node_b node_c")
	if _, err := store.ApproveBatch(ctx, bob, b.ID); !fault.Has(err, fault.StateNotAllowed) {
		t.Errorf("nothing to approve: %v", err)
	}
}

// madeKey is on record as an API key of somebody's.
func (w *world) madeKey(maker, key string) {
	w.t.Helper()
	err := db.InTx(w.t.Context(), w.pool, func(tx db.Tx) error {
		return audit.Write(w.t.Context(), tx, audit.By{Actor: maker}.Record("apikey.create", key, nil, nil))
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// One person with many keys would have stayed below the limit with each.
func TestKeysOfOnePersonShareTheLimit(t *testing.T) {
	w := newWorld(t)
	for i, by := range []string{"user_ada", "key_1", "key_2", "key_of_key", "user_bob"} {
		id := fmt.Sprintf("node_%d", i)
		w.earning(id, 200)
		if i == 0 {
			w.madeKey("user_ada", "key_1")
			w.madeKey("user_ada", "key_2")
			w.madeKey("key_2", "key_of_key")
			w.madeKey("system", "key_bootstrap")
		}
		store := w.store(func(c *payout.Config) { c.ApprovalFrom = ledger.USDT(100) })
		p := must(t)(store.Create(t.Context(), audit.By{Actor: by}, "k", ask(id, 60)))
		if want := i > 0 && by != "user_bob"; p.NeedsApproval != want {
			t.Errorf("60 USDT of %s, after the names before: needs approval %t", by, p.NeedsApproval)
		}
	}
}

// A key that her key made is hers as well.
func TestNobodyApprovesThroughAKeyThatMadeAKey(t *testing.T) {
	w := newWorld(t)
	w.earning("node_a", 200)
	w.madeKey("user_ada", "key_1")
	w.madeKey("key_1", "key_2")
	store := w.store(func(c *payout.Config) { c.ApprovalFrom = ledger.USDT(100) })
	p := must(t)(store.Create(t.Context(), audit.By{Actor: "key_2"}, "k", ask("node_a", 100)))
	refuse(t, fault.RoleTooLow)(store.Approve(t.Context(), ada, p.ID))
}

// Who approves a payout approves its address too: a change that comes to count
// afterwards is not what two people said.
func TestApprovedPayoutGoesToTheApprovedAddressOnly(t *testing.T) {
	w := newWorld(t)
	w.earning("node_a", 200)
	store, ctx := w.store(func(c *payout.Config) { c.ApprovalFrom = ledger.USDT(100) }), t.Context()
	p := must(t)(store.Create(ctx, ada.By, "k", ask("node_a", 100)))
	must(t)(store.Approve(ctx, payout.Person{By: audit.By{Actor: "user_bob"}, Human: true}, p.ID))
	w.exec(`UPDATE node SET payout_address = $1`, otherAddress)
	w.wantTaken(9, "")
	refuse(t, fault.BadPayoutAddress)(store.Start(ctx, ada.By, p.ID))
	w.exec(`UPDATE node SET payout_address = $1`, address)
	w.wantTaken(9, "node_a")
}

func TestRoundsKeepWithinTheBudget(t *testing.T) {
	w := newWorld(t)
	for _, id := range strings.Fields("node_a node_b node_c") {
		w.earning(id, 40)
	}
	store, ctx := w.store(), t.Context()
	set := func(perDay int64) {
		t.Helper()
		if _, err := store.SetBudget(ctx, ada, ledger.USDT(perDay)); err != nil {
			t.Fatal(err)
		}
	}
	paid := func(want int) {
		t.Helper()
		w.round()
		if n := w.count("payout"); n != want {
			t.Errorf("%d payouts, want %d", n, want)
		}
	}
	set(0)
	paid(0)
	set(100)
	paid(2)
	paid(2)
	w.now = w.now.Add(24 * time.Hour)
	if b, err := store.Budget(ctx); err != nil || b.PerDay != ledger.USDT(100) || b.Spent != 0 || b.ApprovedBy != "user_ada" {
		t.Errorf("%+v, %v", b, err)
	}
	paid(3)
	if b, err := store.Budget(ctx); err != nil || b.Spent != ledger.USDT(40) || b.Left() != ledger.USDT(60) {
		t.Errorf("%+v, %v", b, err)
	}
	if _, err := store.SetBudget(ctx, payout.Person{By: audit.By{Actor: "key_1"}}, 5); !fault.Has(err, fault.RoleTooLow) {
		t.Errorf("a key approved a budget: %v", err)
	}
	if _, err := store.SetBudget(ctx, ada, -1); !fault.Has(err, fault.Validation) {
		t.Errorf("a budget below 0: %v", err)
	}
}
