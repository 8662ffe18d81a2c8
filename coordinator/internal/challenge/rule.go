package challenge

import "time"

// RuleVersion is stored with each verdict; it changes when judge does.
const RuleVersion = 1

// Reasons of verdicts.
const (
	reasonSolution  = "bad_solution"   // a solution or the challenge hash is wrong
	reasonSignature = "bad_signature"  // the device key did not sign the answer
	reasonChain     = "hash_mismatch"  // the telemetry that the node speaks of is not what we stored
	reasonDeadline  = "after_deadline" // answered, but too late
	reasonSilence   = "no_answer"
	reasonOurFault  = "our_fault" // broker, database or coordinator were down meanwhile
	reasonWithdrawn = "withdrawn" // the node was stopped, set aside or given another key meanwhile
)

// evidence is all that judging an answer needs. The MAC was checked before:
// an answer without a good one is nobody's.
type evidence struct {
	received, deadline time.Time
	solutions          bool // all x right, and the answer is to this challenge
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
	case !e.solutions:
		return Invalid, reasonSolution
	case !e.signature:
		return Invalid, reasonSignature
	case e.chain == chainDiffers:
		return Invalid, reasonChain
	}
	return Valid, ""
}

// gap is the time to the next challenge. Exponential gaps have no memory, so
// nothing after an answer is known to be free. It is bounded at ten means, so
// that no node is forgotten.
func gap(mean time.Duration, exponential float64) time.Duration {
	return time.Duration(min(exponential, 10) * float64(mean))
}
