package rail

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
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain/chaintest"
)

var byAdmin = audit.By{Actor: "user_admin"}

func (w *world) addJudge() {
	w.t.Helper()
	var err error
	w.fraud, err = fraud.NewStore(fraud.Config{
		Pool: w.pool, Now: w.chain.Now, CancelPayouts: w.payouts.CancelPending,
		CohortTime: func(string, int, int) time.Duration { return time.Second },
		Fastest:    func(string) (float64, bool) { return 0, false },
		Vetted:     func(context.Context, db.Tx, int32, time.Time) (bool, error) { return true, nil },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.judge = fraud.NewJudge(w.fraud)
}

// hold flags the node of a payout, and lets the judge hold it.
func (w *world) hold(payoutID string) (flagID string) {
	w.t.Helper()
	no := query[int64](w, `INSERT INTO fraud_flag (node_no, rule, rule_version, layer, severity, subject, evidence, at, found_at)
		SELECT node_no, 'of_a_test', 1, 0, 'critical', (SELECT count(*) FROM fraud_flag)::text, '{}', $2, $2 FROM payout WHERE payout_id = $1 RETURNING flag_no`, payoutID, w.chain.Now())
	w.judged()
	return fraud.Flag{No: no}.ID()
}

// judged lets the judge look once; it is a part of the program that does not end here.
func (w *world) judged() {
	w.t.Helper()
	if err := errors.Join(w.judge.RunOnce(w.t.Context()), w.payouts.CancelForfeited(w.t.Context())); err != nil {
		w.t.Fatal(err)
	}
}

// wantHeld says what of a node's money is where, after the judge's next look.
func (w *world) wantHeld(nodeID string, held, inFlight ledger.Amount) {
	w.t.Helper()
	w.judged()
	b, err := ledger.Balances(w.t.Context(), w.pool, nodeID)
	if err != nil {
		w.t.Fatal(err)
	}
	if b[ledger.KindHeld] != held || b[ledger.KindInFlight] != inFlight || b[ledger.KindPayable] != 0 {
		w.t.Errorf("%s: %v, want %s held and %s in flight", nodeID, b, held, inFlight)
	}
}

// What was under way when the node was held, and is dead, gets no other
// transaction: the money is the hold's, and is paid once after a release.
func TestHeldNodeGetsNoOtherTransactionForADeadOne(t *testing.T) {
	w := newFunded(t)
	w.chain.Fate = func(tron.ID) chaintest.Fate { return chaintest.Dropped }
	id := w.owe(1, ledger.USDT(100))
	w.run(1, 1)
	w.chain.Fate = nil
	flag := w.hold(id)
	w.wantHeld("node_1", 0, ledger.USDT(100)) // it is being paid already
	w.chain.Advance(400)
	w.run(10, 3)
	w.wantStatus(id, payout.Failed)
	w.wantHeld("node_1", ledger.USDT(101), 0)
	w.wantReceived(1, 0)
	if n := query[int](w, `SELECT count(*) FROM rail_attempt`); n != 1 {
		t.Errorf("%d transactions of a held node, want the one from before", n)
	}
	w.wantSound()
	w.wantEven()
	w.chain.Advance(1)
	if _, err := w.fraud.Decide(t.Context(), byAdmin, flag, fraud.Dismissed, "it was none"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.payouts.Retry(t.Context(), byAdmin, id); err != nil {
		t.Fatal(err)
	}
	w.wantPaidInTheEnd(id)
	w.wantHeld("node_1", 0, 0)
	w.wantEven()
}

// The program ended after it had taken a payout and before it signed; then the
// node was held.
func TestHeldNodeGetsNoTransactionForWhatWasTaken(t *testing.T) {
	w := newFunded(t)
	id := w.owe(1, ledger.USDT(100))
	if _, err := w.runner.take(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	w.hold(id)
	w.run(10, 3)
	w.wantStatus(id, payout.Failed)
	w.wantHeld("node_1", ledger.USDT(101), 0)
	if n := query[int](w, `SELECT count(*) FROM rail_attempt`); n != 0 {
		t.Errorf("%d transactions of a held node", n)
	}
	w.wantSound()
}

// While a transaction may still pay it, the money of a payout is not given back,
// also not by a runner that read of it before the other signed.
func TestHeldNodeKeepsWhatIsUnderWay(t *testing.T) {
	w := newFunded(t)
	id := w.owe(1, ledger.USDT(100))
	w.run(1, 0)
	w.hold(id)
	no := query[int64](w, `SELECT payout_no FROM payout`)
	if _, err := w.runner.failWithheld(t.Context(), payment{payoutNo: no, payoutID: id}); err == nil || !strings.Contains(err.Error(), "another runner has signed") {
		t.Errorf("what is under way is failed: %v", err)
	}
	w.wantStatus(id, payout.Processing)
	w.wantPaidInTheEnd(id)
	w.wantHeld("node_1", 0, 0)
}

// confirm lets a person find that it was fraud.
func (w *world) confirm(payoutID string) (nodeNo int32) {
	w.t.Helper()
	flag := w.hold(payoutID)
	w.chain.Advance(1)
	if _, err := w.fraud.Decide(w.t.Context(), byAdmin, flag, fraud.Confirmed, "it was"); err != nil {
		w.t.Fatal(err)
	}
	return query[int32](w, `SELECT node_no FROM payout WHERE payout_id = $1`, payoutID)
}

// A transaction that was under way when fraud was confirmed, and is dead, gets no
// other one, also when the node was started again meanwhile: its amount is the
// pool's, and stays there.
func TestADeadTransactionOfAConfirmedCheatIsNotSignedAgain(t *testing.T) {
	for name, again := range map[string]bool{"suspended": false, "started again": true} {
		t.Run(name, func(t *testing.T) {
			w := newFunded(t)
			w.chain.Fate = func(tron.ID) chaintest.Fate { return chaintest.Dropped }
			id := w.owe(1, ledger.USDT(100))
			w.run(1, 1)
			w.chain.Fate = nil
			no := w.confirm(id)
			if again {
				w.chain.Advance(1)
				err := db.InTx(t.Context(), w.pool, func(tx db.Tx) error {
					return node.SetStatus(t.Context(), tx, no, node.Active, "proven", w.chain.Now())
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			w.chain.Advance(400)
			w.run(10, 3)
			w.wantStatus(id, payout.Failed)
			w.wantHeld("node_1", 0, 0)
			if n := query[int](w, `SELECT count(*) FROM rail_attempt`); n != 1 {
				t.Errorf("%d transactions, want the one from before", n)
			}
			if back := query[int64](w, `SELECT balance FROM account WHERE kind = 'unallocated' AND owner = 'pool_gift'`); ledger.Amount(back) != ledger.USDT(101) {
				t.Errorf("%d came back to the pool", back)
			}
			if _, err := w.payouts.Retry(t.Context(), byAdmin, id); !fault.Has(err, fault.Held) {
				t.Errorf("retried: %v", err)
			}
			w.wantSound()
			w.wantEven()
		})
	}
}

// The same transaction, once it is in a block, has paid.
func TestWhatPaidAConfirmedCheatIsRecorded(t *testing.T) {
	w := newFunded(t)
	id := w.owe(1, ledger.USDT(100))
	w.run(1, 0)
	w.confirm(id)
	w.wantPaidInTheEnd(id)
	w.wantHeld("node_1", 0, 0)
	w.wantEven()
}

// A hold that begins between taking a payout and writing down what was signed
// for it comes in time.
func TestNothingIsSignedForWhoIsHeldSinceItWasTaken(t *testing.T) {
	w := newFunded(t)
	id := w.owe(1, ledger.USDT(100))
	taken, err := w.runner.take(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	w.hold(id)
	h, err := w.runner.heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := funds{tokens: ledger.USDT(10_000), sun: 10_000_000_000, room: 1}
	p := payment{payoutNo: taken.No, payoutID: id, payee: taken.WalletAddress, net: taken.NetAmount, quote: 1, feeLimit: 1}
	if err := w.runner.pay(t.Context(), h, &f, p); !fault.Has(err, fault.Held) {
		t.Errorf("signed: %v", err)
	}
	if n := query[int](w, `SELECT count(*) FROM rail_attempt`); n != 0 || len(w.chain.Sent()) != 0 {
		t.Errorf("%d transactions written down, %d sent", n, len(w.chain.Sent()))
	}
}
