package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"lucid.internal/e2e/fleet"
)

// How many nodes of each kind which rule about fraud must flag: docs/fleet.md tells
// the same. The first need answers only.
var (
	foundByAnswers = map[fleet.Kind]fleet.Flags{
		fleet.Clone:  {"superseded_run": 1, "alternating_boot": 1},
		fleet.Alter:  {"altered_hash": 1},
		fleet.Clock:  {"boot_time_back": 1, "alternating_boot": 1},
		fleet.Shared: {"same_boot": 3},
		fleet.Second: {"second_answer": 1},
	}
	// foundAmongAll needs a look at all nodes, which a coordinator takes every ten
	// minutes and when it begins.
	foundAmongAll = map[fleet.Kind]fleet.Flags{
		fleet.Clone:    {"two_live_runs": 1}, // by answers too, a minute after its second machine began
		fleet.Copy:     {"copied_metrics": 1},
		fleet.Fall:     {"falling_counter": 1},
		fleet.Flood:    {"impossible_traffic": 1},
		fleet.Freeze:   {"frozen_metrics": 1},
		fleet.Twin:     {"same_serial": 1},
		fleet.Payee:    {"new_address": 1},
		fleet.Restless: {"restless": 1},
		fleet.Sybil:    {"same_payout": sybils},
		fleet.Shared:   {"same_address": 3}, // as everybody but the Sybils
	}
)

// foundByMany is found by some thirty answers of each node.
var foundByMany = map[fleet.Kind]fleet.Flags{
	fleet.Relay: {"fast_answers": 1},
	fleet.Pad:   {"fast_answers": 2},
}

// foundSlowly is what takes sixty answers, hundreds, or a dozen cohorts. The busier
// this machine is, the fewer of its identities wait for each other so that it is sure.
var foundSlowly = map[fleet.Kind]fleet.Flags{
	fleet.Swift:  {"speed_outlier": 1},
	fleet.Hide:   {"unchecked_hash": 1},
	fleet.Spread: {"cohort_slow": 1},
	fleet.Skip:   {"cohort_misses": 2},
}

// foundInStep is what takes six times of the day.
var foundInStep = map[fleet.Kind]fleet.Flags{fleet.Sybil: {"in_step": 3}}

// noCheat are the rules that nobody is made a cheat for, with the reason.
var noCheat = map[string]string{
	"daily_cap": "whoever earns enough comes to it, and what it costs is cut at once",
}

// TestEveryRuleHasACheat wants each rule about fraud that the coordinator has to be
// expected in one of these tests, and no rule to be expected that it has not.
func TestEveryRuleHasACheat(t *testing.T) {
	source, err := os.ReadFile("../coordinator/internal/fraud/rule.go")
	if err != nil {
		t.Fatal(err)
	}
	ids, _, found := strings.Cut(string(source), "// Rules are all rules")
	_, ids, named := strings.Cut(ids, "// Ids of the rules.")
	if !found || !named {
		t.Fatal("where are the ids of the rules?")
	}
	known := map[string]bool{}
	for _, id := range regexp.MustCompile(`= "([a-z_]+)"`).FindAllStringSubmatch(ids, -1) {
		known[id[1]] = true
	}
	expected := map[string]bool{}
	for _, found := range []map[fleet.Kind]fleet.Flags{foundByAnswers, foundAmongAll, foundByMany, foundSlowly, foundInStep} {
		for kind, flags := range found {
			for rule := range flags {
				expected[rule] = true
				if !known[rule] {
					t.Errorf("%s is to be flagged by %s, which is no rule", kind, rule)
				}
			}
		}
	}
	for rule := range known {
		if expected[rule] == (noCheat[rule] != "") {
			t.Errorf("%s: expected %v, no cheat is made for it: %q", rule, expected[rule], noCheat[rule])
		}
	}
}
