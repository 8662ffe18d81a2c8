package challenge

import (
	"context"
	"errors"
	"fmt"

	"lucid.internal/coordinator/internal/challenge/sqlgen"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/shared/proof"
)

// expire gives a verdict on every challenge whose validity ended unanswered, or
// that nobody is to answer any more.
func (r *Referee) expire(ctx context.Context) error {
	now := r.Now()
	heard := now
	if r.Heard != nil {
		heard = r.Heard()
	}
	rows, err := sqlgen.New(r.Pool).Ending(ctx, sqlgen.EndingParams{At: heard, Most: most})
	if err != nil {
		return fmt.Errorf("read unanswered challenges: %w", err)
	}
	var failed error
	for _, row := range rows {
		if r.Now().Sub(now) > roundTime {
			break
		}
		v := Verdict{ChallengeID: proof.ID(row.ChallengeID), NodeNo: row.NodeNo, Result: Missed, Reason: reasonSilence, At: r.Now(), Aside: !row.Counted}
		judged, err := r.conclude(ctx, &v, trace{}, func(ctx context.Context, tx db.Tx) error {
			if row.Withdrawn {
				v.Result, v.Reason = Void, reasonWithdrawn
				return nil
			}
			ours, err := r.OurFault(ctx, tx, row.IssuedAt, row.ExpiresAt)
			if ours {
				v.Result, v.Reason = Void, reasonOurFault
			}
			return err
		})
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("close challenge %s of node %d: %w", row.ChallengeID, row.NodeNo, err))
		}
		if judged != nil {
			r.AfterVerdict(judged.nodeID, v, judged.standing)
			// A node that stopped reading can hold a message up for seconds.
			go r.publishVerdict(judged.nodeID, v, judged.standing)
		}
	}
	return failed
}
