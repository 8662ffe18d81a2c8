package node

import "strings"

// Reasons that a suspension begins with; who may end it follows from them.
const (
	SuspendedByScore    = "score: "        // lifts itself when the score recovers
	SuspendedByOperator = "operator: "     // ends at its time, or when the operator starts the node
	Disqualified        = "disqualified: " // never lifts
)

// suspendedByOperator tells a suspension that an operator may end.
func suspendedByOperator(status Status, reason string) bool {
	return status == Suspended && strings.HasPrefix(reason, SuspendedByOperator)
}

// mayStart: what was stopped, did not confirm, or was set aside by an operator.
func mayStart(status Status, reason string) bool {
	return status == Inactive || status == Error || status == Maintenance || suspendedByOperator(status, reason)
}

// mayStop: what runs, or did not confirm a command.
func mayStop(status Status) bool {
	return status == Starting || status == Active || status == Error
}

// maySet tells whether an operator may set a status by hand. A node that never
// enrolled has nothing to set aside; a suspension by the score may only be made
// stricter, a disqualification stays.
func maySet(from Status, reason string, to Status) bool {
	if to != Maintenance && to != Inactive && to != Suspended {
		return false
	}
	if from == Pending {
		return false
	}
	if from != Suspended || suspendedByOperator(from, reason) {
		return true
	}
	return to == Suspended && strings.HasPrefix(reason, SuspendedByScore)
}

// afterReenrolment is what a new key makes of the status: nobody has seen it
// prove anything. What an operator, a command or the score holds back stays so.
func afterReenrolment(status Status) Status {
	if status == Active {
		return Starting
	}
	return status
}

// afterLift is what a node becomes when its maintenance or suspension ends: it
// proves itself anew, unless its agent was stopped.
func afterLift(agentStopped bool) Status {
	if agentStopped {
		return Inactive
	}
	return Starting
}

// afterResult is what a confirmed command makes of the status; ok is false when
// the status is not one that waits for it. A node that has yet to prove itself,
// or that its last verdict took out of work, goes on starting: a verdict makes
// it active, never its own word.
func afterResult(kind string, status Status, proven bool) (next Status, ok bool) {
	switch {
	case kind == "start" && status == Starting && proven:
		return Active, true
	case kind == "start" && status == Starting:
		return Starting, true
	case kind == "stop" && status == Stopping:
		return Inactive, true
	}
	return status, false
}

// Judged is what a verdict and the score after it say of a node.
type Judged struct {
	Valid        bool   // the answer was right, and in time
	Suspended    bool   // the score is too low to work
	Disqualified bool   // for good
	Why          string // what of the score suspends or disqualifies
}

// Proven tells whether a node may be active without a further proof. Also
// while an operator has set it aside: what the score took from it then is not
// given back by starting it.
func (j Judged) Proven(before bool) bool {
	return !j.Suspended && !j.Disqualified && (before || j.Valid)
}

// Status is the one that the verdict leads to: the first valid proof makes a
// starting node active, the score suspends and lifts. What an operator decided
// is left alone.
func (j Judged) Status(before Status, reason string) (Status, string) {
	working := before == Starting || before == Active
	byScore := before == Suspended && strings.HasPrefix(reason, SuspendedByScore)
	switch {
	case j.Disqualified && (working || byScore):
		// The reason differs from a suspension's, so that no later answer lifts it.
		return Suspended, Disqualified + j.Why
	case j.Suspended && working:
		return Suspended, SuspendedByScore + j.Why
	case !j.Suspended && byScore:
		return Active, "score recovered"
	case before == Starting && j.Valid:
		return Active, "proven"
	}
	return before, reason
}

// movedTo tells whether a board, by its serial's hash, is neither the one that
// enrolled nor the one that the node told of last.
func movedTo(board, enrolled, told string) bool {
	return board != "" && enrolled != "" && board != enrolled && board != told
}
