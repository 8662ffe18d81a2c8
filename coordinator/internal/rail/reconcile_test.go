package rail

import (
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain/chaintest"
)

var byTest = audit.By{Actor: "user_test"}

// steal spends from the wallet behind the rail's back, and gives the transaction.
func (w *world) steal(to tron.Address, amount ledger.Amount) tron.ID {
	raw := tron.Transaction{
		Expiration: w.chain.Now().Add(lifetime).UnixMilli(), Timestamp: w.chain.Now().UnixMilli(), FeeLimit: 100_000_000,
		Owner: w.signer.Address(), Contract: w.contract, Data: tron.TransferCall(to, int64(amount)),
	}.Raw()
	w.chain.Spend(raw)
	w.chain.Advance(chaintest.SolidDepth + 3)
	return tron.IDOf(raw)
}

func (w *world) halts() string {
	w.t.Helper()
	list, err := w.payouts.Stoppages(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var reasons []string
	for _, s := range list {
		reasons = append(reasons, s.Reason)
	}
	return strings.Join(reasons, "; ")
}

func TestShortageHaltsAllPayouts(t *testing.T) {
	w := newFunded(t)
	w.steal(addressOf(66), 1)
	if err := w.run(5, 1); err == nil || !strings.Contains(err.Error(), "short of 0.000001 USDT") {
		t.Errorf("a missing unit is not told: %v", err)
	}
	if w.halts() != haltShort {
		t.Errorf("halts: %q", w.halts())
	}
	id := w.owe(1, ledger.USDT(100))
	w.run(10, 1)
	w.wantStatus(id, payout.Pending)
	usdt, trx, err := w.runner.Accept(t.Context(), byTest, "a test took it")
	if err != nil || usdt != 1 || trx == 0 || w.halts() != "" {
		t.Fatalf("accepted %s USDT and %s TRX, %v; halts %q", usdt, trx, err, w.halts())
	}
	w.run(20, 3)
	w.wantStatus(id, payout.Completed)
	w.wantEven()
}

func TestSurplusIsBookedAsReceived(t *testing.T) {
	w := newFunded(t)
	w.chain.Give(w.signer.Address(), 5, 7)
	w.run(6, 1)
	w.wantEven()
	if n := query[int](w, `SELECT count(*) FROM entry WHERE kind = 'receipt'`); n != 2 {
		t.Errorf("%d receipts are booked, want 2", n)
	}
	if w.halts() != "" {
		t.Errorf("halts: %q", w.halts())
	}
}

func TestPayoutThatTheWalletCannotCoverWaits(t *testing.T) {
	w := newFunded(t)
	id := w.owe(1, ledger.USDT(9_000))
	more := w.owe(2, ledger.USDT(9_000))
	err := w.run(25, 3)
	if err == nil || !strings.Contains(err.Error(), errFunds.Error()) {
		t.Errorf("nobody is told to fill the wallet: %v", err)
	}
	w.wantStatus(id, payout.Completed)
	w.wantStatus(more, payout.Pending)
	w.chain.Give(w.signer.Address(), int64(ledger.USDT(9_000)), 0)
	w.run(30, 3)
	w.wantStatus(more, payout.Completed)
	w.wantEven()
}

// A dump that is read into the server that it came from has identifier and
// timeline of before; its tables are others.
func TestRestoreIntoTheSameServerHalts(t *testing.T) {
	w := newFunded(t)
	owner, err := db.Open(t.Context(), w.owner)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	if _, err := owner.Exec(t.Context(), `ALTER TABLE rail_attempt RENAME TO dropped; CREATE TABLE rail_attempt (LIKE dropped INCLUDING ALL)`); err != nil {
		t.Fatal(err)
	}
	w.run(2, 1)
	if w.halts() != haltRestore {
		t.Errorf("halts: %q", w.halts())
	}
}

// After a restore the rail waits until every outflow since then is explained.
func TestRestoreHaltsUntilOutflowsAreMatched(t *testing.T) {
	w := newFunded(t)
	id := w.owe(1, ledger.USDT(100))
	// The backup is of now: that it is to be paid is all that it knows.
	lost := w.steal(addressOf(1), ledger.USDT(100)) // what was sent after the backup
	if _, err := w.pool.Exec(t.Context(), `UPDATE rail_state SET timeline = timeline + 1`); err != nil {
		t.Fatal(err)
	}
	w.restart(-1, false)
	err := w.run(10, 1)
	if err == nil || !strings.Contains(err.Error(), "not known here") || !strings.Contains(w.halts(), haltRestore) {
		t.Errorf("%v; halts %q", err, w.halts())
	}
	s, err := ReadStatus(t.Context(), w.pool, w.payouts, w.signer.Address().String())
	if err != nil || len(s.Outflows) != 1 || s.Outflows[0].Transaction != lost.String() {
		t.Fatalf("outflows %+v, %v", s.Outflows, err)
	}
	w.wantStatus(id, payout.Pending)
	if err := w.runner.MatchPayout(t.Context(), byTest, lost, id); err != nil {
		t.Fatal(err)
	}
	w.wantStatus(id, payout.Completed)
	w.wantReceived(1, ledger.USDT(100))
	w.run(10, 1)
	if !strings.Contains(w.halts(), haltRestore) {
		t.Error("payouts go on before the last transaction of before has had its time")
	}
	w.chain.Advance(24 * 60 * 20) // a day
	for range 24*60*20/searchBlocks + 10 {
		w.runOnce()
	}
	w.chain.Advance(1)
	w.run(6, 1)
	if w.halts() != "" {
		t.Errorf("halts: %q, %v", w.halts(), w.runOnce())
	}
	w.wantEven()
	next := w.owe(2, ledger.USDT(100))
	w.run(25, 3)
	w.wantStatus(next, payout.Completed)
}

func TestMatchRefusesWhatDidNotPayThePayout(t *testing.T) {
	w := newFunded(t)
	id := w.owe(1, ledger.USDT(100))
	less := w.steal(addressOf(1), ledger.USDT(99))
	if err := w.runner.MatchPayout(t.Context(), byTest, less, id); err == nil || !strings.Contains(err.Error(), "did not move") {
		t.Errorf("99 USDT pay 100: %v", err)
	}
	if err := w.runner.MatchPayout(t.Context(), byTest, tron.ID{1}, id); err == nil || !strings.Contains(err.Error(), "knows no final transaction") {
		t.Errorf("an unknown transaction pays: %v", err)
	}
	w.wantStatus(id, payout.Pending)
}

// A payout whose own transaction could still be included is not matched with
// another one: both would pay it.
func TestMatchWaitsForWhatIsUnderWay(t *testing.T) {
	w := newFunded(t)
	w.chain.Fate = func(tron.ID) chaintest.Fate { return chaintest.Dropped }
	id := w.owe(1, ledger.USDT(100))
	w.run(1, 1)
	w.chain.Fate = nil
	other := w.steal(addressOf(1), ledger.USDT(100))
	if err := w.runner.MatchPayout(t.Context(), byTest, other, id); !fault.Has(err, fault.StateNotAllowed) || !strings.Contains(err.Error(), "is under way until") {
		t.Errorf("matched: %v", err)
	}
	w.wantStatus(id, payout.Processing)
	w.chain.Advance(400)
	if err := w.runner.MatchPayout(t.Context(), byTest, other, id); err != nil {
		t.Fatal(err)
	}
	w.wantStatus(id, payout.Completed)
	w.run(10, 3)
	w.wantReceived(1, ledger.USDT(100))
	if n := query[int](w, `SELECT count(*) FROM rail_attempt WHERE state = 'dead'`); n != 1 {
		t.Errorf("%d dead attempts, want the one", n)
	}
	w.wantEven()
}

// A node that is of another network, or a database that paid on another one, is refused.
func TestAnotherNetworkIsRefused(t *testing.T) {
	w := newFunded(t)
	w.run(1, 1)
	w.runner.cfg.Network = "mainnet"
	if err := w.runOnce(); err == nil || !strings.Contains(err.Error(), "pays on private") {
		t.Errorf("another network: %v", err)
	}
	w.runner.networkKnown = false
	if err := w.runOnce(); err == nil || !strings.Contains(err.Error(), "which network") {
		t.Errorf("nodes that do not tell their first block: %v", err)
	}
}
