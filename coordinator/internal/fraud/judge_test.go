package fraud

import (
	"slices"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

func TestJudgeFlagsAClonedKeyAndHoldsItsMoney(t *testing.T) {
	w := newWorld(t)
	honest, clone := w.addNode(1, "pool_a"), w.addNode(2, "pool_a")
	w.earn(clone, "pool_a", ledger.USDT(20), false)
	a := proven(0, "H", "boot", time.Hour)
	a.NodeNo, a.At, a.Network = honest, w.clock.Add(-time.Minute), "198.51.100.7"
	w.verdicts(a)
	w.cheat(clone)
	w.run()
	w.wantFlags(honest)
	w.wantFlags(clone, alternatingBoot, supersededRun)
	if w.held(honest) || !w.held(clone) {
		t.Errorf("held: honest %v, clone %v", w.held(honest), w.held(clone))
	}
	w.wantBalance(ledger.KindPayable, "node_2", 0)
	w.wantBalance(ledger.KindHeld, "node_2", ledger.USDT(20))
	w.wantSound()
	before := query[int](w, `SELECT count(*) FROM fraud_flag`)
	w.run() // what was seen is not seen again
	if n := query[int](w, `SELECT count(*) FROM fraud_flag`); n != before {
		t.Errorf("%d flags after another run, before %d", n, before)
	}
	if n := query[int](w, `SELECT count(*) FROM event_outbox WHERE kind = $1`, string(event.Fraud)); n != before+1 {
		t.Errorf("%d events, want one for each of %d flags and one for the hold", n, before)
	}
}

// A new judge, as after a crash, goes on from the tables.
func TestANewJudgeRemembers(t *testing.T) {
	w := newWorld(t)
	no := w.addNode(1, "pool_a")
	for i, name := range []string{"A", "B", "A"} {
		a := proven(i, name, "boot"+name, time.Hour)
		a.NodeNo, a.At = no, w.clock
		w.verdicts(a)
		w.clock = w.clock.Add(5 * time.Minute)
		w.judge = NewJudge(w.Store)
		w.run()
		w.run()
	}
	w.wantFlags(no, alternatingBoot, supersededRun)
}

func TestJudgeSeesWhatTheRefereeAndTheIngestKept(t *testing.T) {
	w := newWorld(t)
	second, altered, live := w.addNode(1, "pool_a"), w.addNode(2, "pool_a"), w.addNode(3, "pool_a")
	at := w.clock.Add(-10 * time.Second)
	for _, no := range []int32{second, altered, live} {
		a := proven(0, "run", "boot"+string(rune('0'+no)), time.Hour)
		a.NodeNo, a.At, a.Network = no, at, "198.51."+string(rune('0'+no))+".1"
		if no == altered {
			a.Result, a.Reason = "invalid", "hash_mismatch"
		}
		w.verdicts(a)
	}
	w.exec(`INSERT INTO challenge_second_answer (challenge_id, node_no, at, response) SELECT challenge_id, node_no, at, '\x01' FROM verdict WHERE node_no = $1`, second)
	for name, began := range map[string]time.Time{"run": at.Add(-time.Hour), "later": at.Add(-10 * time.Minute)} {
		w.exec(`INSERT INTO node_run (node_no, run_id, last_at, started_at) VALUES ($1, $2::uuid, $3, $3)`, live, hexOf(name), began)
	}
	w.run()
	w.wantFlags(second, secondAnswer)
	w.wantFlags(altered, alteredHash)
	w.wantFlags(live, twoLiveRuns)
}

// What of a run's telemetry is missing is told once, and holds nothing.
func TestRunsThatCannotBeCheckedAreTold(t *testing.T) {
	w := newWorld(t)
	checked, gap, silent, unknown := w.addNode(1, "pool_a"), w.addNode(2, "pool_a"), w.addNode(3, "pool_b"), w.addNode(4, "pool_b")
	began := w.clock
	for _, no := range []int32{checked, gap, silent} {
		w.exec(`INSERT INTO node_run (node_no, run_id, last_at, started_at, chain_known) VALUES ($1, $2::uuid, $3, $3, $4)`, no, hexOf("run"), began, no != gap)
	}
	for _, no := range []int32{checked, gap, silent, unknown} {
		var answers []Answer
		for i := range int(checksLeast) + 2 {
			a := proven(i, "run", "boot"+string(rune('0'+no)), time.Hour+time.Duration(i)*time.Minute)
			a.NodeNo, a.At, a.Network, a.Hashes = no, began.Add(time.Duration(i+11)*time.Minute), "198.51."+string(rune('0'+no))+".1", 65_536
			answers = append(answers, a)
		}
		w.verdictsAt(map[bool]uint64{true: 0, false: 7}[no == silent], answers...)
	}
	w.clock = began.Add(10 * time.Hour)
	w.run()
	w.wantFlags(checked)
	for _, no := range []int32{gap, silent, unknown} {
		w.wantFlags(no, uncheckedHash)
		if w.held(no) {
			t.Errorf("node %d is held for a notice", no)
		}
	}
	if n := query[int](w, `SELECT count(*) FROM fraud_flag`); n != 3 {
		t.Errorf("%d flags, want one of each run", n)
	}
}

func TestNodesOnOneBootAreFlagged(t *testing.T) {
	w := newWorld(t)
	one, two := w.addNode(1, "pool_a"), w.addNode(2, "pool_b")
	for i := range 4 {
		for _, no := range []int32{one, two} {
			a := proven(i, "run"+string(rune('0'+no)), "same", time.Hour+time.Duration(i)*time.Minute)
			a.NodeNo, a.At = no, w.clock.Add(time.Duration(i*10+int(no))*time.Second)
			w.verdicts(a)
		}
	}
	w.clock = w.clock.Add(time.Minute)
	w.run()
	w.wantFlags(one, sameBoot)
	w.wantFlags(two, sameBoot)
	if w.held(one) {
		t.Error("one layer alone holds money")
	}
	w.clock = w.clock.Add(wideEvery)
	w.run()
	if suspects, err := w.Suspects(t.Context()); err != nil || !slices.Equal(suspects, []int32{one, two}) {
		t.Errorf("suspects %v, %v", suspects, err)
	}
}

func TestTelemetryIsLookedAt(t *testing.T) {
	w := newWorld(t)
	honest, falling, copied := w.addNode(1, "pool_a"), w.addNode(2, "pool_a"), w.addNode(3, "pool_b")
	w.exec(`CREATE TABLE sample_day PARTITION OF sample FOR VALUES FROM ('2026-05-01') TO ('2026-05-02')`)
	w.exec(`CREATE TABLE sample_5m_may PARTITION OF sample_5m FOR VALUES FROM ('2026-05-01') TO ('2026-06-01')`)
	store := func(no int32, figures []Figures) {
		for i, f := range figures {
			w.exec(`INSERT INTO sample (at, seq, run_no, node_no) VALUES ($1, $2, $3, $4)`, f.At.Add(time.Minute), i+1, no, no)
			w.exec(`INSERT INTO sample_5m (node_no, at, newest_at, samples, network_bytes_in_last, network_bytes_out_last, memory_used_bytes_avg,
				memory_used_bytes_last, cpu_usage_percent_avg) VALUES ($1, $2, $3, 1, $4, $5, $6, $7, $8)`,
				no, f.At, f.At.Add(time.Minute), f.In, f.Out, f.MemoryUsed, f.MemoryNewest, f.CPU)
		}
	}
	store(honest, series(honest, nil))
	store(falling, series(falling, func(i int, f *Figures) {
		if i == 9 || i == 11 || i == 13 {
			f.Out = one(int64(5))
		}
	}))
	store(copied, series(honest, nil))
	w.clock = w.clock.Add(18 * figuresEvery)
	w.run()
	w.wantFlags(honest)
	w.wantFlags(falling, fallingCounter)
	w.wantFlags(copied, copiedMetrics)
}

// What two layers agree on holds, and what was pending is cancelled: nothing of
// it can be paid any more.
func TestTwoLayersHoldAndCancelPayouts(t *testing.T) {
	w := newWorld(t)
	no := w.addNode(1, "pool_a")
	w.earn(no, "pool_a", ledger.USDT(20), false)
	if _, err := w.payouts.SetBudget(t.Context(), payout.Person{By: byTest, Human: true}, ledger.USDT(100)); err != nil {
		t.Fatal(err)
	}
	round := payout.NewRound(w.payouts, nil)
	pay := func() int {
		if err := round.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		return query[int](w, `SELECT count(*) FROM payout WHERE status = 'pending'`)
	}
	if n := pay(); n != 1 {
		t.Fatalf("%d payouts pending, want 1", n)
	}
	w.found(found(frozenMetrics, no, "1", w.clock, nil))
	w.run()
	if w.held(no) {
		t.Error("one layer holds")
	}
	w.found(found(cohortSlow, no, "1", w.clock, nil))
	w.run()
	if n := query[int](w, `SELECT count(*) FROM payout WHERE status = 'pending'`); !w.held(no) || n != 0 {
		t.Errorf("held %v, %d payouts pending", w.held(no), n)
	}
	w.wantBalance(ledger.KindHeld, "node_1", ledger.USDT(20))
	w.earn(no, "pool_a", ledger.USDT(15), false) // an epoch that was being closed meanwhile
	if n := pay(); n != 0 {
		t.Errorf("%d payouts of a held node", n)
	}
	w.clock = w.clock.Add(time.Second)
	w.run()
	w.wantBalance(ledger.KindPayable, "node_1", 0)
	w.wantBalance(ledger.KindHeld, "node_1", ledger.USDT(35))
	w.wantSound()
}
