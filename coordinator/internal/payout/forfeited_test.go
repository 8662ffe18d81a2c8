package payout_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
)

// Whom a decision about a flag takes what from: the order counts in which payouts and
// decisions were made, whatever the clocks said that wrote their times.
func TestOnlyConfirmedFraudForfeitsWhatWasMadeBefore(t *testing.T) {
	w := newWorld(t)
	a, b := w.addNode("node_a"), w.addNode("node_b")
	made := func(nodeNo int32, id string, when time.Time) int64 {
		no := query[int64](w, `INSERT INTO payout (payout_id, node_no, amount, fee, net_amount, wallet_address, created_at, updated_at)
			VALUES ($1, $2, 5, 1, 4, 'T', $3, $3) RETURNING payout_no`, id, nodeNo, when)
		w.exec(`UPDATE payout SET status = 'cancelled' WHERE payout_no = $1`, no) // a node has one that lives
		return no
	}
	decide := func(nodeNo int32, rule, decision string, when time.Time) {
		no := query[int64](w, `INSERT INTO fraud_flag (node_no, rule, rule_version, layer, severity, subject, evidence, at, found_at)
			VALUES ($1, $2, 1, 0, 'critical', '', '{}', $3, $3) RETURNING flag_no`, nodeNo, rule, ten)
		if decision != "" {
			w.exec(`INSERT INTO fraud_decision (flag_no, decision, reason, decided_by, at) VALUES ($1, $2, 'seen', 'user_ada', $3)`, no, decision, when)
		}
	}
	before := made(a, "payout_before", at(29))
	ahead := made(a, "payout_ahead", at(90))
	ofOther := made(b, "payout_other", at(31))
	decide(a, "confirmed", "confirmed", at(30))
	after := made(a, "payout_after", at(31))
	behind := made(a, "payout_behind", at(1))
	decide(a, "dismissed", "dismissed", at(60))
	decide(a, "open", "", ten)
	decide(b, "confirmed", "confirmed", at(60))
	for _, c := range []struct {
		name     string
		nodeNo   int32
		payoutNo int64
		want     bool
	}{
		{"before", a, before, true},
		{"before, by a clock that was ahead", a, ahead, true},
		{"after, though before a dismissal and a decision about another node", a, after, false},
		{"after, by a clock that was behind", a, behind, false},
		{"the other node", b, ofOther, true},
	} {
		if got := query[bool](w, `SELECT EXISTS (SELECT FROM forfeited_by($1, $2::bigint))`, c.nodeNo, c.payoutNo); got != c.want {
			t.Errorf("%s: forfeited %t, want %t", c.name, got, c.want)
		}
	}
}

// Who was barred and started again is paid what it earns from then on, though the
// coordinator that confirmed the fraud had a clock ahead of the one that pays.
func TestWhatIsEarnedAfterFraudIsNotForfeited(t *testing.T) {
	for _, apart := range []time.Duration{0, 3 * time.Second, -time.Hour, time.Hour} {
		t.Run(apart.String(), func(t *testing.T) {
			w := newSuspicious(t)
			no, first := w.member("node_a")
			w.now = w.now.Add(apart)
			w.confirm(no)
			w.wantStatus(first, payout.Cancelled)
			w.startAgain(no)
			w.now = w.now.Add(-apart)
			w.post(ledger.Accrue("another gift", ten, "pool_gift", []ledger.Share{{NodeID: "node_a", Amount: ledger.USDT(20)}}, 0))
			p := must(t)(w.Create(t.Context(), byTest, "again", ask("node_a", 20)))
			if err := w.CancelForfeited(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.judged()
			w.wantStatus(p.ID, payout.Pending)
			must(t)(w.Start(t.Context(), byTest, p.ID))
			w.wantStatus(p.ID, payout.Processing)
			w.wantSound()
		})
	}
}

// The question is a part of the plan of whoever asks it: as a call a payout it took
// thirty times as long to find what is forfeited of a thousand that are pending.
func TestWhatIsForfeitedIsAskedWithinTheQuery(t *testing.T) {
	rows, err := newWorld(t).pool.Query(t.Context(), `EXPLAIN SELECT payout_id, EXISTS (SELECT FROM forfeited_by(payout.node_no, payout.payout_no))
		FROM payout CROSS JOIN LATERAL forfeited_by(payout.node_no, payout.payout_no)`)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(plan) == 0 || slices.ContainsFunc(plan, func(line string) bool { return strings.Contains(line, "forfeited_by") }) {
		t.Errorf("%v, plan:\n%s", err, strings.Join(plan, "\n"))
	}
}
