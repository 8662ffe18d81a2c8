package e2e

import "lucid.internal/e2e/fleet"

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

// foundInStep is what takes six times of the day.
var foundInStep = map[fleet.Kind]fleet.Flags{fleet.Sybil: {"in_step": 3}}
