package fraud

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fraud/sqlgen"
)

// place is where reading second answers goes on: behind this one.
type place struct {
	at time.Time
	id uuid.UUID // of the challenge
}

// seeSeconds flags second answers until none is new.
func (s *Store) seeSeconds(ctx context.Context, now time.Time) error {
	var next place // the cursor's, until the first were read
	for {
		var n int
		err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) (err error) {
			next, n, err = s.seeSomeSeconds(ctx, tx, next, now)
			return err
		})
		if err != nil {
			return fmt.Errorf("look at second answers: %w", err)
		}
		if n < answersAtOnce || s.cfg.Now().Sub(now) > roundTime {
			return nil
		}
	}
}

// seeSomeSeconds flags those behind a place, and moves the cursor. It never comes
// closer to now, or to the newest, than an answer can lie behind the newest that is
// visible: one of an earlier time may still be stored. A clock of ours that was ahead
// does not carry it away, and one that is set right fetches it back.
func (s *Store) seeSomeSeconds(ctx context.Context, tx db.Tx, from place, now time.Time) (next place, n int, err error) {
	q := sqlgen.New(tx)
	cursor, err := q.LockCursor(ctx)
	if err != nil {
		return from, 0, err
	}
	newest, err := q.NewestSecond(ctx)
	if err != nil {
		return from, 0, err
	}
	if from.at.Before(cursor.SecondsAt) {
		from = place{at: cursor.SecondsAt}
	}
	flags, next, err := seconds(ctx, q, from)
	if err != nil {
		return from, 0, err
	}
	if _, err := s.keep(ctx, tx, flags); err != nil {
		return from, 0, err
	}
	if newest.After(now) {
		newest = now
	}
	seen := newest.Add(-2 * settled)
	if len(flags) == answersAtOnce && next.at.Before(seen) {
		seen = next.at
	}
	return next, len(flags), q.MoveSeconds(ctx, seen)
}

// seconds flags at most answersAtOnce second answers behind a place, and gives
// that of the last.
func seconds(ctx context.Context, q *sqlgen.Queries, from place) ([]Found, place, error) {
	rows, err := q.SecondAnswers(ctx, sqlgen.SecondAnswersParams{AfterAt: from.at, AfterID: from.id, Most: answersAtOnce})
	if err != nil {
		return nil, from, err
	}
	flags := make([]Found, len(rows))
	for i, r := range rows {
		flags[i] = second(Second{r.NodeNo, r.ChallengeID.String(), r.At, r.Sha256})
		from = place{r.At, r.ChallengeID}
	}
	return flags, from, nil
}
