// Package score owns how far a node can be trusted: the reputation counters,
// the score that they give with the node's availability, and the record of
// every change with its reason.
//
// The rules (rule.go, standing.go, availability.go, explain.go) are pure and use integers only, so
// that every architecture and every later replay gives the same score. It must
// never change a node's status or issue a challenge: it tells its caller what
// the record means.
package score

import (
	"fmt"
	"math/bits"
	"time"
)

// RuleVersion numbers these rules. It changes with every change of a result.
const RuleVersion = 3 // 2: quality, and grace before disqualification. 3: availability over whole days

// One is 1.0, and as a score 100 points.
const One int64 = 1_000_000_000

// Result is how a challenge was judged.
type Result string

// Results of a challenge.
const (
	Valid    Result = "valid"
	Invalid  Result = "invalid"
	Late     Result = "late"
	Missed   Result = "missed"
	Deferred Result = "deferred" // excused: says nothing of the node
	Void     Result = "void"     // our own fault: says nothing of the node
)

// The two reputations forget at different speeds, as thousandths kept at each
// step: 200 and 20 challenges are their memories, and so their start values.
const (
	reputationKeeps, reputationStart = 995, 200 * One
	timelyKeeps, timelyStart         = 950, 20 * One
)

// confidenceHalf is the number of verdicts that give half of full confidence.
const confidenceHalf = 50

// Judged is what the score takes from a verdict.
type Judged struct {
	Result Result    `json:"result"`
	At     time.Time `json:"at"`
	// Aside is set when a challenge on demand, or at a start, followed another one
	// within a mean gap: who may ask or start a node at will must not be able to
	// wear a record down, or up.
	Aside bool `json:"aside,omitempty"`
	// What was seen of the node's quality, from 0 to One; nil says nothing.
	Prompt    *int64 `json:"prompt,omitempty"`    // how quickly it answered
	Telemetry *int64 `json:"telemetry,omitempty"` // how much of its telemetry had come
}

// Counters are all that is remembered of a node's verdicts, scaled by One.
// Reputation counts right against wrong answers, timely answered against late
// or missed.
type Counters struct {
	ReputationA int64    `json:"reputation_a"`
	ReputationB int64    `json:"reputation_b"`
	TimelyA     int64    `json:"timely_a"`
	TimelyB     int64    `json:"timely_b"`
	Verdicts    int64    `json:"verdicts"` // counted ones: neither deferred nor void
	Prompt      int64    `json:"prompt"`   // mean of late, forgetting as timeliness does
	Telemetry   int64    `json:"telemetry"`
	Standing    Standing `json:"standing"`
}

// New is a node of which nothing is known: it is trusted, without confidence.
func New() Counters {
	return Counters{ReputationA: reputationStart, TimelyA: timelyStart, Prompt: One, Telemetry: One}
}

// Apply counts one more verdict. The error names a result that is none.
func Apply(c Counters, j Judged) (Counters, error) {
	before := c
	switch j.Result {
	case Valid:
		c.count(1, 0)
		c.countTimely(1, 0)
	case Invalid:
		c.count(0, 1)
		c.countTimely(1, 0) // wrong, but in time
	case Late, Missed:
		c.countTimely(0, 1)
	case Deferred, Void:
		return c, nil
	default:
		return c, fmt.Errorf("score: %q is no result of a challenge", j.Result)
	}
	if j.Aside {
		return before, nil
	}
	c.Verdicts++
	mix(&c.Prompt, j.Prompt)
	mix(&c.Telemetry, j.Telemetry)
	c.Standing = c.Standing.next(c.Reputation(), c.Timeliness(), j.At)
	return c, nil
}

// mix moves a mean towards what was seen. What is kept is rounded down.
func mix(mean, seen *int64) {
	if seen != nil {
		*mean = (*mean*timelyKeeps + *seen*(1000-timelyKeeps)) / 1000
	}
}

// count is a <- L a + w, b <- L b + (1 - w). What is kept is rounded down.
func (c *Counters) count(good, bad int64) {
	c.ReputationA = c.ReputationA*reputationKeeps/1000 + good*One
	c.ReputationB = c.ReputationB*reputationKeeps/1000 + bad*One
}

func (c *Counters) countTimely(good, bad int64) {
	c.TimelyA = c.TimelyA*timelyKeeps/1000 + good*One
	c.TimelyB = c.TimelyB*timelyKeeps/1000 + bad*One
}

// Reputation is R = a / (a + b), rounded down.
func (c Counters) Reputation() int64 { return share(c.ReputationA, c.ReputationB) }

// Timeliness is R2, the same over answers in time, rounded down.
func (c Counters) Timeliness() int64 { return share(c.TimelyA, c.TimelyB) }

// Quality is Q = 0.8 + 0.1 prompt + 0.1 telemetry, rounded down: slowness costs
// a tenth at most, and never makes the puzzles easier.
func (c Counters) Quality() int64 { return (8*One + c.Prompt + c.Telemetry) / 10 }

// Confidence is n / (n + 50), rounded down.
func (c Counters) Confidence() int64 { return share(c.Verdicts, confidenceHalf) }

func share(a, b int64) int64 {
	if a+b == 0 {
		return 0
	}
	return mulDiv(a, One, a+b)
}

// mulDiv is floor(x * y / z) for x, y >= 0 and z > 0. The quotient must fit.
func mulDiv(x, y, z int64) int64 {
	hi, lo := bits.Mul64(uint64(x), uint64(y))
	quotient, _ := bits.Div64(hi, lo, uint64(z))
	return int64(quotient)
}

// Factors of a score, each between 0 and One.
type Factors struct {
	Reputation   int64 `json:"reputation"`
	Timeliness   int64 `json:"timeliness"`
	Availability int64 `json:"availability"`
	Quality      int64 `json:"quality"`
}

// Compute gives the factors of a node.
func Compute(c Counters, availability int64) Factors {
	return Factors{
		Reputation:   c.Reputation(),
		Timeliness:   c.Timeliness(),
		Availability: availability,
		Quality:      c.Quality(),
	}
}

// Score is the product of the factors, where One is 100 points. They are
// multiplied in the order of their declaration, each product rounded down.
func (f Factors) Score() int64 {
	s := mulDiv(f.Reputation, f.Timeliness, One)
	s = mulDiv(s, f.Availability, One)
	return mulDiv(s, f.Quality, One)
}
