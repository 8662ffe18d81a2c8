package fraud

import (
	"os"
	"slices"
	"testing"
	"time"
)

// live lets a fleet live and the judge look at its tables, until a moment or
// until enough is seen.
func (t *tables) live(s *sim, end time.Time, enough func() bool) {
	t.t.Helper()
	for s.now.Before(end) && !enough() {
		for next := s.now.Add(lookEvery); s.now.Before(next); {
			s.step()
		}
		t.look(s.now)
	}
}

// flags are the nodes that each rule flagged, and who is held.
func (t *tables) flags() (byRule map[string][]int32, held []int32) {
	t.t.Helper()
	byRule = map[string][]int32{}
	rows, err := t.pool.Query(t.t.Context(), `SELECT rule, array_agg(DISTINCT node_no ORDER BY node_no) FROM fraud_flag GROUP BY rule`)
	if err != nil {
		t.t.Fatal(err)
	}
	for rows.Next() {
		var rule string
		var nodeNos []int32
		if err := rows.Scan(&rule, &nodeNos); err != nil {
			t.t.Fatal(err)
		}
		byRule[rule] = nodeNos
	}
	if err := rows.Err(); err != nil {
		t.t.Fatal(err)
	}
	return byRule, query[[]int32](t.world, `SELECT coalesce(array_agg(DISTINCT node_no), '{}') FROM fraud_hold`)
}

// TestJudgeHoldsNobodyOfAnHonestFleet is TestHonestFleetIsNeverHeld by way of
// the tables: what the rules see is what the judge's queries make of the rows.
func TestJudgeHoldsNobodyOfAnHonestFleet(t *testing.T) {
	nodes, days := size(50, 3, 200, 10)
	s := newSim(3, nodes)
	told := newTables(newWorld(t), s)
	told.join(s.nodes)
	for day := range days {
		told.live(s, noon.AddDate(0, 0, day+1), func() bool { return false })
		byRule, held := told.flags()
		if len(held) > 0 {
			t.Fatalf("day %d: nodes %v are held; flags: %v", day+1, held, byRule)
		}
	}
	byRule, _ := told.flags()
	verdicts := query[int](told.world, `SELECT count(*) FROM verdict`)
	t.Logf("%d honest nodes, %d days, %d verdicts: none held; nodes flagged by rule: %v", nodes, days, verdicts, byRule)
	for rule, flagged := range byRule {
		if r, _ := RuleByID(rule); r.Severity == Critical || r.Severity == Warning && len(flagged) > max(nodes/100, 1) {
			t.Errorf("%s flags honest nodes %v", rule, flagged)
		}
	}
	if seen := query[int](told.world, `SELECT count(*) FROM fraud_memory WHERE (body ->> 'verdict_no')::bigint > 0`); verdicts < nodes*days*200 || seen != nodes {
		t.Errorf("%d verdicts, and the judge saw those of %d nodes", verdicts, seen)
	}
}

// TestJudgeFindsCheatsInTheTables has every kind of TestCheatsAreFound found by
// the judge from stored rows, those too whose rule needs days.
func TestJudgeFindsCheatsInTheTables(t *testing.T) {
	const honest, days = 30, 4
	for _, c := range cheats() {
		if c.want == "" && os.Getenv("TEST_LONG") == "" {
			continue // that nothing is found takes all the days
		}
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			s := newSim(7, honest)
			s.joined(c)
			told := newTables(newWorld(t), s)
			told.join(s.nodes)
			all := func(nodeNos []int32) bool { return len(nodeNos) == c.nodes }
			told.live(s, noon.AddDate(0, 0, days), func() bool {
				byRule, _ := told.flags()
				return c.want != "" && all(byRule[c.want])
			})
			byRule, held := told.flags()
			t.Logf("%.0f hours, %d verdicts; held: %v; nodes flagged by rule: %v",
				s.now.Sub(noon).Hours(), query[int](told.world, `SELECT count(*) FROM verdict`), held, byRule)
			for rule, nodeNos := range byRule {
				if r, _ := RuleByID(rule); r.Severity != Notice && nodeNos[0] <= honest {
					t.Errorf("%s flags honest nodes: %v", rule, nodeNos)
				}
			}
			if c.want != "" && !all(byRule[c.want]) || c.want == "" && len(byRule) > 0 {
				t.Errorf("%q flags %v of %d nodes", c.want, byRule[c.want], c.nodes)
			}
			if c.held != (len(held) > 0) || slices.ContainsFunc(held, func(no int32) bool { return no <= honest }) {
				t.Errorf("held: %v", held)
			}
		})
	}
}
