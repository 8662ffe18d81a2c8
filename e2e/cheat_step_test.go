package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"lucid.internal/e2e/fleet"
	"lucid.internal/e2e/harness"
)

// TestNodesInStepAreFlagged has Sybils, each in a network of its own, go offline
// together again and again, beside honest nodes that stay.
func TestNodesInStepAreFlagged(t *testing.T) {
	if os.Getenv("TEST_LONG") == "" {
		t.Skip("takes minutes: TEST_LONG=1 runs it")
	}
	l := start(t, harness.Options{Args: []string{"--poot-interval", "4s"}, Env: []string{"LUCID_POOT_DIFFICULTY=4", "LUCID_POOT_CHALLENGE_DEADLINE=2s", "LUCID_POOT_CHALLENGE_VALIDITY=4s"}})
	f := l.newFleet(fleet.Config{Nodes: 8, Duration: time.Hour, Seed: 5, Cheats: map[fleet.Kind]int{fleet.Sybil: 3}})
	_, end := l.live(f)
	l.await(within(t, 10*time.Minute), "the Sybils to have left a dozen times", func(context.Context) error {
		n := l.count("SELECT coalesce(min(n), 0) FROM (SELECT count(p.to_at) AS n FROM node LEFT JOIN node_presence p USING (node_no) "+
			"WHERE node_id = ANY(string_to_array($1, ',')) GROUP BY node_no) AS departures", strings.Join(f.NodeIDs(fleet.Sybil), ","))
		return unless(n >= 12, "%d times", n)
	})
	l.spreadOverDays()
	l.Kill()
	l.restart()
	l.awaitFlags(f, foundInStep)
	end()
	l.judge(f)
}

// spreadOverDays makes half an hour of each ten seconds in which nodes went offline,
// or a fault of ours ended, on a busy machine: what left together did so at other times
// of the day.
func (l *lab) spreadOverDays() {
	l.t.Helper()
	const earlier = `UPDATE %s SET from_at = from_at - floor(extract(epoch FROM now() - to_at) / 10) * interval '30 minutes',
		to_at = to_at - floor(extract(epoch FROM now() - to_at) / 10) * interval '30 minutes' WHERE to_at IS NOT NULL`
	for _, table := range []string{"node_presence", "fault_window"} {
		if err := l.Database().Exec(within(l.t, patience), fmt.Sprintf(earlier, table)); err != nil {
			l.t.Fatal(err)
		}
	}
}
