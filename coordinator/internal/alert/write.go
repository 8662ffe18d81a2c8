package alert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/alert/sqlgen"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
)

// errOvertaken says that another coordinator has looked since: it leads, and finds
// by itself whatever there is.
var errOvertaken = errors.New("another coordinator looks after the alerts")

// write stores steps of the newest look with their events in one transaction.
func (w *Watch) write(ctx context.Context, steps []step) error {
	now := w.store.now()
	return w.inTurn(ctx, func(tx db.Tx, q *sqlgen.Queries) error {
		var b batch
		for i := range steps {
			b.add(&steps[i], now)
		}
		events, err := b.run(ctx, q, now)
		if err != nil {
			return err
		}
		return event.Publish(ctx, tx, events...)
	})
}

// inTurn runs a transaction that no other coordinator's look comes before: what it
// finds would else be of before this one.
func (w *Watch) inTurn(ctx context.Context, run func(db.Tx, *sqlgen.Queries) error) error {
	return db.InTx(ctx, w.store.cfg.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		holds, err := q.HoldsTurn(ctx, w.turn)
		if err != nil {
			return err
		}
		if !holds {
			return errOvertaken
		}
		return run(tx, q)
	})
}

// batch sorts steps by the statement that each needs.
type batch struct {
	inserts   []sqlgen.InsertAlertParams
	inserted  []*step
	moves     []sqlgen.MoveAlertParams
	drops     []int64
	refreshed sqlgen.RefreshAlertsParams
	changed   []*step // whose alert has its number already
}

func (b *batch) add(s *step, now time.Time) {
	a, since := s.alert(now), s.track
	switch {
	case s.change == "" && !s.moved():
		r := &b.refreshed
		r.AlertNos, r.Ats = append(r.AlertNos, a.No), append(r.Ats, a.ObservedAt)
		r.Values, r.Details = append(r.Values, a.Value), append(r.Details, a.Detail)
		return
	case s.change == Dismissed:
		b.drops = append(b.drops, a.No)
	case s.before.no == 0:
		b.inserts = append(b.inserts, sqlgen.InsertAlertParams{
			NodeNo: s.node.no, Kind: string(a.Kind), State: string(a.State), Severity: string(a.Severity), Value: a.Value, Threshold: a.Threshold,
			Detail: a.Detail, WarningSince: orNull(since.WarningSince), CriticalSince: orNull(since.CriticalSince),
			StartedAt: a.StartedAt, FiredAt: a.FiredAt, ObservedAt: a.ObservedAt, Untold: s.change == Fired,
		})
		b.inserted = append(b.inserted, s)
		return
	default:
		b.moves = append(b.moves, sqlgen.MoveAlertParams{
			AlertNo: a.No, State: string(a.State), Severity: string(a.Severity), Value: a.Value, Threshold: a.Threshold, Detail: a.Detail,
			WarningSince: orNull(since.WarningSince), CriticalSince: orNull(since.CriticalSince), FiredAt: a.FiredAt,
			ObservedAt: a.ObservedAt, ResolvedAt: a.ResolvedAt, EndReason: a.EndReason, Untold: s.untold(),
		})
	}
	if s.change != "" {
		b.changed = append(b.changed, s)
	}
}

// untold: the end of what nobody was told of is not told either. nil leaves it
// as it is.
func (s *step) untold() *bool {
	untold := s.change != Ended || s.before.told
	if s.change == "" || s.change == Began {
		return nil
	}
	return &untold
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// run executes the statements and gives the events of what they changed.
func (b *batch) run(ctx context.Context, q *sqlgen.Queries, now time.Time) (events []event.Event, err error) {
	collect := func(_ int, e error) { err = errors.Join(err, e) }
	tell := func(s *step) {
		a := s.alert(now)
		events = append(events, a.event(s.change, now))
	}
	q.InsertAlert(ctx, b.inserts).QueryRow(func(i int, no int64, e error) {
		if collect(i, e); e != nil {
			return
		}
		s := *b.inserted[i] // the transaction may run again
		s.before.no, s.before.startedAt = no, now
		tell(&s)
	})
	q.MoveAlert(ctx, b.moves).Exec(collect)
	q.DropAlert(ctx, b.drops).Exec(collect)
	for _, s := range b.changed {
		tell(s)
	}
	if err == nil && len(b.refreshed.AlertNos) > 0 {
		err = q.RefreshAlerts(ctx, b.refreshed)
	}
	return events, err
}

// tell hands over what is untold and not silenced.
func (w *Watch) tell(ctx context.Context) error {
	for {
		n, err := w.tellSome(ctx)
		if err != nil || n < tellAtOnce {
			return err
		}
	}
}

func (w *Watch) tellSome(ctx context.Context) (n int, err error) {
	now := w.store.now()
	err = w.inTurn(ctx, func(tx db.Tx, q *sqlgen.Queries) error {
		rows, err := q.TakeUntold(ctx, sqlgen.TakeUntoldParams{At: now, Most: tellAtOnce})
		if n = len(rows); err != nil || n == 0 {
			return err
		}
		alerts, numbers := make([]Alert, n), make([]int64, n)
		for i, r := range rows {
			numbers[i] = r.AlertNo
			alerts[i] = Alert{
				No: r.AlertNo, NodeID: r.NodeID, NodeName: r.Name, PoolID: r.PoolID, Kind: Kind(r.Kind), State: State(r.State),
				Severity: Severity(r.Severity), Worst: Severity(r.Worst), Value: r.Value, Threshold: r.Threshold, Detail: r.Detail, StartedAt: r.StartedAt,
				FiredAt: r.FiredAt, ObservedAt: r.ObservedAt, ResolvedAt: r.ResolvedAt, EndReason: r.EndReason,
			}
		}
		if err := w.store.cfg.Tell(ctx, tx, alerts); err != nil {
			return fmt.Errorf("%d alerts: %w", n, err)
		}
		return q.MarkTold(ctx, sqlgen.MarkToldParams{At: now, AlertNos: numbers})
	})
	return n, err
}
