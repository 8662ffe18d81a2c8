package rail

import (
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain/chaintest"
)

// How others lost money, each tried here. First: the answer to a broadcast was
// lost, the money was credited back, and paid again by a second transaction.
func TestLossTimeoutCreditedBackAndPaidAgain(t *testing.T) {
	w := newFunded(t)
	id := w.owe(1, ledger.USDT(100))
	w.full.Faults = func(path string) chaintest.Answer {
		if strings.HasSuffix(path, "broadcasthex") {
			return chaintest.LostAfter
		}
		return chaintest.Truth
	}
	unseen := func(string) chaintest.Answer { return chaintest.Unknown }
	w.run(3, 0)
	w.solid[0].Faults, w.solid[1].Faults = onReceipts(unseen), onReceipts(unseen) // nobody tells of it
	w.chain.Advance(400)                                                          // and it has long expired
	if err := w.run(5, 10); err == nil || !strings.Contains(err.Error(), "holds it") {
		t.Errorf("the rail does not say that a block holds it: %v", err)
	}
	w.wantStatus(id, payout.Processing)
	w.wantSound()
	w.solid[0].Faults, w.solid[1].Faults, w.full.Faults = nil, nil, nil
	w.run(3, 3)
	w.wantStatus(id, payout.Completed)
	w.wantReceived(1, ledger.USDT(100))
	w.wantSound()
	w.wantEven()
}

func onReceipts(how func(string) chaintest.Answer) func(string) chaintest.Answer {
	return func(path string) chaintest.Answer {
		if strings.HasSuffix(path, "gettransactioninfobyid") {
			return how(path)
		}
		return chaintest.Truth
	}
}

// Second: a node refused the transaction, and the payout was marked as paid
// all the same, with an empty hash.
func TestLossMarkedRedeemedWithAnEmptyHash(t *testing.T) {
	w := newFunded(t)
	id := w.owe(1, ledger.USDT(100))
	w.full.Faults = func(path string) chaintest.Answer {
		if strings.HasSuffix(path, "broadcasthex") {
			return chaintest.Duplicate // it never arrives, and is called known
		}
		return chaintest.Truth
	}
	w.run(20, 3)
	w.wantStatus(id, payout.Processing)
	if n := query[int](w, `SELECT count(*) FROM payout WHERE status = 'completed' OR transaction_hash IS NOT NULL`); n > 0 {
		t.Errorf("%d payouts are marked as paid", n)
	}
	w.full.Faults = nil
	w.chain.Advance(310) // it expires, is proven dead, and a new one is sent
	w.run(30, 3)
	w.wantStatus(id, payout.Completed)
	w.wantSound()
	if hash := query[string](w, `SELECT transaction_hash FROM payout`); hash != w.chain.Mined()[0].ID.String() {
		t.Errorf("transaction_hash is %q", hash)
	}
	if states := query[string](w, `SELECT string_agg(state, ' ' ORDER BY attempt_no) FROM rail_attempt`); states != "dead paid" {
		t.Errorf("attempts are %s, want dead paid", states)
	}
}

// Third: what was to be paid stood in a queue in memory, and was gone after a
// crash; or was sent, and nobody knew. The program ends at every single step.
func TestLossQueueInMemoryLostAtACrash(t *testing.T) {
	for _, after := range []bool{false, true} {
		w := newFunded(t)
		id := w.owe(1, ledger.USDT(100))
		settled := 0
		for step := 1; settled == 0 && step < 200; step++ {
			w.restart(step, after)
			w.runOnce()
			w.now = &process{left: -1}
			w.wantSound()
			if w.status(id) == payout.Completed {
				settled = step
			}
			w.chain.Advance(1)
		}
		w.restart(-1, false)
		w.run(40, 3)
		w.wantStatus(id, payout.Completed)
		w.wantReceived(1, ledger.USDT(100))
		w.wantSound()
		w.wantEven()
		if settled == 0 {
			t.Errorf("no run came to its end in 200 steps")
		}
	}
}

// Fourth: the owner changed the address, and a payment that was prepared before
// went to the old one; or one under way was sent again to the new one as well.
func TestLossPaidToAnOldAddress(t *testing.T) {
	w := newFunded(t)
	moved, begun := w.owe(1, ledger.USDT(100)), ""
	w.moveTo(moved, 9)
	w.run(1, 0)
	begun = query[string](w, `SELECT payee FROM rail_attempt`)
	if begun != addressOf(9).String() {
		t.Errorf("it is paid to %s, want the address that counts now", begun)
	}
	// From now on it is fixed: a later change is for the next payout.
	w.moveTo(moved, 8)
	w.restart(-1, false)
	w.run(20, 3)
	w.wantStatus(moved, payout.Completed)
	w.wantReceived(9, ledger.USDT(100))
	w.wantReceived(8, 0)
	w.wantReceived(1, 0)
	w.wantSound()
	// And the database refuses a transaction to any other than the payout's address.
	other := w.owe(2, ledger.USDT(50))
	if _, err := w.runner.take(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	h, err := w.runner.heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	no := query[int64](w, `SELECT payout_no FROM payout WHERE payout_id = $1`, other)
	a, err := w.runner.sign(t.Context(), payment{payoutNo: no, payoutID: other, payee: addressOf(7).String(), net: ledger.USDT(50), quote: 1}, h.lower(), h.lower(), w.chain.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.runner.commit(t.Context(), &a, w.chain.Now()); err == nil || !strings.Contains(err.Error(), "is not being paid by this rail") {
		t.Errorf("a transaction to another address is written down: %v", err)
	}
}

// A transfer that fails on the chain costs its fee, and the node has its money back.
func TestFailedTransferIsVoidedAndItsFeeBooked(t *testing.T) {
	w := newFunded(t)
	w.chain.Fate = func(tron.ID) chaintest.Fate { return chaintest.Reverted }
	id := w.owe(1, ledger.USDT(100))
	w.run(20, 3)
	w.wantStatus(id, payout.Failed)
	w.wantReceived(1, 0)
	payable := query[int64](w, `SELECT balance FROM account WHERE kind = 'payable'`)
	burnt := query[int64](w, `SELECT balance FROM account WHERE kind = 'trx_burnt'`)
	if payable != int64(ledger.USDT(101)) || burnt != w.chain.Mined()[0].FeeSun {
		t.Errorf("%d is payable and %d sun are booked", payable, burnt)
	}
	w.wantSound()
	w.wantEven()
}

// One that burns all that it may takes no more than was set aside for it: before
// the nodes tell of it, the wallet is not short of anything.
func TestTransferThatBurnsAllItMayHaltsNothing(t *testing.T) {
	w := newFunded(t)
	w.chain.Fate = func(tron.ID) chaintest.Fate { return chaintest.Starved }
	id := w.owe(1, ledger.USDT(100))
	unseen := onReceipts(func(string) chaintest.Answer { return chaintest.Unknown })
	w.solid[0].Faults, w.solid[1].Faults = unseen, unseen
	if err := w.run(20, 3); err != nil {
		t.Error(err)
	}
	w.wantStatus(id, payout.Processing)
	w.solid[0].Faults, w.solid[1].Faults = nil, nil
	w.run(3, 3)
	w.wantStatus(id, payout.Failed)
	estimate := query[int64](w, `SELECT estimate_sun FROM rail_attempt`)
	if fee := w.chain.Mined()[0].FeeSun; fee <= estimate || fee > 2*estimate {
		t.Errorf("it burnt %d sun, want more than the estimate of %d and at most twice that", fee, estimate)
	}
	w.wantSound()
	w.wantEven()
}

// Transfers of one amount to one address at one moment are different transactions.
func TestEqualPaymentsAreDifferentTransactions(t *testing.T) {
	w := newFunded(t)
	first, second := w.owe(1, ledger.USDT(100)), w.owe(2, ledger.USDT(100))
	w.moveTo(second, 1)
	w.run(25, 3)
	w.wantStatus(first, payout.Completed)
	w.wantStatus(second, payout.Completed)
	w.wantReceived(1, ledger.USDT(200))
	w.wantSound()
}

// Before the price of TRX is known, or when it is old, nothing is sent.
func TestNothingBeginsWithoutAPrice(t *testing.T) {
	w := newFunded(t)
	id := w.owe(1, ledger.USDT(100))
	w.cost.PriceAt = ten.Add(-8 * 24 * time.Hour)
	w.restart(-1, false)
	w.run(10, 1)
	w.wantStatus(id, payout.Pending)
	s, err := ReadStatus(t.Context(), w.pool, w.payouts, w.signer.Address().String())
	if err != nil || len(s.Deferred) != 1 || !strings.Contains(s.Deferred[0].Reason, "older than") {
		t.Errorf("%+v, %v", s, err)
	}
	w.cost.PriceAt = ten
	w.restart(-1, false)
	w.chain.Advance(1300) // an hour later
	w.run(25, 3)
	w.wantStatus(id, payout.Completed)
}

// A node on another fork tells a block that the chain never had: a transaction
// that refers to it would hang for ever, in no block and not proven dead.
func TestNothingIsSignedUponABlockOfOneNodeOnly(t *testing.T) {
	for i := range 2 {
		w := newFunded(t)
		id := w.owe(1, ledger.USDT(100))
		w.solid[i].Faults = func(path string) chaintest.Answer {
			if strings.HasSuffix(path, "getnowblock") {
				return chaintest.OtherFork
			}
			return chaintest.Truth
		}
		if err := w.run(3, 2); err == nil || !strings.Contains(err.Error(), "different final blocks") {
			t.Errorf("node %d is on another fork: %v", i, err)
		}
		if n := query[int](w, `SELECT count(*) FROM rail_attempt`); n > 0 {
			t.Errorf("node %d is on another fork, and %d transactions are signed", i, n)
		}
		w.solid[i].Faults = nil
		w.run(20, 3)
		w.wantStatus(id, payout.Completed)
		w.wantSound()
	}
}
