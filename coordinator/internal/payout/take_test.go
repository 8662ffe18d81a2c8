package payout_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

const otherAddress = "TGfzB9BJFByWHrMQeSnv7mxfbSycTukXBL"

// waiting makes a node with a pending payout of 10 USDT.
func (w *world) waiting(id string) (nodeNo int32) {
	w.t.Helper()
	nodeNo = w.addNode(id)
	w.earn(id, ledger.USDT(10))
	w.round()
	return nodeNo
}

// take takes for the manual rail and gives the nodes in the order of the queue.
func (w *world) take(most int) (nodes string, err error) {
	w.t.Helper()
	var taken []payout.Payout
	err = db.InTx(w.t.Context(), w.pool, func(tx db.Tx) (err error) {
		taken, err = w.store().Take(w.t.Context(), tx, byTest, payout.Manual, most)
		return err
	})
	ids := make([]string, len(taken))
	for i, p := range taken {
		ids[i] = p.NodeID
	}
	return strings.Join(ids, " "), err
}

func (w *world) wantTaken(most int, want string) {
	w.t.Helper()
	if got, err := w.take(most); err != nil || got != want {
		w.t.Errorf("taken: %q, %v; want %q", got, err, want)
	}
}

func TestQueueGoesByPriorityThenAge(t *testing.T) {
	w := newWorld(t)
	for id, priority := range map[string]string{"node_d_low": "low", "node_a_urgent": "urgent", "node_b_high": "high"} {
		w.exec(`UPDATE payout SET priority = $1 WHERE node_no = $2`, priority, w.waiting(id))
	}
	w.waiting("node_c_first")
	w.waiting("node_c_second")
	w.wantTaken(3, "node_a_urgent node_b_high node_c_first")
	w.wantTaken(3, "node_c_second node_d_low")
	w.wantTaken(3, "")
	if n := query[int](w, `SELECT count(*) FROM payout WHERE status = 'processing' AND rail = 'manual' AND processed_at = $1`, w.now); n != 5 {
		t.Errorf("%d payouts were taken properly", n)
	}
	if n := query[int](w, `SELECT count(*) FROM audit_entry WHERE action = 'payout.processing' AND actor = 'user_test'`); n != 5 {
		t.Errorf("%d audit entries of 5 payouts", n)
	}
	w.wantSound()
}

func TestTakeLeavesOut(t *testing.T) {
	w := newWorld(t)
	w.held[w.waiting("node_held")] = true
	w.exec(`UPDATE payout SET scheduled_at = $1 WHERE node_no = $2`, w.now.Add(time.Minute), w.waiting("node_later"))
	w.waiting("node_homeless")
	w.exec(`UPDATE node SET payout_address = '' WHERE node_id = 'node_homeless'`)
	w.waiting("node_ok")
	w.wantTaken(1, "node_ok")
	w.wantTaken(9, "")
	w.held = nil
	w.now = w.now.Add(time.Minute)
	w.wantTaken(9, "node_held node_later")
}

// A loss of others: what was pending when the owner's address changed was paid
// to the one that he had given up.
func TestPaidToTheAddressThatCountsWhenPayingBegins(t *testing.T) {
	w := newWorld(t)
	no := w.waiting("node_a")
	w.exec(`UPDATE node SET payout_address = $1, payout_address_before = $2, payout_address_due = $3`, otherAddress, address, w.now.Add(time.Second))
	store := w.store()
	first := must(t)(store.Start(t.Context(), byTest, w.only(no).ID))
	if first.WalletAddress != address {
		t.Errorf("paid to %s, which does not count yet", first.WalletAddress)
	}
	must(t)(w.fail(first.ID, "refused"))
	must(t)(store.Retry(t.Context(), byTest, first.ID))
	w.now = w.now.Add(time.Second)
	w.wantTaken(1, "node_a")
	if p := w.only(no); p.WalletAddress != otherAddress || p.Rail != payout.Manual {
		t.Errorf("paid to %s by %q", p.WalletAddress, p.Rail)
	}
	if _, err := w.pool.Exec(t.Context(), `UPDATE payout SET wallet_address = $1`, address); err == nil || !strings.Contains(err.Error(), "changes only when it begins") {
		t.Errorf("the address of a payout that is being paid was changed: %v", err)
	}
}

func TestStartRefusesWhatCannotBePaid(t *testing.T) {
	w := newWorld(t)
	no := w.waiting("node_a")
	id, store := w.only(no).ID, w.store()
	w.held[no] = true
	refuse(t, fault.Held)(store.Start(t.Context(), byTest, id))
	w.held = nil
	w.exec(`UPDATE node SET payout_address = ''`)
	refuse(t, fault.BadPayoutAddress)(store.Start(t.Context(), byTest, id))
	w.exec(`UPDATE node SET payout_address = $1`, address)
	w.exec(`UPDATE payout SET scheduled_at = $1`, w.now.Add(time.Second))
	refuse(t, fault.StateNotAllowed)(store.Start(t.Context(), byTest, id))
	w.now = w.now.Add(time.Second)
	must(t)(store.Start(t.Context(), byTest, id))
	refuse(t, fault.StateNotAllowed)(store.Start(t.Context(), byTest, id))
}

// Many at once take each payout once.
func TestConcurrentTakes(t *testing.T) {
	w := newWorld(t)
	for _, id := range strings.Fields("node_a node_b node_c node_d node_e node_f") {
		w.waiting(id)
	}
	var group sync.WaitGroup
	var mu sync.Mutex
	var all []string
	for range 4 {
		group.Go(func() {
			got, err := w.take(2)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, strings.Fields(got)...)
		})
	}
	group.Wait()
	got, err := w.take(9) // what a taker skipped because another one held it
	if all = append(all, strings.Fields(got)...); err != nil || len(all) != 6 {
		t.Errorf("%d taken of 6, %v: %v", len(all), err, all)
	}
}

func TestHaltStopsAllUntilItIsLifted(t *testing.T) {
	w := newWorld(t)
	id, store, ctx := w.only(w.waiting("node_a")).ID, w.store(), t.Context()
	for _, reason := range []string{"wallet is short", "wallet is short", "drill"} {
		if err := store.Halt(ctx, byTest, reason); err != nil {
			t.Fatal(err)
		}
	}
	list, err := store.Stoppages(ctx)
	if err != nil || len(list) != 2 || list[0].Reason != "wallet is short" || list[0].By != "user_test" || !list[0].At.Equal(w.now) {
		t.Fatalf("%+v, %v", list, err)
	}
	for range list {
		if _, err := w.take(1); !fault.Has(err, fault.StateNotAllowed) || !strings.Contains(err.Error(), "drill") {
			t.Errorf("take while halted: %v", err)
		}
		refuse(t, fault.StateNotAllowed)(store.Start(ctx, byTest, id))
		first := list[0]
		list = list[1:]
		if err := store.Lift(ctx, byTest, first.No); err != nil {
			t.Fatal(err)
		}
		if err := store.Lift(ctx, byTest, first.No); !fault.Has(err, fault.OtherNotFound) {
			t.Errorf("lifted twice: %v", err)
		}
	}
	w.wantTaken(1, "node_a")
	if n := query[int](w, `SELECT count(*) FROM audit_entry WHERE action IN ('payout.halt', 'payout.lift')`); n != 4 {
		t.Errorf("%d audit entries of two halts", n)
	}
	told := query[string](w, `SELECT string_agg(concat_ws(' ', body->>'change', body->>'reason'), '; ' ORDER BY out_no) FROM event_outbox WHERE body->>'halt_no' IS NOT NULL`)
	if told != "halted wallet is short; halted drill; lifted wallet is short; lifted drill" {
		t.Errorf("told of halts: %s", told)
	}
	if err := store.Halt(ctx, byTest, ""); !fault.Has(err, fault.Validation) {
		t.Errorf("halt without a reason: %v", err)
	}
}

func TestOneTransactionPaysOnePayout(t *testing.T) {
	w := newWorld(t)
	first, second := w.only(w.waiting("node_a")).ID, w.only(w.waiting("node_b")).ID
	w.wantTaken(2, "node_a node_b")
	store := w.store()
	must(t)(store.Complete(t.Context(), byTest, first, "c0ffee"))
	if _, err := store.Complete(t.Context(), byTest, second, "c0ffee"); !fault.Has(err, fault.StateNotAllowed) || !strings.Contains(err.Error(), first) {
		t.Errorf("one transaction for two payouts: %v", err)
	}
	must(t)(store.Complete(t.Context(), byTest, second, "c0ffe2"))
	w.wantSound()
}

// The wallet's list and the explorer spell ids in different cases.
func TestOneTransactionPaysOnePayoutInWhateverCase(t *testing.T) {
	w := newWorld(t)
	first, second := w.only(w.waiting("node_a")).ID, w.only(w.waiting("node_b")).ID
	w.wantTaken(2, "node_a node_b")
	store, id := w.store(), strings.Repeat("0a1B", 16)
	if p := must(t)(store.Complete(t.Context(), byTest, first, id)); *p.TransactionHash != strings.ToLower(id) {
		t.Errorf("an id is kept as %s", *p.TransactionHash)
	}
	for _, again := range []string{id, strings.ToLower(id), strings.ToUpper(id), "0x" + id} {
		if _, err := store.Complete(t.Context(), byTest, second, again); !fault.Has(err, fault.StateNotAllowed) || !strings.Contains(err.Error(), first) {
			t.Errorf("%s paid a second payout: %v", again, err)
		}
	}
	must(t)(store.Complete(t.Context(), byTest, second, "Withdrawal-17"))
	third := w.only(w.waiting("node_c")).ID
	w.wantTaken(1, "node_c")
	refuse(t, fault.StateNotAllowed)(store.Complete(t.Context(), byTest, third, "WITHDRAWAL-17"))
	w.wantSound()
}

// What a rail pays by itself, no hand completes.
func TestCompletedByItsOwnRailOnly(t *testing.T) {
	w := newWorld(t)
	id := w.only(w.waiting("node_a")).ID
	err := db.InTx(t.Context(), w.pool, func(tx db.Tx) error {
		_, err := w.store().TakeOne(t.Context(), tx, byTest, payout.TRON, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, fault.StateNotAllowed)(w.store().Complete(t.Context(), byTest, id, "c0ffee"))
	w.wantBalance(ledger.KindInFlight, "node_a", 9_900_000)
}

func TestCancelPendingOfANode(t *testing.T) {
	w := newWorld(t)
	a, b := w.waiting("node_a"), w.waiting("node_b")
	cancel := func(no int32) {
		t.Helper()
		err := db.InTx(t.Context(), w.pool, func(tx db.Tx) error {
			return w.store().CancelPending(t.Context(), tx, byTest, no, "held for fraud", w.now)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	cancel(a)
	cancel(a)
	if p := w.only(a); p.Status != payout.Cancelled || *p.ErrorMessage != "held for fraud" {
		t.Errorf("%+v", p)
	}
	w.wantTaken(9, "node_b")
	cancel(b)
	if p := w.only(b); p.Status != payout.Processing {
		t.Errorf("what is being paid was cancelled: %+v", p)
	}
	w.wantBalance(ledger.KindPayable, "node_a", ledger.USDT(10))
	w.wantSound()
}
