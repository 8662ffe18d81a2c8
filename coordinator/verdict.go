package coordinator

import (
	"context"
	"strings"

	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/score"
	"lucid.internal/shared/wire"
)

// onVerdict counts a verdict in the node's score and lets its status follow,
// all in the transaction that stores the verdict.
func (c *Coordinator) onVerdict(ctx context.Context, tx db.Tx, v challenge.Verdict) (challenge.Standing, error) {
	change, err := c.scores.OnVerdict(ctx, tx, score.Entry{
		NodeNo: v.NodeNo, No: v.No, Reason: v.Reason,
		Judged: score.Judged{Result: score.Result(v.Result), At: v.At, Aside: v.Aside, Prompt: v.Prompt, Telemetry: v.Telemetry},
	})
	if err != nil {
		return challenge.Standing{}, err
	}
	before, err := node.StateOf(ctx, tx, v.NodeNo)
	if err != nil {
		return challenge.Standing{}, err
	}
	if proven := provenAfter(before.Proven, v.Result, change.Standing); proven != before.Proven {
		if err := node.SetProven(ctx, tx, v.NodeNo, proven); err != nil {
			return challenge.Standing{}, err
		}
	}
	if next, why := statusAfter(before.Status, before.Reason, v.Result, change.Standing); next != before.Status || why != before.Reason {
		if err := node.SetStatus(ctx, tx, v.NodeNo, next, why, v.At); err != nil {
			return challenge.Standing{}, err
		}
	}
	return challenge.Standing{
		ScoreNano: change.After, ConfidenceNano: change.Confidence, Factors: factors(change.Factors),
		FailuresLeft: change.FailuresLeft, EarlyWarning: score.Warned(change.FailuresLeft, change.Standing),
	}, nil
}

// factors are those of a score as a node is told them.
func factors(f score.Factors) wire.Factors {
	return wire.Factors{
		ReputationNano: f.Reputation, TimelinessNano: f.Timeliness, AvailabilityNano: f.Availability, QualityNano: f.Quality,
	}
}

// provenAfter tells whether a node may be active without a further proof. Also
// while an operator has set it aside: what the score took from it then is not
// given back by starting it.
func provenAfter(proven bool, result challenge.Result, s score.Standing) bool {
	return !s.Suspended() && !s.Disqualified && (proven || result == challenge.Valid)
}

// statusAfter is the status that a verdict leads to: the first valid proof
// makes a starting node active, the score suspends and lifts. What an operator
// decided is left alone.
func statusAfter(status node.Status, reason string, result challenge.Result, s score.Standing) (node.Status, string) {
	working := status == node.Starting || status == node.Active
	byScore := status == node.Suspended && strings.HasPrefix(reason, node.SuspendedByScore)
	switch {
	case s.Disqualified && (working || byScore):
		// The reason differs from a suspension's, so that no later answer lifts it.
		return node.Suspended, node.Disqualified + s.Reason()
	case s.Suspended() && working:
		return node.Suspended, node.SuspendedByScore + s.Reason()
	case !s.Suspended() && byScore:
		return node.Active, "score recovered"
	case status == node.Starting && result == challenge.Valid:
		return node.Active, "proven"
	}
	return status, reason
}
