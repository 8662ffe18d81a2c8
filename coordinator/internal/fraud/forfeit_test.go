package fraud

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

// Each pool gets back what it gave, also when most of it waited to be paid.
func TestConfirmedFraudReturnsWhatWaitsWithTheRest(t *testing.T) {
	w := newWorld(t)
	no := w.addNode(1, "pool_a")
	w.earn(no, "pool_a", ledger.USDT(60), false)
	w.earn(no, "pool_b", ledger.USDT(60), false)
	p, err := w.payouts.Create(t.Context(), byTest, "k", payout.Request{NodeID: "node_1", Amount: ledger.USDT(100)})
	if err != nil {
		t.Fatal(err)
	}
	w.found(found(frozenMetrics, no, "1", w.clock, nil)) // it holds nothing by itself
	w.decide(w.newest("node_1")[0], Confirmed)
	if p, err = w.payouts.Get(t.Context(), p.ID); err != nil || p.Status != payout.Cancelled {
		t.Errorf("%s, %v", p.Status, err)
	}
	w.wantBalance(ledger.KindUnallocated, "pool_a", ledger.USDT(60))
	w.wantBalance(ledger.KindUnallocated, "pool_b", ledger.USDT(60))
	w.wantBalance(ledger.KindPayable, "node_1", 0)
	w.wantSound()
}

// Who makes a payout has the ledger's lock. A decision that waited for it is
// younger, whenever it was asked for, and so forfeits that payout.
func TestADecisionIsAsOldAsItsTurn(t *testing.T) {
	w := newWorld(t)
	no := w.addNode(1, "pool_a")
	w.earn(no, "pool_a", ledger.USDT(20), false)
	w.cheat(no)
	w.run()
	cfg, asked := w.cfg, 0
	cfg.Now = func() time.Time {
		asked++
		if _, err := w.pool.Exec(t.Context(), `SELECT FROM ledger_head FOR UPDATE NOWAIT`); db.Code(err) != "55P03" {
			t.Errorf("its time was read while others could make payouts: %v", err)
		}
		return w.clock
	}
	s, err := NewStore(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Decide(t.Context(), byTest, w.newest("node_1")[0], Confirmed, "it was"); err != nil || asked == 0 {
		t.Errorf("asked for the time %d times, %v", asked, err)
	}
}
