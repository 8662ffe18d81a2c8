package payout_test

import (
	"context"
	"testing"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

// killed runs a call while the server ends the connection at the trigger, if
// the call comes there, and then again without. The first leaves nothing behind
// where it told an error, the second does what is left to do, once.
func (w *world) killed(trigger string, run func() error) (hit bool) {
	w.t.Helper()
	before := w.balances()
	w.exec(`CREATE FUNCTION kill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$`)
	w.exec("CREATE " + trigger + " FOR EACH ROW EXECUTE FUNCTION kill()")
	err := run()
	if after := w.balances(); err != nil && after != before {
		w.t.Errorf("a part of it stands: %s\nbefore: %s", after, before)
	}
	w.exec("DROP FUNCTION kill CASCADE")
	if again := run(); again != nil && (err != nil || !fault.Has(again, fault.StateNotAllowed)) {
		w.t.Fatal(again)
	}
	w.wantSound()
	return err != nil
}

// atStep are triggers at each row that a step of a payout writes, and at its commit.
func atStep() map[string]string {
	return map[string]string{
		"payout": "TRIGGER zz_kill AFTER INSERT OR UPDATE ON payout",
		"entry":  "TRIGGER zz_kill AFTER INSERT ON entry",
		"event":  "TRIGGER zz_kill AFTER INSERT ON event_outbox",
		"audit":  "TRIGGER zz_kill AFTER INSERT ON audit_entry",
		"commit": "CONSTRAINT TRIGGER zz_kill AFTER INSERT OR UPDATE ON payout DEFERRABLE INITIALLY DEFERRED",
	}
}

// The server ends our connection at each step of every call that moves money,
// and at the commit itself.
func TestCallsKilledMidwayMoveNothingTwice(t *testing.T) {
	triggers := atStep()
	triggers["request"] = "TRIGGER zz_kill AFTER INSERT ON payout_request"
	for name, trigger := range triggers {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			one, two, three := w.earning("node_1", 20), w.earning("node_2", 20), w.earning("node_3", 20)
			store, ctx := w.store(), context.WithoutCancel(t.Context())
			making := func(run func() error) {
				t.Helper()
				if !w.killed(trigger, run) {
					t.Error("the connection was not ended")
				}
			}
			making(func() error { _, err := store.Create(ctx, byTest, "one", ask("node_1", 10)); return err })
			making(func() error {
				_, err := store.CreateBatch(ctx, byTest, "two", []payout.Request{ask("node_2", 10)})
				return err
			})
			plan, err := store.Plan(ctx, []payout.Request{ask("node_3", 10)})
			if err != nil {
				t.Fatal(err)
			}
			l := plan.Lines[0]
			planned := []payout.Planned{{Request: l.Request, Hash: l.Hash()}}
			making(func() error { _, err := store.Execute(ctx, byTest, "three", planned); return err })
			ids := []string{w.only(one).ID, w.only(two).ID, w.only(three).ID}
			w.wantTaken(9, "node_1 node_2 node_3")
			must(t)(w.fail(ids[1], "refused"))
			w.killed(trigger, func() error { _, err := store.Complete(ctx, byTest, ids[0], "c0ffee"); return err })
			w.killed(trigger, func() error { _, err := store.Retry(ctx, byTest, ids[1]); return err })
			w.wantBalance(ledger.KindPaidOut, "node_1", 9_900_000)
			w.wantBalance(ledger.KindFeeIncome, "", 100_000)
			w.wantBalance(ledger.KindPayable, "node_2", ledger.USDT(10))
			if a, b, c := w.only(one), w.only(two), w.only(three); a.Status != payout.Completed || b.Status != payout.Pending || b.RetryCount != 1 || c.Status != payout.Processing {
				t.Errorf("%s, %s after %d retries, %s", a.Status, b.Status, b.RetryCount, c.Status)
			}
		})
	}
}

// What waited for the end of a halt is cancelled by the same job whenever the
// coordinator dies, beside a judge that takes what its node has; until then no gate
// lets it pass, also of a node that works again.
func TestWhatIsForfeitedIsCancelledOnceWhoeverIsKilled(t *testing.T) {
	for name, trigger := range atStep() {
		t.Run(name, func(t *testing.T) {
			w, ctx := newSuspicious(t), context.WithoutCancel(t.Context())
			barred, one := w.member("node_a")
			works, other := w.member("node_b")
			w.forgotten()
			w.confirm(barred)
			w.confirm(works)
			w.startAgain(works)
			w.lift()
			shut := func() {
				t.Helper()
				for nodeID, id := range map[string]string{"node_a": one, "node_b": other} {
					if open := w.gates(nodeID, id); len(open) > 0 {
						t.Errorf("open for %s: %v", nodeID, open)
					}
				}
			}
			shut()
			if !w.killed(trigger, func() error { shut(); w.judged(); return w.CancelForfeited(ctx) }) {
				t.Error("the connection was not ended")
			}
			w.judged()
			shut()
			w.wantStatus(one, payout.Cancelled)
			w.wantStatus(other, payout.Cancelled)
			w.wantBalance(ledger.KindUnallocated, "pool_gift", ledger.USDT(400))
			for _, nodeID := range []string{"node_a", "node_b"} {
				w.wantBalance(ledger.KindInFlight, nodeID, 0)
				w.wantBalance(ledger.KindPayable, nodeID, 0)
			}
			w.wantBalance(ledger.KindFeePending, "", 0)
		})
	}
}
