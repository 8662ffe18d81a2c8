package ledger_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.UTC)

func post(t *testing.T, pool *db.Pool, e ledger.Entry) (ledger.Posted, error) {
	t.Helper()
	var posted ledger.Posted
	err := db.InTx(t.Context(), pool, func(tx db.Tx) (err error) {
		posted, err = ledger.Post(t.Context(), tx, e)
		return err
	})
	return posted, err
}

func mustPost(t *testing.T, pool *db.Pool, e ledger.Entry) ledger.Posted {
	t.Helper()
	posted, err := post(t, pool, e)
	if err != nil {
		t.Fatal(err)
	}
	return posted
}

func balance(t *testing.T, pool *db.Pool, kind ledger.Kind, owner string) ledger.Amount {
	t.Helper()
	amount, err := ledger.Balance(t.Context(), pool, ledger.Account{Kind: kind, Owner: owner})
	if err != nil {
		t.Fatal(err)
	}
	return amount
}

func wantSound(t *testing.T, pool *db.Pool, entries int64) {
	t.Helper()
	audit, err := ledger.Verify(t.Context(), pool)
	if err != nil || audit.Difference != "" || audit.Entries != entries {
		t.Fatalf("Verify: %d entries, %q, %v; want %d sound ones", audit.Entries, audit.Difference, err, entries)
	}
}

func pay(node string, amount ledger.Amount) ledger.Entry {
	return ledger.Accrue("epoch of "+node, noon, "pool_a", []ledger.Share{{NodeID: node, Amount: amount}}, 0)
}

// The life of 10 USDT, account by account.
func TestFlows(t *testing.T) {
	pool := dbtest.New(t)
	shares := []ledger.Share{{NodeID: "node_a", Amount: 10_000_000}, {NodeID: "node_b", Amount: 7, Held: true}, {NodeID: "node_c"}}
	mustPost(t, pool, ledger.Accrue("e1", noon, "pool_a", shares, 3))
	mustPost(t, pool, ledger.Hold("h1", noon, "node_a", 1_000_000))
	mustPost(t, pool, ledger.Release("r1", noon, "node_a", 1_000_000))
	mustPost(t, pool, ledger.Reserve("p1/0", noon, "node_a", 9_900_000, 100_000))
	mustPost(t, pool, ledger.Void("p1/0", noon, "node_a", 9_900_000, 100_000))
	mustPost(t, pool, ledger.Reserve("p1/1", noon, "node_a", 9_900_000, 100_000))
	if got := balance(t, pool, ledger.KindInFlight, "node_a"); got != 9_900_000 {
		t.Errorf("in flight: %s", got)
	}
	mustPost(t, pool, ledger.Settle("p1/1", noon, "node_a", 9_900_000, 100_000))
	for account, want := range map[ledger.Account]ledger.Amount{
		{Kind: ledger.KindPoolExpense, Owner: "pool_a"}: -10_000_010,
		{Kind: ledger.KindUnallocated, Owner: "pool_a"}: 3,
		{Kind: ledger.KindHeld, Owner: "node_b"}:        7,
		{Kind: ledger.KindPayable, Owner: "node_a"}:     0,
		{Kind: ledger.KindHeld, Owner: "node_a"}:        0,
		{Kind: ledger.KindInFlight, Owner: "node_a"}:    0,
		{Kind: ledger.KindPaidOut, Owner: "node_a"}:     9_900_000,
		{Kind: ledger.KindFeePending}:                   0,
		{Kind: ledger.KindFeeIncome}:                    100_000,
		{Kind: ledger.KindPayable, Owner: "node_c"}:     0,
	} {
		if got := balance(t, pool, account.Kind, account.Owner); got != want {
			t.Errorf("%s %s: %s, want %s", account.Kind, account.Owner, got, want)
		}
	}
	wantSound(t, pool, 7)
}

func TestPostAgainMovesNothing(t *testing.T) {
	pool := dbtest.New(t)
	first := mustPost(t, pool, pay("node_a", 5))
	later := pay("node_a", 5)
	later.At = noon.Add(time.Hour)
	again := mustPost(t, pool, later)
	if !again.Again || first.Again {
		t.Errorf("Again: first %t, then %t", first.Again, again.Again)
	}
	again.Again = false
	if again != first {
		t.Errorf("posted again: %+v, first %+v", again, first)
	}
	if got := balance(t, pool, ledger.KindPayable, "node_a"); got != 5 {
		t.Errorf("payable %s after the same entry twice", got)
	}
	if _, err := post(t, pool, pay("node_a", 6)); !fault.Has(err, fault.IdempotencyReuse) {
		t.Errorf("other amount under the same ref: %v", err)
	}
	wantSound(t, pool, 1)
}

func TestPostRefusesOverdraft(t *testing.T) {
	pool := dbtest.New(t)
	mustPost(t, pool, pay("node_a", 100))
	if _, err := post(t, pool, ledger.Reserve("p1", noon, "node_a", 100, 1)); !fault.Has(err, fault.BalanceTooSmall) {
		t.Fatalf("101 out of 100: %v", err)
	}
	mustPost(t, pool, ledger.Reserve("p1", noon, "node_a", 99, 1))
	wantSound(t, pool, 2)
}

func TestPostRefusesImpossibleEntries(t *testing.T) {
	pool := dbtest.New(t)
	a, b := ledger.Account{Kind: ledger.KindPoolExpense, Owner: "a"}, ledger.Account{Kind: ledger.KindPoolExpense, Owner: "b"}
	c, d := ledger.Account{Kind: ledger.KindPoolExpense, Owner: "c"}, ledger.Account{Kind: ledger.KindPoolExpense, Owner: "d"}
	for name, test := range map[string]struct {
		postings []ledger.Posting
		want     string
	}{
		"none":        {nil, "has 0 postings"},
		"one":         {[]ledger.Posting{{a, 1}}, "has 1 postings"},
		"unbalanced":  {[]ledger.Posting{{a, 1}, {b, -2}}, "off balance by -0.000001"},
		"zero":        {[]ledger.Posting{{a, 0}, {b, 0}}, "empty or a second one"},
		"twice":       {[]ledger.Posting{{a, 1}, {a, -1}}, "empty or a second one"},
		"wrapping":    {[]ledger.Posting{{a, math.MinInt64}, {b, math.MinInt64}}, "overflows"},
		"wrapping up": {[]ledger.Posting{{a, math.MaxInt64}, {b, math.MaxInt64}, {c, 1}, {d, 1}}, "overflows"},
	} {
		_, err := post(t, pool, ledger.Entry{Kind: "accrue", Ref: name, At: noon, Postings: test.postings})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %q", name, err, test.want)
		}
	}
	wantSound(t, pool, 0)
}

func TestRollbackLeavesNothing(t *testing.T) {
	pool := dbtest.New(t)
	boom := errors.New("boom")
	err := db.InTx(t.Context(), pool, func(tx db.Tx) error {
		if _, err := ledger.Post(t.Context(), tx, pay("node_a", 5)); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) || balance(t, pool, ledger.KindPayable, "node_a") != 0 {
		t.Fatalf("after a rollback: %v, payable %s", err, balance(t, pool, ledger.KindPayable, "node_a"))
	}
	mustPost(t, pool, pay("node_a", 5))
	wantSound(t, pool, 1)
}

// Many at once, each entry tried by two: every one is posted exactly once, in
// one chain, whatever the order.
func TestConcurrentPosts(t *testing.T) {
	pool := dbtest.New(t)
	const entries, writers = 60, 8
	mustPost(t, pool, pay("node_source", entries))
	var group sync.WaitGroup
	work := make(chan int, 2*entries)
	for i := range 2 * entries {
		work <- i / 2
	}
	close(work)
	for range writers {
		group.Go(func() {
			for i := range work {
				e := ledger.Reserve(fmt.Sprintf("p%d", i), noon, "node_source", 1, 0)
				if _, err := post(t, pool, e); err != nil {
					t.Errorf("payout %d: %v", i, err)
				}
			}
		})
	}
	group.Wait()
	if got := balance(t, pool, ledger.KindInFlight, "node_source"); got != entries {
		t.Errorf("in flight %d, want %d", got, entries)
	}
	wantSound(t, pool, entries+1)
}
