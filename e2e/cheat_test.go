package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"lucid.internal/e2e/fleet"
	"lucid.internal/e2e/harness"
)

// sybils are as many as share a payout address before that is worth a notice.
const sybils = 10

// foundSoon is what docs/fraud.md calls found within the first minutes: how many
// nodes of each kind which rule must flag. The first of them need answers only.
var (
	foundByAnswers = map[fleet.Kind]fleet.Flags{
		fleet.Clone:  {"superseded_run": 1, "alternating_boot": 1},
		fleet.Alter:  {"altered_hash": 1},
		fleet.Clock:  {"boot_time_back": 1, "alternating_boot": 1},
		fleet.Shared: {"same_boot": 3},
	}
	// foundAmongAll needs a look at all nodes, which a coordinator takes every ten
	// minutes and when it begins.
	foundAmongAll = map[fleet.Kind]fleet.Flags{
		fleet.Copy:  {"copied_metrics": 1},
		fleet.Sybil: {"same_payout": sybils},
	}
)

// TestCheatsAreFlagged has a fleet with every cheat that shows within minutes
// prove itself every few seconds. Each is flagged by the rules that are meant for
// it, those of the keys and the machine are held, and no honest node is.
func TestCheatsAreFlagged(t *testing.T) {
	l := start(t, harness.Options{Args: []string{"--poot-interval", "2s"}, Env: []string{"LUCID_POOT_DIFFICULTY=8"}})
	f := l.newFleet(fleet.Config{
		Nodes: 25, Duration: time.Hour, Seed: 5, Backlog: 40 * time.Minute, SampleInterval: 5 * time.Second, PublishInterval: 5 * time.Second,
		Cheats: map[fleet.Kind]int{
			fleet.Clone: 1, fleet.Alter: 1, fleet.Clock: 1, fleet.Shared: 3, fleet.Replay: 1, fleet.Copy: 1, fleet.Sybil: sybils,
		},
	})
	living, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- f.Run(living, nil) }()

	l.awaitFlags(f, foundByAnswers)
	l.await(within(t, patience), "a replayed answer to come to nothing", func(context.Context) error {
		n := l.count("SELECT count(*) FROM verdict JOIN node n USING (node_no) WHERE n.node_id = $1 AND result = 'missed'", f.NodeIDs(fleet.Replay)[0])
		return unless(n > 0, "nothing was missed")
	})
	l.await(within(t, patience), "half an hour of telemetry in rollups", func(context.Context) error {
		n := l.count("SELECT count(*) FROM (SELECT FROM sample_5m GROUP BY node_no HAVING count(*) >= 6) AS n")
		return unless(n == 25, "of %d nodes", n)
	})
	l.Kill()
	l.restart()
	l.awaitFlags(f, foundAmongAll)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	report := l.check(f)
	var text strings.Builder
	if err := errors.Join(report.Write(&text), report.Err()); err != nil {
		t.Error(err)
	}
	t.Log("\n" + text.String())
	for _, g := range report.Groups {
		judgeGroup(t, g)
	}
}

// judgeGroup holds a kind to what docs/fraud.md says of it.
func judgeGroup(t *testing.T, g *fleet.Group) {
	t.Helper()
	switch g.Kind {
	case fleet.Honest:
		flags := maps.Clone(g.Flags)
		delete(flags, "same_address") // a notice: all of them are behind one
		if g.Held > 0 || len(flags) > 0 || g.Verdicts["valid"] == 0 {
			t.Errorf("honest nodes: %d held, flagged: %s, verdicts: %s", g.Held, g.Flags, g.Verdicts)
		}
	case fleet.Clone, fleet.Alter, fleet.Clock:
		if g.Held != g.Nodes {
			t.Errorf("%s: %d of %d held, flagged: %s", g.Kind, g.Held, g.Nodes, g.Flags)
		}
	case fleet.Replay:
		if g.Verdicts["valid"] > 1 {
			t.Errorf("an old answer was taken for a new one: %s", g.Verdicts)
		}
	}
}

// awaitFlags waits until the API shows these flags.
func (l *lab) awaitFlags(f *fleet.Fleet, want map[fleet.Kind]fleet.Flags) {
	l.t.Helper()
	var missing error // what the look before saw, for one that the end of patience cuts short
	l.await(within(l.t, patience), "every cheat to be flagged", func(ctx context.Context) error {
		flagged, err := f.Flagged(ctx)
		if err != nil {
			return errors.Join(err, missing)
		}
		missing = nil
		for kind, rules := range want {
			for rule, nodes := range rules {
				if flagged[kind][rule] < nodes {
					missing = errors.Join(missing, fmt.Errorf("%s: %d of %d flagged by %s, in all: %s", kind, flagged[kind][rule], nodes, rule, flagged[kind]))
				}
			}
		}
		return missing
	})
}
