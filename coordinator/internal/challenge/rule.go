package challenge

import (
	"time"

	"lucid.internal/shared/proof"
)

// RuleVersion is stored with each verdict; it changes when judge does.
const RuleVersion = 3 // 2: what an answer shows of quality; 3: deferral

// Reasons of verdicts.
const (
	reasonSolution  = "bad_solution"   // a solution or the challenge hash is wrong
	reasonSignature = "bad_signature"  // the device key did not sign the answer
	reasonChain     = "hash_mismatch"  // the telemetry that the node speaks of is not what we stored
	reasonDeadline  = "after_deadline" // answered, but too late
	reasonSilence   = "no_answer"
	reasonOurFault  = "our_fault"          // broker, database or coordinator were down meanwhile
	reasonThrottled = "throttled"          // deferred, as a hot or starved machine may
	reasonTooOften  = "deferred_too_often" // though it may do so only so often a day
	reasonWithdrawn = "withdrawn"          // the node was stopped, set aside or given another key meanwhile
)

// evidence is all that judging an answer needs. The MAC was checked before:
// an answer without a good one is nobody's.
type evidence struct {
	received, deadline time.Time
	named              bool // the answer is to this challenge
	solutions          bool // all x right
	defers             bool // instead of solutions it says that the machine is throttled
	deferrals          int  // in the 24 hours before
	signature          bool
	chain              chainState
}

type chainState int

const (
	chainUnknown chainState = iota // cannot be checked: neutral, never invalid
	chainMatches
	chainDiffers
)

// judge is the whole rule: a late answer is late whatever it holds.
func judge(e evidence) (Result, string) {
	switch {
	case e.received.After(e.deadline):
		return Late, reasonDeadline
	case !e.named || !e.solutions && !e.defers:
		return Invalid, reasonSolution
	case !e.signature:
		return Invalid, reasonSignature
	case e.chain == chainDiffers:
		return Invalid, reasonChain
	case e.defers && e.deferrals >= proof.DeferralsPerDay:
		return Missed, reasonTooOften
	case e.defers:
		return Deferred, reasonThrottled
	}
	return Valid, ""
}

const one int64 = 1_000_000_000

// promptness is how quick an answer was: all of it until the usual time is over,
// nothing at the deadline, and evenly less between.
func promptness(answered, usual, deadline time.Duration) int64 {
	if answered <= usual || deadline-usual < time.Millisecond {
		return one
	}
	return max(deadline-answered, 0).Milliseconds() * one / (deadline - usual).Milliseconds()
}

// Telemetry that is at most so old is complete, and none is left of it later.
const (
	telemetryFresh = 2 * time.Minute
	telemetryStale = 10 * time.Minute
)

// completeness is how much of a node's telemetry has come, by the age of the newest.
func completeness(age time.Duration) int64 { return promptness(age, telemetryFresh, telemetryStale) }

// gap is the time to the next challenge. Exponential gaps have no memory, so
// nothing after an answer is known to be free. It is bounded at ten means, so
// that no node is forgotten.
func gap(mean time.Duration, exponential float64) time.Duration {
	return time.Duration(min(exponential, 10) * float64(mean))
}
