package e2e

import (
	"context"
	"testing"

	"lucid.internal/e2e/harness"
)

// TestNobodyIsBlamedForOurFaults stops database and coordinator in the middle of
// rounds, while nodes answer. Every proof that it cost is void: no verdict speaks
// against a node, and no node was absent.
func TestNobodyIsBlamedForOurFaults(t *testing.T) {
	// Puzzles that a busy machine solves in time too: only our faults are to speak.
	l := start(t, harness.Options{Args: []string{"--poot-interval", "6s"}, Env: []string{"LUCID_POOT_DIFFICULTY=10"}})
	fleet, stop := l.publish()
	const asked = "SELECT count(*) FROM challenge WHERE state = 'open'"
	midRound := func() {
		l.await(within(t, patience), "a challenge to be open", func(context.Context) error { return unless(l.count(asked) > 0, "none is") })
	}

	for range *rounds {
		l.awaitProgress(fleet)
		midRound()
		l.crashDatabase()
		l.awaitProgress(fleet)
		midRound()
		l.Kill()
		l.restart()
	}
	l.awaitProgress(fleet)
	l.await(within(t, patience), "every node to prove itself again", func(context.Context) error {
		n := l.count("SELECT count(DISTINCT node_no) FROM verdict WHERE result = 'valid' AND at > (SELECT max(to_at) FROM fault_window)")
		return unless(n == int64(len(fleet)), "%d of %d did", n, len(fleet))
	})

	blamed := l.count("SELECT count(*) FROM verdict WHERE result NOT IN ('valid', 'void')")
	absent := l.count(`SELECT count(*) FROM score WHERE (factors ->> 'availability')::bigint < 1000000000
		OR (factors ->> 'reputation')::bigint < 1000000000 OR (factors ->> 'timeliness')::bigint < 1000000000`)
	t.Logf("%d nodes, %d kills of the database and of the coordinator: %d valid, %d void, %d fault windows", len(fleet), *rounds,
		l.count("SELECT count(*) FROM verdict WHERE result = 'valid'"), l.count("SELECT count(*) FROM verdict WHERE result = 'void'"), l.count("SELECT count(*) FROM fault_window"))
	if blamed != 0 || absent != 0 {
		t.Errorf("%d verdicts against nodes, %d scores lowered; want none", blamed, absent)
		l.explainAbsence()
	}
	stop()
	l.stopCleanly()
}

// explainAbsence shows when nodes were away beside our fault windows.
func (l *lab) explainAbsence() {
	ctx := within(l.t, patience)
	for what, query := range map[string]string{
		"verdicts": "SELECT string_agg(node_no || ' ' || v.at || ' ' || result || ' ' || v.reason || ' ' || (c.factors ->> 'availability'), E'\n' ORDER BY node_no, v.at) FROM verdict v LEFT JOIN score_change c USING (node_no, verdict_no)",
		"running":  "SELECT string_agg(node_no || ' ' || status || ' ' || from_at || ' to ' || COALESCE(to_at::text, 'now'), E'\n' ORDER BY node_no, from_at) FROM node_state",
		"presence": "SELECT string_agg(node_no || ' ' || from_at || ' to ' || COALESCE(to_at::text, 'now'), E'\n' ORDER BY node_no, from_at) FROM node_presence",
		"faults":   "SELECT string_agg(from_at || ' to ' || to_at, E'\n' ORDER BY from_at) FROM fault_window",
	} {
		conn, err := l.Database().Connect(ctx)
		if err != nil {
			l.t.Log(err)
			return
		}
		var text string
		err = conn.QueryRow(ctx, query).Scan(&text)
		conn.Close(ctx)
		l.t.Logf("%s:\n%s %v", what, text, err)
	}
}
