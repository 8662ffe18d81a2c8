package e2e

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/e2e/fleet"
	"lucid.internal/e2e/harness"
)

// cohortsEnough is how many cohorts of each node show who is slow or silent in them,
// on a machine that is busy itself.
const cohortsEnough = 15

// TestSlowCheatsAreFlagged is TestCheatsAreFlagged for the cheats that show only in
// a quarter of an hour, among honest nodes. Whoever is one of many at one machine is
// a Raspberry Pi 4, all others are slower boards, so that this machine's own delays are
// small beside the time that they take. They are most of the fleet, with which each is
// compared.
func TestSlowCheatsAreFlagged(t *testing.T) {
	if os.Getenv("TEST_LONG") == "" {
		t.Skip("takes a quarter of an hour: TEST_LONG=1 runs it")
	}
	// A cohort has two seconds, who is asked alone a little more.
	l := start(t, harness.Options{Args: []string{"--poot-interval", "4100ms"}, Env: []string{
		"LUCID_POOT_DIFFICULTY=12", "LUCID_POOT_CHALLENGE_DEADLINE=2050ms", "LUCID_POOT_CHALLENGE_VALIDITY=4s",
	}})
	f := l.newFleet(fleet.Config{
		Nodes: 20, Duration: time.Hour, Seed: 5, Solvers: 2, Model: "Raspberry Pi Zero 2 W Rev 1.0", SampleInterval: time.Second, PublishInterval: time.Second,
		Cheats: map[fleet.Kind]int{fleet.Swift: 1, fleet.Hide: 1, fleet.Spread: 8, fleet.Skip: 2},
	})
	living, end := l.live(f)
	var asking sync.WaitGroup
	asking.Go(func() { l.demandProofs(living, f.NodeIDs(fleet.Hide)[0], 320) })
	sharing := strings.Join(append(f.NodeIDs(fleet.Spread), f.NodeIDs(fleet.Skip)...), ",")
	l.await(within(t, time.Hour), "enough cohorts", func(context.Context) error {
		n := l.count(leastCohorts, sharing)
		return unless(n >= cohortsEnough, "%d", n)
	})
	asking.Wait()
	l.Kill()
	l.restart()
	l.awaitFlags(f, foundSlowly)
	end()
	l.judge(f)
}

// leastCohorts is in how many cohorts that are over each of some nodes was, at least.
const leastCohorts = `SELECT coalesce(min(n), 0) FROM (
	SELECT count(c.challenge_id) AS n FROM node LEFT JOIN challenge c ON c.node_no = node.node_no AND c.cohort_no IS NOT NULL AND c.expires_at < now()
	WHERE node_id = ANY(string_to_array($1, ',')) GROUP BY node_id) AS asked`
