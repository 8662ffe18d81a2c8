package coordinator

import (
	"context"

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
	told := judged(v.Result, change.Standing)
	if proven := told.Proven(before.Proven); proven != before.Proven {
		if err := node.SetProven(ctx, tx, v.NodeNo, proven); err != nil {
			return challenge.Standing{}, err
		}
	}
	if next, why := told.Status(before.Status, before.Reason); next != before.Status || why != before.Reason {
		if err := node.SetStatus(ctx, tx, v.NodeNo, next, why, v.At); err != nil {
			return challenge.Standing{}, err
		}
	}
	return challenge.Standing{
		ScoreNano: change.After, ConfidenceNano: change.Confidence, Factors: factors(change.Factors),
		FailuresLeft: change.FailuresLeft, EarlyWarning: score.Warned(change.FailuresLeft, change.Standing),
	}, nil
}

// judged is what a verdict and the score after it mean for a node's status.
func judged(result challenge.Result, s score.Standing) node.Judged {
	return node.Judged{Valid: result == challenge.Valid, Suspended: s.Suspended(), Disqualified: s.Disqualified, Why: s.Reason()}
}

// factors are those of a score as a node is told them.
func factors(f score.Factors) wire.Factors {
	return wire.Factors{
		ReputationNano: f.Reputation, TimelinessNano: f.Timeliness, AvailabilityNano: f.Availability, QualityNano: f.Quality,
	}
}
