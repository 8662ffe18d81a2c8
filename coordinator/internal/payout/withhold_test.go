package payout_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/fraud"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/payout"
)

// suspicious is a world in which people decide about fraud, as in the program.
type suspicious struct {
	*world
	fraud *fraud.Store
	*payout.Store
}

func newSuspicious(t *testing.T, change ...func(*payout.Config)) *suspicious {
	w := newWorld(t)
	payouts := w.store(append(change, func(c *payout.Config) {
		c.Held, c.TakeBack, c.ApprovalFrom = fraud.Held, fraud.TakeBack, ledger.USDT(100)
	})...)
	decisions, err := fraud.NewStore(fraud.Config{
		Pool: w.pool, Now: func() time.Time { return w.now }, CancelPayouts: payouts.CancelPending,
		Fastest:    func(string) (float64, bool) { return 0, false },
		CohortTime: func(string, int, int) time.Duration { return time.Second },
		Vetted:     func(context.Context, db.Tx, int32, time.Time) (bool, error) { return true, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return &suspicious{w, decisions, payouts}
}

// member is a node that earned 200 USDT in pool_gift, and its payout of 100.
func (w *suspicious) member(nodeID string) (nodeNo int32, payoutID string) {
	w.t.Helper()
	nodeNo = w.addNode(nodeID)
	w.exec(`INSERT INTO pool (pool_id, name) VALUES ('pool_gift', 'gift') ON CONFLICT DO NOTHING`)
	w.exec(`INSERT INTO pool_membership (node_no, pool_no, from_at) SELECT $1, pool_no, $2 FROM pool`, nodeNo, ten)
	w.exec(`INSERT INTO node_state (node_no, status, from_at) VALUES ($1, 'active', $2)`, nodeNo, ten)
	w.earn(nodeID, ledger.USDT(200))
	p, err := w.Create(w.t.Context(), byTest, nodeID, ask(nodeID, 100))
	if err != nil {
		w.t.Fatal(err)
	}
	return nodeNo, p.ID
}

// suspect lets a rule flag a node and the judge hold it.
func (w *suspicious) suspect(nodeNo int32) (flagID string) {
	w.t.Helper()
	no := query[int64](w.world, `INSERT INTO fraud_flag (node_no, rule, rule_version, layer, severity, subject, evidence, at, found_at)
		VALUES ($1, 'of_a_test', 1, 0, 'critical', '', '{}', $2, $2) RETURNING flag_no`, nodeNo, w.now)
	w.judged()
	return fraud.Flag{No: no}.ID()
}

func (w *suspicious) judged() {
	w.t.Helper()
	if err := fraud.NewJudge(w.fraud).RunOnce(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *suspicious) confirm(nodeNo int32) {
	w.t.Helper()
	flag := w.suspect(nodeNo)
	w.now = w.now.Add(time.Second)
	if _, err := w.fraud.Decide(w.t.Context(), byTest, flag, fraud.Confirmed, "it was"); err != nil {
		w.t.Fatal(err)
	}
}

// startAgain is what an operator's start and a proof make of a node.
func (w *suspicious) startAgain(nodeNo int32) {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	w.inTx(func(tx db.Tx) error { return node.SetStatus(w.t.Context(), tx, nodeNo, node.Active, "proven", w.now) })
}

func (w *suspicious) inTx(run func(tx db.Tx) error) {
	w.t.Helper()
	if err := db.InTx(w.t.Context(), w.pool, run); err != nil {
		w.t.Fatal(err)
	}
}

func (w *suspicious) approveAs(name, payoutID string) (payout.Payout, error) {
	return w.Approve(w.t.Context(), payout.Person{By: audit.By{Actor: name}, Human: true}, payoutID)
}

// gates asks those steps before money leaves that need no certain status of a
// payout; it gives those that let it pass.
func (w *suspicious) gates(nodeID, payoutID string) (open []string) {
	w.t.Helper()
	ctx := w.t.Context()
	ask := func(gate string, err error) {
		w.t.Helper()
		if err == nil {
			open = append(open, gate)
		} else if _, told := errors.AsType[*fault.Error](err); !told {
			w.t.Errorf("%s: %v", gate, err)
		}
	}
	_, err := w.Create(ctx, byTest, "gate", payout.Request{NodeID: nodeID, Amount: ledger.USDT(1)})
	ask("make", err)
	rollBack := func(gate string, run func(tx db.Tx) error) {
		tx, err := w.pool.Begin(ctx)
		if err != nil {
			w.t.Fatal(err)
		}
		ask(gate, run(tx))
		tx.Rollback(ctx)
	}
	rollBack("sign", func(tx db.Tx) error { return w.MayPay(ctx, tx, payoutID) })
	return open
}

// A payout that waits when its node is held, as one may that was stored by an
// older program, passes no gate.
func TestNoGateLetsAPayoutOfAHeldNodePass(t *testing.T) {
	w := newSuspicious(t)
	no, id := w.member("node_a")
	if open := w.gates("node_a", id); len(open) != 1 || open[0] != "sign" { // it has a live payout, so no plan
		t.Fatalf("open before: %v", open)
	}
	w.exec(`INSERT INTO fraud_hold (node_no, from_at) VALUES ($1, $2)`, no, w.now)
	if open := w.gates("node_a", id); len(open) > 0 {
		t.Errorf("open: %v", open)
	}
	refuse(t, fault.Held)(w.approveAs("user_ada", id))
	w.exec(`UPDATE payout SET approved_by = 'user_ada', approved_at = $1`, w.now)
	refuse(t, fault.Held)(w.Start(t.Context(), byTest, id))
	w.inTx(func(tx db.Tx) error {
		taken, err := w.Take(t.Context(), tx, byTest, payout.Manual, 9)
		if len(taken) > 0 {
			t.Errorf("%d payouts exported of a held node", len(taken))
		}
		return err
	})
	w.exec(`UPDATE fraud_hold SET to_at = $1, outcome = 'released'`, w.now)
	must(t)(w.Start(t.Context(), byTest, id))
	w.exec(`INSERT INTO fraud_hold (node_no, from_at) VALUES ($1, $2)`, no, w.now)
	must(t)(w.failed(id))
	refuse(t, fault.Held)(w.Retry(t.Context(), byTest, id))
	w.wantSound()
}

func (w *suspicious) failed(id string) (p payout.Payout, err error) {
	err = db.InTx(w.t.Context(), w.pool, func(tx db.Tx) error {
		p, err = w.Fail(w.t.Context(), tx, byTest, id, "refused", w.now)
		return err
	})
	return p, err
}

// begun is a payout that is being paid by hand while fraud of its node is confirmed.
func (w *suspicious) begun(nodeID string) (nodeNo int32, id string) {
	w.t.Helper()
	nodeNo, id = w.member(nodeID)
	if _, err := w.approveAs("user_ada", id); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.Start(w.t.Context(), byTest, id); err != nil {
		w.t.Fatal(err)
	}
	w.confirm(nodeNo)
	w.wantBalance(ledger.KindInFlight, nodeID, ledger.USDT(99))
	w.wantBalance(ledger.KindUnallocated, "pool_gift", ledger.USDT(100))
	return nodeNo, id
}

// What comes back of a payout that was under way is the pool's, also when
// somebody had started the node again by then: it is neither paid nor retried.
func TestAPayoutThatFailsAfterFraudWasConfirmedIsThePools(t *testing.T) {
	for name, again := range map[string]bool{"suspended": false, "started again": true} {
		t.Run(name, func(t *testing.T) {
			w := newSuspicious(t)
			no, id := w.begun("node_a")
			if again {
				w.startAgain(no)
			}
			if open := w.gates("node_a", id); len(open) > 0 {
				t.Errorf("open: %v", open)
			}
			p := must(t)(w.failed(id))
			if p.Status != payout.Failed {
				t.Errorf("%+v", p)
			}
			w.wantBalance(ledger.KindPayable, "node_a", 0)
			w.wantBalance(ledger.KindInFlight, "node_a", 0)
			w.wantBalance(ledger.KindUnallocated, "pool_gift", ledger.USDT(200))
			w.post(ledger.Accrue("later", w.now, "pool_gift", []ledger.Share{{NodeID: "node_a", Amount: ledger.USDT(300)}}, 0))
			refuse(t, fault.Held)(w.Retry(t.Context(), byTest, id))
			w.wantSound()
		})
	}
}

// What was paid all the same is on record as paid.
func TestAPayoutThatWasPaidAfterFraudWasConfirmedIsRecorded(t *testing.T) {
	w := newSuspicious(t)
	_, id := w.begun("node_a")
	if p := must(t)(w.Complete(t.Context(), byTest, id, strings.Repeat("a1", 32))); p.Status != payout.Completed {
		t.Errorf("%+v", p)
	}
	w.wantBalance(ledger.KindPaidOut, "node_a", ledger.USDT(99))
	w.wantSound()
}

// The rest of an epoch that was closed later goes the same way; what the node
// earns once it was started again is its own.
func TestAConfirmedNodeIsPaidOnlyWhatItEarnsOnceItIsStartedAgain(t *testing.T) {
	w := newSuspicious(t)
	no, id := w.member("node_a")
	w.confirm(no)
	w.post(ledger.Accrue("late", w.now, "pool_gift", []ledger.Share{{NodeID: "node_a", Amount: ledger.USDT(20)}, {NodeID: "node_a", Amount: ledger.USDT(3), Held: true}}, 0))
	if open := w.gates("node_a", id); len(open) > 0 {
		t.Errorf("open: %v", open)
	}
	if err := payout.NewRound(w.Store, nil).RunOnce(t.Context()); err != nil || w.count("payout") != 1 {
		t.Errorf("an automatic round made %d payouts, %v", w.count("payout")-1, err)
	}
	if plan, err := w.PlanRound(t.Context()); err != nil || plan.Payouts != 0 || !fault.Has(plan.Lines[0].Refused, fault.Held) {
		t.Errorf("planned: %+v, %v", plan, err)
	}
	w.now = w.now.Add(time.Second)
	w.judged()
	w.judged()
	w.wantBalance(ledger.KindPayable, "node_a", 0)
	w.wantBalance(ledger.KindHeld, "node_a", 0)
	w.wantBalance(ledger.KindUnallocated, "pool_gift", ledger.USDT(223))
	if n := query[int](w.world, `SELECT count(*) FROM audit_entry WHERE action = 'fraud.forfeit' AND target = 'node_a'`); n != 1 {
		t.Errorf("%d audit entries", n)
	}
	w.startAgain(no)
	w.post(ledger.Accrue("own", w.now, "pool_gift", []ledger.Share{{NodeID: "node_a", Amount: ledger.USDT(20)}}, 0))
	w.judged()
	if _, err := w.Create(t.Context(), byTest, "own", ask("node_a", 20)); err != nil {
		t.Error(err)
	}
	w.wantSound()
}
