package fraud

import (
	"slices"
	"time"
)

// Layer is what a rule looks at; independent layers support each other.
type Layer int

// Layers.
const (
	Crypto       Layer = iota // L0: what the keys themselves signed
	Identity                  // L1: one key, one machine
	Plausibility              // L2: what a machine of its model can do
	Relation                  // L3: nodes that behave as one
	Statistics                // L4: far from its like
	Economics                 // L5: money that moves oddly
)

// Severity is how much a flag weighs.
type Severity string

// Severities. A notice has an honest explanation too often: it is shown, and
// it never holds money.
const (
	Notice   Severity = "notice"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Rule is one way to see fraud. Version changes when its verdict over the same
// evidence does.
type Rule struct {
	ID       string
	Version  int
	Layer    Layer
	Severity Severity
	Summary  string
}

// Ids of the rules.
const (
	secondAnswer      = "second_answer"
	alteredHash       = "altered_hash"
	twoLiveRuns       = "two_live_runs"
	supersededRun     = "superseded_run"
	alternatingBoot   = "alternating_boot"
	bootTimeBack      = "boot_time_back"
	fallingCounter    = "falling_counter"
	impossibleTraffic = "impossible_traffic"
	fastAnswers       = "fast_answers"
	frozenMetrics     = "frozen_metrics"
	uncheckedHash     = "unchecked_hash"
	copiedMetrics     = "copied_metrics"
	cohortSlow        = "cohort_slow"
	cohortMisses      = "cohort_misses"
	sameBoot          = "same_boot"
	sameAddress       = "same_address"
	samePayout        = "same_payout"
	sameSerial        = "same_serial"
	inStep            = "in_step"
	restless          = "restless"
	speedOutlier      = "speed_outlier"
	dailyCap          = "daily_cap"
	newAddress        = "new_address"
)

// Rules are all rules, by layer.
func Rules() []Rule {
	return []Rule{
		{secondAnswer, 1, Crypto, Critical, "gave two different answers to one challenge, both under its key"},
		{alteredHash, 1, Crypto, Critical, "its running hash is of other telemetry than it sent"},
		{twoLiveRuns, 1, Identity, Critical, "a run proved itself although a later run of the same key was sending"},
		{supersededRun, 1, Identity, Critical, "a run proved itself after another one had taken its place"},
		{alternatingBoot, 1, Identity, Critical, "a boot came back after another boot of the same key"},
		{bootTimeBack, 1, Identity, Critical, "the time since boot went back within a boot"},
		{fallingCounter, 1, Plausibility, Warning, "network counters fell within a run"},
		{impossibleTraffic, 1, Plausibility, Warning, "more bytes than its links can carry"},
		{fastAnswers, 1, Plausibility, Warning, "solves puzzles faster than its model can"},
		{frozenMetrics, 1, Plausibility, Warning, "its figures do not move"},
		{uncheckedHash, 1, Plausibility, Notice, "its running hash can hardly ever be checked"},
		{copiedMetrics, 1, Plausibility, Warning, "shows the counters of another node"},
		{cohortSlow, 1, Relation, Warning, "is slower whenever many are asked at once"},
		{cohortMisses, 1, Relation, Warning, "fails when many are asked at once, and hardly ever alone"},
		{sameBoot, 1, Relation, Warning, "proves itself on the same boot of a machine as other nodes"},
		{sameAddress, 1, Relation, Notice, "shares its network with many nodes"},
		{samePayout, 1, Relation, Notice, "shares its payout address with many nodes"},
		{sameSerial, 1, Relation, Warning, "names the serial number of an older node's board"},
		{inStep, 4, Relation, Warning, "goes offline in step with other nodes of other networks"},
		{restless, 1, Relation, Notice, "goes offline so often that nobody can tell with whom"},
		{speedOutlier, 2, Statistics, Warning, "solves puzzles much faster than the nodes of its model, in its pool and in the fleet"},
		{dailyCap, 1, Economics, Notice, "reached the most that a node earns in a day"},
		{newAddress, 1, Economics, Notice, "changed its payout address within 72 hours"},
	}
}

// dailyRules flag a node again each day, of what lasts. Who dismisses such a flag
// has judged what lasts, so that the rule is quiet about the node for a while. What
// the other rules flag is one thing that happened, or stays one flag.
func dailyRules() []string {
	return []string{
		fallingCounter, impossibleTraffic, fastAnswers, frozenMetrics, copiedMetrics, cohortSlow, cohortMisses, inStep, restless, speedOutlier,
	}
}

// quietFor is how long: then a person looks at it anew.
const quietFor = 30 * 24 * time.Hour

// RuleByID finds a rule.
func RuleByID(id string) (Rule, bool) {
	all := Rules()
	i := slices.IndexFunc(all, func(r Rule) bool { return r.ID == id })
	if i < 0 {
		return Rule{}, false
	}
	return all[i], true
}

// Found is what a rule says against a node, with all that it went by.
type Found struct {
	Rule    Rule
	NodeNo  int32
	Subject string // tells what was found once from what was found before
	At      time.Time
	// Evidence is kept as JSON with the flag; it holds no secret.
	Evidence any
}

func found(id string, nodeNo int32, subject string, at time.Time, evidence any) Found {
	r, _ := RuleByID(id)
	return Found{r, nodeNo, subject, at, evidence}
}

// togetherWithin is how close in time flags of two layers must be to support
// each other.
const togetherWithin = 14 * 24 * time.Hour

// mark is what of an open flag decides about a hold.
type mark struct {
	layer    Layer
	severity Severity
	at       time.Time
}

// holds tells whether open flags hold a node's money: one of L0 or L1 does by
// itself, of the layers above two must agree. Economics never does: it has its
// own remedies.
func holds(marks []mark) bool {
	for i, m := range marks {
		if m.severity == Notice || m.layer >= Economics {
			continue
		}
		if m.layer <= Identity {
			return true
		}
		for _, other := range marks[:i] {
			apart := m.at.Sub(other.at).Abs()
			if other.severity != Notice && other.layer != m.layer && other.layer < Economics && apart <= togetherWithin {
				return true
			}
		}
	}
	return false
}
