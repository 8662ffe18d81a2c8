package payout_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Whom a decision about a flag takes what from, by when that was made.
func TestOnlyConfirmedFraudForfeitsWhatWasMadeBefore(t *testing.T) {
	w := newWorld(t)
	a, b := w.addNode("node_a"), w.addNode("node_b")
	decide := func(nodeNo int32, rule, decision string, when time.Time) {
		no := query[int64](w, `INSERT INTO fraud_flag (node_no, rule, rule_version, layer, severity, subject, evidence, at, found_at)
			VALUES ($1, $2, 1, 0, 'critical', '', '{}', $3, $3) RETURNING flag_no`, nodeNo, rule, ten)
		if decision != "" {
			w.exec(`INSERT INTO fraud_decision (flag_no, decision, reason, decided_by, at) VALUES ($1, $2, 'seen', 'user_ada', $3)`, no, decision, when)
		}
	}
	decide(a, "open", "", ten)
	decide(a, "dismissed", "dismissed", at(60))
	decide(a, "confirmed", "confirmed", at(30))
	decide(b, "confirmed", "confirmed", at(60))
	for _, c := range []struct {
		name   string
		nodeNo int32
		made   time.Time
		want   bool
	}{
		{"before", a, at(29), true},
		{"in the same moment", a, at(30), true},
		{"after, though before a dismissal, and a decision about another node", a, at(30).Add(time.Microsecond), false},
		{"the other node", b, at(31), true},
	} {
		if got := query[bool](w, `SELECT EXISTS (SELECT FROM forfeited_by($1, $2))`, c.nodeNo, c.made); got != c.want {
			t.Errorf("%s: forfeited %t, want %t", c.name, got, c.want)
		}
	}
}

// The question is a part of the plan of whoever asks it: as a call a payout it took
// thirty times as long to find what is forfeited of a thousand that are pending.
func TestWhatIsForfeitedIsAskedWithinTheQuery(t *testing.T) {
	rows, err := newWorld(t).pool.Query(t.Context(), `EXPLAIN SELECT payout_id, EXISTS (SELECT FROM forfeited_by(payout.node_no, payout.created_at))
		FROM payout CROSS JOIN LATERAL forfeited_by(payout.node_no, payout.created_at)`)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(plan) == 0 || slices.ContainsFunc(plan, func(line string) bool { return strings.Contains(line, "forfeited_by") }) {
		t.Errorf("%v, plan:\n%s", err, strings.Join(plan, "\n"))
	}
}
