package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/e2e/fleet"
	"lucid.internal/e2e/harness"
)

// sybils are as many as share a payout address before that is worth a notice.
const sybils = 10

// busyPatience is for what only time shows: the busier this machine is, the slower a
// node leaves a thousand times, and the more answers it takes to tell the time of a
// hash from the machine's own delays.
const busyPatience = 2 * patience

// TestCheatsAreFlagged has a fleet with every cheat that shows within minutes
// prove itself every few seconds. Each is flagged by the rules that are meant for
// it, those of the keys and the machine are held, and no honest node is.
func TestCheatsAreFlagged(t *testing.T) {
	l := start(t, harness.Options{Args: []string{"--poot-interval", "2s"}, Env: []string{
		"LUCID_POOT_DIFFICULTY=8", "LUCID_POOT_CHALLENGE_DEADLINE=1s", "LUCID_POOT_CHALLENGE_VALIDITY=2s",
	}})
	f := l.newFleet(fleet.Config{
		Nodes: 32, Duration: time.Hour, Seed: 5, Backlog: 70 * time.Minute, SampleInterval: 5 * time.Second, PublishInterval: 5 * time.Second,
		Cheats: map[fleet.Kind]int{
			fleet.Clone: 1, fleet.Alter: 1, fleet.Clock: 1, fleet.Shared: 3, fleet.Replay: 1, fleet.Copy: 1, fleet.Sybil: sybils,
			fleet.Second: 1, fleet.Fall: 1, fleet.Flood: 1, fleet.Freeze: 1, fleet.Twin: 1, fleet.Payee: 1, fleet.Restless: 1,
		},
	})
	_, end := l.live(f)

	l.awaitFlags(f, foundByAnswers)
	// As if all had begun two minutes earlier: then the clone's first machine answers long after the second sent.
	if err := l.Database().Exec(within(t, patience), "UPDATE node_run SET started_at = started_at - interval '2 minutes'"); err != nil {
		t.Fatal(err)
	}
	l.await(within(t, patience), "an hour of telemetry in rollups", func(context.Context) error {
		n := l.count("SELECT count(*) FROM (SELECT FROM sample_5m GROUP BY node_no HAVING count(*) > 12) AS n")
		return unless(n >= 31, "of %d nodes", n)
	})
	l.awaitRestless(f.NodeIDs(fleet.Restless)[0])
	l.Kill()
	l.restart()
	l.awaitFlags(f, foundAmongAll)
	l.await(within(t, patience), "who replays an answer to be suspended by its score", func(context.Context) error {
		n := l.count("SELECT count(*) FROM node WHERE node_id = $1 AND status = 'suspended'", f.NodeIDs(fleet.Replay)[0])
		return unless(n == 1, "it is not")
	})
	end()
	l.judge(f)
}

// awaitRestless waits until a node has left a week's worth of times. What left from
// ten seconds before a fault of ours to a quarter of an hour after it counts for
// nothing: the faults of a busy machine are taken back, and the one of the kill that
// comes next spares what is older.
func (l *lab) awaitRestless(nodeID string) {
	l.t.Helper()
	const left = `SELECT count(*) FROM node_presence JOIN node USING (node_no) WHERE node_id = $1 AND to_at < now() - interval '15 seconds'`
	l.await(within(l.t, busyPatience), "a week's worth of departures", func(context.Context) error {
		n := l.count(left, nodeID)
		return unless(n >= 1000, "%d", n)
	})
	if err := l.Database().Exec(within(l.t, patience), "DELETE FROM fault_window"); err != nil {
		l.t.Fatal(err)
	}
}

// TestFastAnswersAreFlagged has those who show only by the time that they take: a relay
// to a faster machine than it declares, and one that answers for several and pads.
// Puzzles take a Raspberry Pi seconds, beside which a busy machine's delays are small.
func TestFastAnswersAreFlagged(t *testing.T) {
	l := start(t, harness.Options{Env: []string{
		"LUCID_POOT_CALCULATION_INTERVAL=300s", "LUCID_POOT_DIFFICULTY=16", "LUCID_POOT_CHALLENGE_DEADLINE=2m", "LUCID_POOT_CHALLENGE_VALIDITY=2m",
	}})
	f := l.newFleet(fleet.Config{
		Nodes: 6, Duration: time.Hour, Seed: 5, Solvers: 2, Cheats: map[fleet.Kind]int{fleet.Relay: 1, fleet.Pad: 2},
		Pools: []string{"pool_default", l.newPool("attic")},
	})
	living, end := l.live(f)
	var asking sync.WaitGroup
	for _, kind := range []fleet.Kind{fleet.Honest, fleet.Relay, fleet.Pad} {
		for _, id := range f.NodeIDs(kind) {
			asking.Go(func() { l.demandProofs(living, id, math.MaxInt) })
		}
	}
	l.awaitFlags(f, foundByMany)
	end()
	asking.Wait()
	if n := l.count("SELECT count(DISTINCT pool_no) FROM node WHERE node_id = ANY(string_to_array($1, ','))", strings.Join(f.NodeIDs(fleet.Pad), ",")); n != 2 {
		t.Errorf("the identities of one machine are in %d pools", n)
	}
	l.judge(f)
}

// newPool makes a pool beside the default one.
func (l *lab) newPool(name string) string {
	l.t.Helper()
	status, body, err := l.Post(within(l.t, patience), "/api/v1/nodes/pools/", map[string]any{"name": name})
	var made struct {
		PoolID string `json:"pool_id"`
	}
	if err := errors.Join(err, json.Unmarshal(body, &made)); err != nil || status != http.StatusCreated {
		l.t.Fatalf("a new pool: status %d: %s %v", status, body, err)
	}
	return made.PoolID
}

// demandProofs has a node prove itself so often, one time after the other, also where
// an answer takes longer than this client waits for it.
func (l *lab) demandProofs(living context.Context, nodeID string, times int) {
	for proven := 0; proven < times && living.Err() == nil; {
		status, body, err := l.Send(living, http.MethodPost, "/api/v1/nodes/"+nodeID+"/poot/calculate", "")
		switch {
		case err != nil || status == http.StatusConflict:
		case status == http.StatusOK:
			proven++
		default:
			l.t.Errorf("a proof of %s: status %d: %s", nodeID, status, body)
			return
		}
	}
}

// judge compares a fleet that has ended with the database, and holds each kind
// to what docs/fraud.md says.
func (l *lab) judge(f *fleet.Fleet) {
	l.t.Helper()
	report := l.check(f)
	var text strings.Builder
	if err := errors.Join(report.Write(&text), report.Err()); err != nil {
		l.t.Error(err)
	}
	l.t.Log("\n" + text.String())
	for _, g := range report.Groups {
		judgeGroup(l.t, g)
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
	case fleet.Clone, fleet.Alter, fleet.Clock, fleet.Second:
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
	l.await(within(l.t, busyPatience), "every cheat to be flagged", func(ctx context.Context) error {
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
