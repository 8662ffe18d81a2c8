package fraud

import (
	"slices"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
)

// found stores what a rule found.
func (w *world) found(flags ...Found) {
	w.t.Helper()
	err := db.InTx(w.t.Context(), w.pool, func(tx db.Tx) error {
		_, err := w.keep(w.t.Context(), tx, flags)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// newest are the ids of a node's flags, newest first.
func (w *world) newest(nodeID string) (ids []string) {
	w.t.Helper()
	flags, _, err := w.List(w.t.Context(), Filter{NodeID: nodeID})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range flags {
		ids = append(ids, f.ID())
	}
	return ids
}

func (w *world) decide(flagID string, d Decision) Flag {
	w.t.Helper()
	w.clock = w.clock.Add(time.Second)
	f, err := w.Decide(w.t.Context(), byTest, flagID, d, "looked at it")
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

// Who dismisses what lasts is not asked again tomorrow, but of something else, of
// another node, and after a month.
func TestADismissedRuleIsQuietAboutTheNode(t *testing.T) {
	w := newWorld(t)
	one, other := w.addNode(1, "pool_a"), w.addNode(2, "pool_a")
	speak := func(rule string, no int32) { w.found(found(rule, no, day(w.clock), w.clock, nil)) }
	open := func(no int32) int {
		return query[int](w, `SELECT count(*) FROM fraud_flag f WHERE node_no = $1 AND NOT EXISTS (SELECT FROM fraud_decision d WHERE d.flag_no = f.flag_no)`, no)
	}
	for range 3 {
		speak(cohortSlow, one)
		speak(cohortSlow, other)
		w.clock = w.clock.AddDate(0, 0, 1)
	}
	speak(bootTimeBack, one)
	w.decide(w.newest("node_1")[1], Dismissed)
	if n := open(one); n != 1 {
		t.Errorf("%d flags open, want that of the other rule", n)
	}
	w.decide(w.newest("node_1")[0], Dismissed)
	if n := open(other); n != 3 {
		t.Errorf("%d flags of the other node are open, want 3", n)
	}
	w.clock = w.clock.AddDate(0, 0, 1)
	speak(cohortSlow, one)
	speak(cohortMisses, one)
	speak(bootTimeBack, one)
	speak(cohortSlow, other)
	if mine, others := open(one), open(other); mine != 2 || others != 4 {
		t.Errorf("%d and %d flags open on the day after, want 2 and 4", mine, others)
	}
	w.clock = w.clock.Add(quietFor)
	speak(cohortSlow, one)
	if n := open(one); n != 3 {
		t.Errorf("%d flags open after a month, want 3", n)
	}
}

// Who dismisses a flag has not read what came since he looked.
func TestADismissalLeavesOpenWhatCameAfterTheFlag(t *testing.T) {
	w := newWorld(t)
	no := w.addNode(1, "pool_a")
	w.earn(no, "pool_a", ledger.USDT(20), false)
	speak := func(rule string) { w.found(found(rule, no, day(w.clock), w.clock, nil)) }
	speak(cohortSlow)
	speak(frozenMetrics)
	w.run()
	w.clock = w.clock.AddDate(0, 0, 1)
	speak(cohortSlow)
	read := w.newest("node_1") // all that an admin sees
	w.clock = w.clock.AddDate(0, 0, 1)
	speak(cohortSlow)
	w.decide(read[0], Dismissed)
	states := query[[]string](w, `SELECT array_agg(coalesce(d.decision, 'open') ORDER BY flag_no) FROM fraud_flag LEFT JOIN fraud_decision d USING (flag_no) WHERE rule = $1`, cohortSlow)
	if want := []string{"dismissed", "dismissed", "open"}; !slices.Equal(states, want) {
		t.Errorf("%v, want %v", states, want)
	}
	if !w.held(no) {
		t.Error("released although a flag that nobody read supports the hold")
	}
	w.decide(w.newest("node_1")[0], Dismissed)
	if w.held(no) {
		t.Error("still held")
	}
}

// A confirmed flag is no reason to be quiet.
func TestAConfirmedRuleGoesOn(t *testing.T) {
	w := newWorld(t)
	no := w.addNode(1, "pool_a")
	w.found(found(cohortSlow, no, day(w.clock), w.clock, nil))
	w.decide(w.newest("node_1")[0], Confirmed)
	w.clock = w.clock.AddDate(0, 0, 1)
	w.found(found(cohortSlow, no, day(w.clock), w.clock, nil))
	if n := len(w.newest("node_1")); n != 2 {
		t.Errorf("%d flags, want 2", n)
	}
}

func TestDismissedFlagsReleaseTheMoney(t *testing.T) {
	w := newWorld(t)
	no := w.addNode(1, "pool_a")
	w.earn(no, "pool_a", ledger.USDT(20), false)
	w.cheat(no)
	w.run()
	flags := w.newest("node_1")
	if len(flags) != 2 {
		t.Fatalf("flags %v", flags)
	}
	w.decide(flags[0], Dismissed)
	if !w.held(no) {
		t.Error("released although another flag of L1 is open")
	}
	if f := w.decide(flags[1], Dismissed); f.State != State(Dismissed) || *f.DecidedBy != byTest.Actor || *f.Reason != "looked at it" {
		t.Errorf("%+v", f)
	}
	if w.held(no) {
		t.Error("still held")
	}
	w.wantBalance(ledger.KindPayable, "node_1", ledger.USDT(20))
	w.wantBalance(ledger.KindHeld, "node_1", 0)
	w.run()
	if w.held(no) {
		t.Error("held again for what was decided")
	}
	if _, err := w.Decide(t.Context(), byTest, flags[0], Confirmed, "after all"); !fault.Has(err, fault.StateNotAllowed) {
		t.Errorf("a second decision: %v", err)
	}
	w.wantSound()
}

// Vetting and suspicion hold money each for itself.
func TestAReleasedNodeThatIsStillVettedKeepsItsMoneyHeld(t *testing.T) {
	w := newWorld(t)
	w.vetted = false
	no := w.addNode(1, "pool_a")
	w.earn(no, "pool_a", ledger.USDT(3), true)
	w.cheat(no)
	w.run()
	for _, id := range w.newest("node_1") {
		w.decide(id, Dismissed)
	}
	if w.held(no) {
		t.Error("still held for fraud")
	}
	w.wantBalance(ledger.KindHeld, "node_1", ledger.USDT(3))
	w.wantBalance(ledger.KindPayable, "node_1", 0)
}

func TestConfirmedFraudReturnsTheMoneyToItsPools(t *testing.T) {
	w := newWorld(t)
	no := w.addNode(1, "pool_a")
	w.earn(no, "pool_b", ledger.USDT(5), false)
	w.earn(no, "pool_a", ledger.USDT(20), false)
	w.earn(no, "pool_b", ledger.USDT(7), true)
	w.cheat(no)
	w.run()
	flags := w.newest("node_1")
	w.decide(flags[0], Confirmed)
	w.wantBalance(ledger.KindPayable, "node_1", 0)
	w.wantBalance(ledger.KindHeld, "node_1", 0)
	w.wantBalance(ledger.KindUnallocated, "pool_a", ledger.USDT(20))
	w.wantBalance(ledger.KindUnallocated, "pool_b", ledger.USDT(12))
	w.wantSound()
	if status := query[string](w, `SELECT status FROM node WHERE node_no = $1`, no); status != string(node.Suspended) || w.held(no) {
		t.Errorf("status %s, held %v", status, w.held(no))
	}
	if f, err := flag(t.Context(), w.pool, flags[1]); err != nil || f.State != State(Confirmed) {
		t.Errorf("the other open flag: %s, %v", f.State, err)
	}
	if n := query[int](w, `SELECT count(*) FROM audit_entry WHERE action = 'fraud.confirmed' AND actor = $1`, byTest.Actor); n != 1 {
		t.Errorf("%d audit entries", n)
	}
}

// What a node had earned stays on record when it is deleted, and so does what it did.
func TestConfirmedFraudOfADeletedNodeTakesTheMoneyAndLeavesTheNodeDeleted(t *testing.T) {
	w := newWorld(t)
	no := w.addNode(1, "pool_a")
	w.earn(no, "pool_a", ledger.USDT(20), false)
	w.cheat(no)
	w.run()
	w.exec(`UPDATE node SET status = 'inactive', status_reason = 'deleted', pool_no = NULL, deleted_at = $2 WHERE node_no = $1`, no, w.clock)
	w.decide(w.newest("node_1")[0], Confirmed)
	w.wantBalance(ledger.KindUnallocated, "pool_a", ledger.USDT(20))
	if status := query[string](w, `SELECT status || ', ' || status_reason FROM node WHERE node_no = $1`, no); status != "inactive, deleted" {
		t.Errorf("the node is %s; want it inactive, deleted", status)
	}
}

func TestOrigins(t *testing.T) {
	r := func(pool string, n int64) ledger.Returned {
		return ledger.Returned{PoolID: pool, Amount: ledger.Amount(n)}
	}
	earned := []ledger.Returned{r("a", 5), r("b", 3), r("a", 9)}
	for _, c := range []struct {
		amount ledger.Amount
		last   string
		want   []ledger.Returned
	}{
		{5, "a", []ledger.Returned{r("a", 5)}},
		{7, "a", []ledger.Returned{r("a", 5), r("b", 2)}},
		{17, "a", []ledger.Returned{r("a", 14), r("b", 3)}},
		{20, "c", []ledger.Returned{r("a", 14), r("b", 3), r("c", 3)}},
		{20, "", nil},
	} {
		if got := origins(c.amount, earned, c.last); !slices.Equal(got, c.want) {
			t.Errorf("%d: %v, want %v", c.amount, got, c.want)
		}
	}
}

func TestAppeal(t *testing.T) {
	w := newWorld(t)
	no := w.addNode(1, "pool_a")
	w.addNode(2, "pool_a")
	w.found(found(secondAnswer, no, "c", w.clock, nil))
	id := w.newest("node_1")[0]
	if _, err := w.Appeal(t.Context(), byTest, "node_2", id, "mine"); !fault.Has(err, fault.OtherNotFound) {
		t.Errorf("another node's flag: %v", err)
	}
	f, err := w.Appeal(t.Context(), byTest, "node_1", id, "I moved the card to another board")
	if err != nil || f.State != Appealed || *f.Appeal != "I moved the card to another board" || *f.AppealedBy != byTest.Actor {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := w.Appeal(t.Context(), byTest, "node_1", id, "again"); !fault.Has(err, fault.StateNotAllowed) {
		t.Errorf("a second appeal: %v", err)
	}
	w.run()
	if !w.held(no) {
		t.Error("an appeal alone keeps the hold away")
	}
	w.decide(id, Dismissed)
	if w.held(no) {
		t.Error("an appeal that was accepted does not release")
	}
	if flags, n, err := w.List(t.Context(), Filter{State: State(Dismissed)}); err != nil || n != 1 || len(flags) != 1 || flags[0].ID() != id {
		t.Errorf("%v of %d, %v", flags, n, err)
	}
	for _, unknown := range []string{"flag_99", "flag_", "flag_1x", "1"} {
		if _, err := flag(t.Context(), w.pool, unknown); !fault.Has(err, fault.OtherNotFound) {
			t.Errorf("%s: %v", unknown, err)
		}
	}
}

func TestFlagsAreNeverChanged(t *testing.T) {
	w := newWorld(t)
	w.found(found(secondAnswer, w.addNode(1, "pool_a"), "c", w.clock, nil))
	for _, sql := range []string{`UPDATE fraud_flag SET rule = 'x'`, `DELETE FROM fraud_flag`, `TRUNCATE fraud_flag CASCADE`} {
		if _, err := w.pool.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s is taken", sql)
		}
	}
}
