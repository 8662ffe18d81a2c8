package payout_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

func (w *world) round(change ...func(*payout.Config)) {
	w.t.Helper()
	if err := payout.NewRound(w.store(change...), nil).RunOnce(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// only is the one payout of a node.
func (w *world) only(nodeNo int32) payout.Payout {
	w.t.Helper()
	payouts, total, err := w.store().List(w.t.Context(), nodeNo, payout.Filter{})
	if err != nil || total != 1 || len(payouts) != 1 {
		w.t.Fatalf("node has %d of %d payouts, %v; want one", len(payouts), total, err)
	}
	return payouts[0]
}

func TestRoundPaysFromTheThresholdOn(t *testing.T) {
	w := newWorld(t)
	reached, below := w.addNode("node_reached"), w.addNode("node_below")
	w.earn("node_reached", ledger.USDT(10))
	w.earn("node_below", ledger.USDT(10)-1)
	w.round()
	p := w.only(reached)
	if p.Amount != ledger.USDT(10) || p.Fee != 100_000 || p.NetAmount != 9_900_000 || p.Status != payout.Pending || p.Priority != "normal" ||
		p.WalletAddress != address || p.NodeID != "node_reached" || p.Currency != "USDT" || p.MaxRetries != 3 || !p.CreatedAt.Equal(w.now) ||
		!strings.HasPrefix(p.ID, "payout_") || len(p.ID) != 27 {
		t.Errorf("%+v", p)
	}
	if _, total, _ := w.store().List(t.Context(), below, payout.Filter{}); total != 0 {
		t.Errorf("a node below the threshold has %d payouts", total)
	}
	w.wantBalance(ledger.KindPayable, "node_reached", 0)
	w.wantBalance(ledger.KindInFlight, "node_reached", 9_900_000)
	w.wantBalance(ledger.KindFeePending, "", 100_000)
	w.wantSound()
}

// What a node had earned is its owner's, also once an admin deleted it or its
// machine gave it up.
func TestRoundPaysADeletedNode(t *testing.T) {
	w := newWorld(t)
	gone := w.addNode("node_gone")
	w.earn("node_gone", ledger.USDT(12))
	w.exec(`UPDATE node SET deleted_at = now(), status = 'inactive'`)
	w.round()
	if p := w.only(gone); p.Amount != ledger.USDT(12) || p.WalletAddress != address {
		t.Errorf("%+v", p)
	}
	w.wantSound()
}

func TestRoundLeavesOut(t *testing.T) {
	w := newWorld(t)
	w.addNode("node_without_address")
	w.exec(`UPDATE node SET payout_address = ''`)
	w.addNode("node_mistyped")
	w.exec(`UPDATE node SET payout_address = 'TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6u' WHERE node_id = 'node_mistyped'`)
	w.held[w.addNode("node_suspect")] = true
	live := w.addNode("node_live")
	w.earn("node_live", ledger.USDT(10))
	w.round()
	if p := w.only(live); p.Amount != ledger.USDT(10) {
		t.Fatalf("first payout of %s", p.Amount)
	}
	for _, id := range []string{"node_without_address", "node_mistyped", "node_suspect"} {
		w.earn(id, ledger.USDT(50))
	}
	w.addNode("node_ok")
	w.earn("node_ok", ledger.USDT(50))
	w.post(ledger.Accrue("more", ten, "pool_gift", []ledger.Share{{NodeID: "node_live", Amount: ledger.USDT(30)}}, 0))
	var log bytes.Buffer
	w.round(func(c *payout.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	if warned := log.String(); !strings.Contains(warned, "node_mistyped") || strings.Contains(warned, "node_without_address") {
		t.Errorf("only the mistyped address deserves a warning: %s", warned)
	}
	if got := query[string](w, `SELECT string_agg(node_id, ' ' ORDER BY payout_no) FROM payout JOIN node USING (node_no)`); got != "node_live node_ok" {
		t.Errorf("payouts of %s", got)
	}
	w.wantBalance(ledger.KindPayable, "node_suspect", ledger.USDT(50))
	w.wantBalance(ledger.KindPayable, "node_live", ledger.USDT(30))
	w.wantSound()
}

func TestFees(t *testing.T) {
	for name, c := range map[string]struct {
		gross, fee ledger.Amount
		change     func(*payout.Config)
	}{
		"one percent":     {ledger.USDT(25), 250_000, func(*payout.Config) {}},
		"rounded down":    {10_000_099, 100_000, func(*payout.Config) {}},
		"least fee":       {ledger.USDT(10), 300_000, func(c *payout.Config) { c.FeeMin = 300_000 }},
		"most fee":        {ledger.USDT(1000), 2_000_000, func(c *payout.Config) { c.FeeMax = 2_000_000 }},
		"other percent":   {ledger.USDT(10), 250_000, func(c *payout.Config) { c.FeeBasisPoints = 250 }},
		"none":            {ledger.USDT(10), 0, func(c *payout.Config) { c.FeeBasisPoints = payout.NoFee }},
		"most in one":     {ledger.USDT(10_000), ledger.USDT(100), func(*payout.Config) {}},
		"more than int64": {9_000_000_000_000_000_000, 900_000_000_000_000_000, func(c *payout.Config) { c.Max, c.FeeBasisPoints = 9_100_000_000_000_000_000, 1000 }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			no := w.addNode("node_a")
			w.earn("node_a", c.gross)
			w.round(c.change)
			if p := w.only(no); p.Amount != c.gross || p.Fee != c.fee || p.NetAmount != c.gross-c.fee {
				t.Errorf("gross %s, fee %s, net %s; want fee %s", p.Amount, p.Fee, p.NetAmount, c.fee)
			}
			w.wantSound()
		})
	}
}

func TestRoundPaysNoMoreThanTheMost(t *testing.T) {
	w := newWorld(t)
	no := w.addNode("node_rich")
	w.earn("node_rich", ledger.USDT(10_000)+5)
	w.round()
	if p := w.only(no); p.Amount != ledger.USDT(10_000) {
		t.Errorf("gross %s", p.Amount)
	}
	w.wantBalance(ledger.KindPayable, "node_rich", 5)
}

func TestConcurrentRounds(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"node_a", "node_b", "node_c"} {
		w.addNode(id)
		w.earn(id, ledger.USDT(40))
	}
	round := payout.NewRound(w.store(), nil)
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			if err := round.RunOnce(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := w.count("payout"); n != 3 {
		t.Errorf("%d payouts of three nodes", n)
	}
	w.wantBalance(ledger.KindInFlight, "node_b", 39_600_000)
	w.wantSound()
}

// The server ends our connection where a payout is stored, and at the commit
// itself. Nothing of the attempt stays; the next round makes the one payout.
func TestRoundKilledMidway(t *testing.T) {
	for name, trigger := range map[string]string{
		"insert": "TRIGGER zz_kill AFTER INSERT ON payout",
		"entry":  "TRIGGER zz_kill AFTER INSERT ON entry",
		"commit": "CONSTRAINT TRIGGER zz_kill AFTER INSERT ON payout DEFERRABLE INITIALLY DEFERRED",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			no := w.addNode("node_a")
			w.earn("node_a", ledger.USDT(12))
			w.exec(`CREATE FUNCTION kill() RETURNS trigger LANGUAGE plpgsql AS
				$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$`)
			w.exec("CREATE " + trigger + " FOR EACH ROW EXECUTE FUNCTION kill()")
			if err := payout.NewRound(w.store(), nil).RunOnce(t.Context()); err == nil {
				t.Fatal("the connection was not ended")
			}
			if n := w.count("payout"); n != 0 {
				t.Fatalf("left behind: %d payouts", n)
			}
			w.wantBalance(ledger.KindPayable, "node_a", ledger.USDT(12))
			w.exec("DROP FUNCTION kill CASCADE")
			w.round()
			if p := w.only(no); p.NetAmount != 11_880_000 {
				t.Errorf("net amount %s", p.NetAmount)
			}
			w.wantBalance(ledger.KindInFlight, "node_a", 11_880_000)
			w.wantBalance(ledger.KindPayable, "node_a", 0)
			w.wantSound()
		})
	}
}

func ExampleConfig() {
	_, err := payout.NewStore(payout.Config{Terms: payout.Terms{FeeBasisPoints: 10_000, Threshold: 5}})
	fmt.Println(err)
	// Output:
	// payout: Pool is required
	// payout: the fee of 10000 basis points is not from 0 to 9999
	// payout: the threshold 0.000005 must lie from the least payout 1 to the most 10000
}

func TestListPages(t *testing.T) {
	w := newWorld(t)
	store := w.store()
	no := w.addNode("node_a")
	w.addNode("node_other")
	w.earn("node_other", ledger.USDT(10))
	w.earn("node_a", ledger.USDT(10))
	for range 4 {
		w.round()
		if _, err := store.Cancel(t.Context(), byTest, w.listed(no, payout.Filter{Status: payout.Pending})[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	w.round()
	all := w.listed(no, payout.Filter{})
	if len(all) != 5 || all[0].Status != payout.Pending || all[0].No < all[4].No {
		t.Fatalf("%d payouts, first %+v", len(all), all[0])
	}
	same := func(name string, got, want []payout.Payout) {
		t.Helper()
		if len(got) != len(want) {
			t.Fatalf("%s: %d payouts, want %d", name, len(got), len(want))
		}
		for i := range got {
			if got[i].ID != want[i].ID {
				t.Errorf("%s: %s at %d, want %s", name, got[i].ID, i, want[i].ID)
			}
		}
	}
	newest := func(nodeIDs []string, f payout.Filter) ([]payout.Payout, int64) {
		t.Helper()
		list, next, err := store.Newest(t.Context(), nodeIDs, f)
		if err != nil {
			t.Fatal(err)
		}
		return list, next
	}
	first, next := newest(nil, payout.Filter{Status: payout.Cancelled, Limit: 3})
	same("newest of all nodes", first, all[1:4])
	rest, end := newest(nil, payout.Filter{Status: payout.Cancelled, Limit: 3, Before: next})
	same("what follows them", rest, all[4:])
	mine, _ := newest([]string{"node_a"}, payout.Filter{})
	same("of one node", mine, all)
	if none, _ := newest([]string{"node_b"}, payout.Filter{}); len(none) > 0 || end != 0 {
		t.Errorf("of another node %+v; the list goes on at %d", none, end)
	}
	same("page", w.listed(no, payout.Filter{Limit: 2, Offset: 2}), all[2:4])
	same("cursor", w.listed(no, payout.Filter{Limit: 2, Before: all[2].No}), all[3:])
	same("status", w.listed(no, payout.Filter{Status: payout.Cancelled}), all[1:])
	same("status and cursor", w.listed(no, payout.Filter{Status: payout.Cancelled, Before: all[3].No}), all[4:])
	if _, total, err := store.List(t.Context(), no, payout.Filter{Status: payout.Cancelled, Limit: 1, Before: all[3].No}); err != nil || total != 4 {
		t.Errorf("total %d, %v; want all 4 whatever the cursor", total, err)
	}
}
