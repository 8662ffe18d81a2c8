package score

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/score/sqlgen"
	"lucid.internal/coordinator/internal/span"
)

// tallyBehind is how far behind its verdicts a node's tally stays, and by how
// much it moves on at least: what is recorded a little late is still read then,
// and does not have the whole period counted anew.
const tallyBehind = time.Hour

// availabilityAt counts on from where the node's tally ends, within the
// transaction that holds the node's score, and moves the tally on. It counts up
// to the verdict, or to the last beat before it, which it gives: who was cut off
// since then may have been so by a fault that no beat has found.
func availabilityAt(ctx context.Context, tx db.Tx, nodeNo int32, at time.Time) (availability int64, until time.Time, err error) {
	q := sqlgen.New(tx)
	kept, err := q.Tally(ctx, nodeNo) // before the record, so that what the record lacks has a higher revision
	if err != nil {
		return 0, time.Time{}, err
	}
	if until = at; kept.LastBeat != nil {
		until = span.Earliest(at, *kept.LastBeat)
	}
	tally, r, err := countedOn(ctx, q, nodeNo, kept, until)
	if err == nil && r == nil {
		tally, r, err = countedAnew(ctx, q, nodeNo, until)
	}
	if err != nil {
		return 0, time.Time{}, err
	}
	e := r.evidence()
	if end := span.Apart(e.Faults, until.Add(-tallyBehind)); end.Sub(tally.Through) >= tallyBehind {
		if err := q.KeepTally(ctx, r.keeps(nodeNo, tally.Until(e, end), kept.FaultRevision)); err != nil {
			return 0, time.Time{}, err
		}
	}
	return tally.Until(e, until).Availability(), until, nil
}

// countedOn gives the tally that is kept and the record since; no record when
// something that the tally counted has changed since, or time went back.
func countedOn(ctx context.Context, q *sqlgen.Queries, nodeNo int32, kept sqlgen.TallyRow, at time.Time) (Tally, *record, error) {
	if kept.Through == nil || kept.Revised || at.Before(*kept.Through) {
		return Tally{}, nil, nil
	}
	tally := Tally{Through: *kept.Through}
	for i, us := range kept.ExpectedUs {
		tally.Days = append(tally.Days, Day{microseconds(us), microseconds(kept.OnlineUs[i])})
	}
	r, err := readRecord(ctx, q, nodeNo, tally.Through, at)
	if err != nil || !lastBefore(r.presence, tally.Through).is(kept.PresenceFrom, kept.PresenceTo) ||
		!lastBefore(r.states, tally.Through).is(kept.StateFrom, kept.StateTo) {
		return Tally{}, nil, err
	}
	return tally, r, nil
}

// countedAnew begins where the period does, or before it where a fault of ours
// reaches over its begin.
func countedAnew(ctx context.Context, q *sqlgen.Queries, nodeNo int32, at time.Time) (Tally, *record, error) {
	from := Period(at).From
	for {
		earlier, err := q.FaultOver(ctx, sqlgen.FaultOverParams{Begun: from, Ending: from.Add(-span.BackWithin)})
		if errors.Is(err, pgx.ErrNoRows) {
			break
		} else if err != nil {
			return Tally{}, nil, err
		}
		from = earlier
	}
	r, err := readRecord(ctx, q, nodeNo, from, at)
	return NewTally(from), r, err
}

// record is what stands in the tables of a node since an instant, with the last
// intervals that began before it, all up to another instant.
type record struct{ presence, states, expected, faults []span.Interval }

func readRecord(ctx context.Context, q *sqlgen.Queries, nodeNo int32, since, until time.Time) (*record, error) {
	rows, err := q.Record(ctx, sqlgen.RecordParams{NodeNo: nodeNo, Since: since, Until: until})
	if err != nil {
		return nil, err
	}
	var r record
	for _, row := range rows {
		i := span.Open(row.FromAt, row.ToAt, until)
		if row.Kind == "fault" {
			r.faults = append(r.faults, i)
			continue
		}
		i.To = span.Earliest(i.To, until)
		switch {
		case row.Kind == "presence":
			r.presence = append(r.presence, i)
		case row.Expected:
			r.expected = append(r.expected, i)
			fallthrough
		default:
			r.states = append(r.states, i)
		}
	}
	return &r, nil
}

func (r *record) evidence() Evidence {
	return Evidence{Online: span.Of(r.presence...), Expected: span.Of(r.expected...), Faults: span.Of(r.faults...)}
}

// keeps is the row of a tally that was counted with this record.
func (r *record) keeps(nodeNo int32, t Tally, faultRevision int64) sqlgen.KeepTallyParams {
	p := sqlgen.KeepTallyParams{NodeNo: nodeNo, Through: t.Through, FaultRevision: faultRevision}
	p.PresenceFrom, p.PresenceTo = lastBefore(r.presence, t.Through).stored()
	p.StateFrom, p.StateTo = lastBefore(r.states, t.Through).stored()
	for _, d := range t.Days {
		p.ExpectedUs = append(p.ExpectedUs, d.Expected.Microseconds())
		p.OnlineUs = append(p.OnlineUs, d.Online.Microseconds())
	}
	return p
}

func microseconds(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// edge is the last interval that begins before an instant, as far as it lies
// before it; zero when there is none. Intervals that ended never change, so that
// as long as this one is the same, all that a node has on record before the
// instant is.
type edge span.Interval

func lastBefore(list []span.Interval, t time.Time) (e edge) {
	for _, i := range list {
		if i.From.Before(t) {
			e = edge{i.From, span.Earliest(i.To, t)}
		}
	}
	return e
}

func (e edge) stored() (from, to *time.Time) {
	if e == (edge{}) {
		return nil, nil
	}
	return &e.From, &e.To
}

func (e edge) is(from, to *time.Time) bool {
	if from == nil || to == nil {
		return e == (edge{})
	}
	return e.From.Equal(*from) && e.To.Equal(*to)
}
