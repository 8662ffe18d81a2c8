package challenge

import (
	"math"
	"strings"
	"time"
)

// A cohort is many nodes that are asked in one instant, so that identities which
// share a machine are slow together. One challenge in cohortShare is of a cohort.
const (
	cohortShare  = 10
	cohortLeast  = 20   // nodes; a smaller fleet is asked whole
	cohortMost   = 1000 // and no more than one round may hold
	cohortFactor = 3    // deadline, in times that the model takes to solve
	cohortWait   = 2 * time.Second
)

// cohortSize is how many of the nodes a cohort holds: half of a fleet, within
// its bounds.
func cohortSize(nodes int) int { return min(max(nodes/2, cohortLeast), cohortMost, nodes) }

// cohortGap is the mean time between two cohorts that gives each node its share:
// every node is in one each cohortShare gaps of its own.
func cohortGap(interval time.Duration, nodes int) time.Duration {
	return time.Duration(float64(interval) * cohortShare * float64(cohortSize(nodes)) / float64(nodes))
}

// routineGap is the mean time between the challenges that a node is asked alone,
// so that those of cohorts come within interval and not on top of it.
func routineGap(interval time.Duration) time.Duration {
	return interval * cohortShare / (cohortShare - 1)
}

// cohortComes decides whether a cohort falls into a span that just passed. Each
// instant is as likely as any other, so nothing has to be remembered: the next
// leader goes on as if it had always led.
func cohortComes(passed, gap time.Duration, exponential float64) bool {
	return exponential*float64(gap) < float64(passed)
}

// FastestOf bounds the rate of one core from above, where rateOf is cautious:
// four times that covers the best code known for such a core and a raised clock,
// with SHA-256 instructions it is sixteen. Nobody measured either on a board.
func FastestOf(model string) (rate float64, known bool) {
	rate, known = rateOf(model)
	if strings.HasPrefix(model, "Raspberry Pi 5") || strings.HasPrefix(model, "Raspberry Pi Compute Module 5") {
		return 16 * rate, known
	}
	return 4 * rate, known
}

// CohortTime is how long a node of a model has in a cohort for so many puzzles.
func CohortTime(model string, count, difficulty int) time.Duration {
	rate, _ := rateOf(model)
	return cohortDeadline(solvingTime(rate, count, difficulty), math.MaxInt64)
}

// cohortDeadline is how long a node of a cohort has: three times what its model
// needs, so that one machine cannot answer for many. Never above what a node that
// is asked alone gets.
func cohortDeadline(solving, longest time.Duration) time.Duration {
	return min(usualTime(solving), longest)
}

// usualTime is when a node that solves alone has answered.
func usualTime(solving time.Duration) time.Duration { return max(cohortFactor*solving, cohortWait) }

// hashRates are how many puzzle hashes a second one low-priority thread of a
// model does, by the beginning of what /proc/device-tree/model says. They are
// cautious assumptions, from a clock and core that have no SHA-256 instructions
// (those of a Pi 5 do), and not measurements: docs/poot.md says what rests on
// them. The longest name that fits is taken.
var hashRates = map[string]float64{
	"Raspberry Pi":                  30_000, // the first ones and Zero: one core of ARMv6
	"Raspberry Pi 2":                80_000,
	"Raspberry Pi Zero 2":           120_000,
	"Raspberry Pi 3":                180_000,
	"Raspberry Pi Compute Module 3": 180_000,
	"Raspberry Pi 4":                330_000, // and 400
	"Raspberry Pi Compute Module 4": 330_000,
	"Raspberry Pi 5":                800_000, // and 500
	"Raspberry Pi Compute Module 5": 800_000,
}

// slowestRate is what any other machine is taken for where time is given.
const slowestRate = 30_000

// rateOf gives the hashes a second of a model; known is false for one that is
// not in the table.
func rateOf(model string) (rate float64, known bool) {
	longest := ""
	for name := range hashRates {
		if strings.HasPrefix(model, name) && len(name) > len(longest) {
			longest = name
		}
	}
	if longest == "" {
		return slowestRate, false
	}
	return hashRates[longest], true
}

// solvingTime is what count puzzles of so many bits take at a rate, on average:
// half of the search.
func solvingTime(rate float64, count, difficulty int) time.Duration {
	return time.Duration(float64(count) * float64(uint64(1)<<difficulty) / 2 / rate * float64(time.Second))
}
