package score

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/score/sqlgen"
	"lucid.internal/coordinator/internal/span"
)

const (
	// hourSettled is how long after an hour no verdict of it is stored any more.
	hourSettled = 10 * time.Minute
	// hoursTime bounds a run; the next one goes on.
	hoursTime = 5 * time.Second
	// hoursRecounted is how far hours are counted up anew after our clock was wrong:
	// what other coordinators judged meanwhile was not counted with its hour.
	hoursRecounted = 24 * time.Hour
)

// RunOnceHours counts up the verdicts of hours that are over. It is for the leader.
func (s *Store) RunOnceHours(ctx context.Context) error {
	began := s.now()
	for more := true; more && s.now().Sub(began) < hoursTime; {
		err := db.InTx(ctx, s.pool, func(tx db.Tx) (err error) {
			more, err = countHour(ctx, sqlgen.New(tx), began)
			return err
		})
		if err != nil {
			return fmt.Errorf("count up an hour's verdicts: %w", err)
		}
	}
	return nil
}

// countHour counts up one hour, if there is one: once a later verdict is known, since
// a clock that jumps ahead makes hours that nobody was judged in yet. No hour is
// counted before hourSettled, so when one is, the clock was ahead then or is behind
// now, and the last hours are counted anew.
func countHour(ctx context.Context, q *sqlgen.Queries, now time.Time) (more bool, err error) {
	known, err := q.LockHours(ctx, now)
	if err != nil {
		return false, err
	}
	hour := known.First
	if known.Through != nil {
		hour = *known.Through
		if hour.After(now.Add(-hourSettled)) {
			return true, recount(ctx, q, now.Add(-hoursRecounted).Truncate(time.Hour))
		}
	}
	if end := hour.Add(time.Hour); known.Newest.Before(end) || now.Before(end.Add(hourSettled)) {
		return false, nil
	}
	if err := q.CountHour(ctx, hour); err != nil {
		return false, err
	}
	return true, q.MoveHours(ctx, hour.Add(time.Hour))
}

// recount forgets the hours from one on, which are then read verdict by verdict
// until they are counted up again.
func recount(ctx context.Context, q *sqlgen.Queries, from time.Time) error {
	if err := q.ForgetHours(ctx, from); err != nil {
		return err
	}
	return q.MoveHours(ctx, from)
}

// wholeHours are those since an instant that are counted up through another, nil
// for none. Without any they are empty, now.
func wholeHours(from, now time.Time, through *time.Time) span.Interval {
	first := from.Truncate(time.Hour)
	if first.Before(from) {
		first = first.Add(time.Hour)
	}
	if through == nil || !through.After(first) {
		return span.Interval{From: now, To: now}
	}
	return span.Interval{From: first, To: *through}
}

// outcome is how often a result came after so many milliseconds, -1 without an
// answer.
type outcome struct {
	result     Result
	answeredMs int32
	verdicts   int64
}

// sum makes statistics of outcomes that are sorted by their time.
func sum(outcomes []outcome) Statistics {
	st := Statistics{By: map[Result]int64{Valid: 0, Invalid: 0, Late: 0, Missed: 0, Deferred: 0, Void: 0}}
	var ms int64
	for _, o := range outcomes {
		st.Verdicts += o.verdicts
		st.By[o.result] += o.verdicts
		if o.answeredMs >= 0 {
			st.Answered += o.verdicts
			ms += o.verdicts * int64(o.answeredMs)
		}
	}
	if st.Answered == 0 {
		return st
	}
	st.MeanMs = float64(ms) / float64(st.Answered)
	st.MedianMs, st.P95Ms = within(outcomes, 50, st.Answered), within(outcomes, 95, st.Answered)
	return st
}

// within is the time within which so many percent of the answers came.
func within(outcomes []outcome, percent, answered int64) int32 {
	var seen int64
	for _, o := range outcomes {
		if o.answeredMs < 0 {
			continue
		}
		if seen += o.verdicts; seen*100 >= answered*percent {
			return o.answeredMs
		}
	}
	return 0
}
