package sample

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/span"
)

// fleetTime is the median of the newest times that nodes gave their samples, of
// the nodes that were heard last: within an hour of the last one; the later of two,
// so that one clock that is behind does not end retention. What was refused
// for its time counts as well, since all are once our clock is a week ahead. What
// was received in the future was received by a clock of ours that was wrong.
const fleetTime = `
WITH heard AS (
	SELECT at, received_at FROM sample_latest WHERE received_at <= $1
	UNION ALL SELECT at, received_at FROM sample_untimely WHERE received_at <= $1
)
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY at DESC) FROM heard
WHERE received_at > (SELECT max(received_at) FROM heard) - interval '1 hour'`

// horizon is the moment from which it is reckoned how long something is kept:
// now, or the fleet's time when that is earlier. So a clock of ours that jumps
// ahead deletes nothing, nor do the clocks of a few nodes; and while nobody sends,
// nothing grows and nothing is dropped.
func (s *Store) horizon(ctx context.Context) (time.Time, error) {
	now := s.cfg.Now()
	var fleet *time.Time
	if err := s.cfg.Pool.QueryRow(ctx, fleetTime, now).Scan(&fleet); err != nil {
		return time.Time{}, fmt.Errorf("the fleet's time: %w", err)
	}
	if fleet == nil {
		return now, nil
	}
	return span.Earliest(now, *fleet), nil
}
