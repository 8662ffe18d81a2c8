package sample

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/sample/sqlgen"
	"lucid.internal/coordinator/internal/span"
)

// Series is how a node was over time.
type Series struct {
	Granularity Granularity
	From, To    time.Time // From <= t < To, whole buckets
	Fields      []Field
	Points      []Point // one a bucket
	// CompleteUntil is up to when all samples that came are counted. A point
	// after it may still grow; one before it only by a sample that is yet to come.
	CompleteUntil time.Time
	KeptSince     time.Time // there are no rollups of this granularity before
}

// Query selects a Series. No Subject selects all of them, no Granularity the
// one that suits the span.
type Query struct {
	Subject     Subject
	Granularity Granularity
	From, To    time.Time
}

// History reads the rollups of buckets that are over. The fault Validation
// means that the span is empty, or too long for the granularity.
func (s *Store) History(ctx context.Context, nodeNo int32, q Query) (Series, error) {
	now := s.cfg.Now()
	series, err := s.frame(q, now)
	if err != nil {
		return Series{}, err
	}
	g := series.Granularity
	bucket := g.Length()
	if series.CompleteUntil, err = s.completeUntil(ctx, nodeNo, g, now); err != nil {
		return Series{}, err
	}
	list := metricsOf(q.Subject)
	series.Fields = fieldsOf(list)
	// One bucket more in front, from which the first rates are counted.
	points, err := s.points(ctx, nodeNo, g, list, series.From.Add(-bucket), series.To)
	if err != nil {
		return Series{}, fmt.Errorf("rollups of node %d: %w", nodeNo, err)
	}
	points = withGaps(points, bucket, series.From.Add(-bucket), series.To)
	addRates(points, list)
	series.Points = points[min(1, len(points)):]
	return series, nil
}

// Check tells what no series can be given by.
func (s *Store) Check(q Query) error {
	_, err := s.frame(q, s.cfg.Now())
	return err
}

// frame is the series without its points.
func (s *Store) frame(q Query, now time.Time) (Series, error) {
	switch {
	case q.From.Unix() < 0 || q.From.After(now):
		return Series{}, badSpan("start_time", "must not be before 1970 or in the future")
	case !q.From.Before(q.To):
		return Series{}, badSpan("end_time", "must be after start_time")
	}
	g := q.Granularity
	if g == "" {
		g = choose(q.From, q.To, now, s.cfg.Retention)
	}
	bucket := g.Length()
	series := Series{Granularity: g, From: q.From.UTC().Truncate(bucket), KeptSince: now.UTC().Add(-s.cfg.Retention.Of(g))}
	series.To = span.Latest(series.From, span.Earliest(ceil(q.To.UTC(), bucket), now.UTC().Truncate(bucket)))
	if series.To.Sub(series.From) > MaxPoints*bucket {
		return Series{}, badSpan("granularity", tooMany(series.To.Sub(series.From), g))
	}
	return series, nil
}

func badSpan(field, reason string) error {
	return fault.New(fault.Validation, "no such series can be given; see details").
		WithFields(fault.Field{Name: field, Reason: reason})
}

func ceil(t time.Time, bucket time.Duration) time.Time {
	if whole := t.Truncate(bucket); whole.Before(t) {
		return whole.Add(bucket)
	}
	return t
}

// tooMany says what to do about a span that is too long.
func tooMany(length time.Duration, asked Granularity) string {
	for _, g := range Granularities() {
		if length <= MaxPoints*g.Length() {
			return fmt.Sprintf("%s gives more than %d points for this span; %s does not", asked, MaxPoints, g)
		}
	}
	return fmt.Sprintf("no granularity gives at most %d points for this span; ask for parts of it", MaxPoints)
}

func (s *Store) completeUntil(ctx context.Context, nodeNo int32, g Granularity, now time.Time) (time.Time, error) {
	until, err := sqlgen.New(s.cfg.Pool).CompleteUntil(ctx, sqlgen.CompleteUntilParams{
		NodeNo: nodeNo, Seconds: g.seconds(), Over: now.Truncate(g.Length()), NotBefore: now.Add(-s.cfg.Retention.Raw - day),
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("what the rollups of node %d lack: %w", nodeNo, err)
	}
	return until.UTC().Truncate(g.Length()), nil
}

func (s *Store) points(ctx context.Context, nodeNo int32, g Granularity, list []metric, from, to time.Time) ([]Point, error) {
	rows, err := s.cfg.Pool.Query(ctx, pointsQuery(g, list), nodeNo, from, to)
	if err != nil {
		return nil, err
	}
	figures := make([]Number, 4*len(list))
	var p Point
	into := []any{&p.At, &p.newestAt, &p.Samples}
	for i, m := range list {
		f := figures[4*i:]
		if !m.lastOnly {
			into = append(into, &f[0], &f[1], &f[2])
		}
		into = append(into, &f[3])
	}
	var points []Point
	_, err = pgx.ForEachRow(rows, into, func() error {
		p.At, p.Stats = p.At.UTC(), make([]Stats, len(list))
		for i := range p.Stats {
			f := figures[4*i:]
			p.Stats[i] = Stats{Min: f[0], Avg: f[1], Max: f[2], Last: f[3]}
		}
		points = append(points, p)
		return nil
	})
	return points, err
}

// ScanFloat64 reads a column.
func (n *Number) ScanFloat64(v pgtype.Float8) error {
	n.Value, n.Known = v.Float64, v.Valid
	return nil
}

func pointsQuery(g Granularity, list []metric) string {
	columns := []string{"at", "newest_at", "samples"}
	for _, m := range list {
		if !m.lastOnly {
			columns = append(columns, m.column+"_min::float8", m.column+"_avg::float8", m.column+"_max::float8")
		}
		columns = append(columns, m.column+"_last::float8")
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE node_no = $1 AND at >= $2 AND at < $3 ORDER BY at", strings.Join(columns, ", "), g.table())
}

// Range is how a node was over a span of time, in one figure each.
type Range struct {
	Granularity Granularity // of the rollups that it was made of
	From, To    time.Time
	Samples     int
	Fields      []Field
	Stats       []Stats // one a field
}

// Over folds the newest time of that length: whole buckets up to the newest
// that is over. A mean weighs each bucket by its samples.
func (s *Store) Over(ctx context.Context, nodeNo int32, subject Subject, length time.Duration) (Range, error) {
	g := choose(s.cfg.Now().Add(-length), s.cfg.Now(), s.cfg.Now(), s.cfg.Retention)
	over := s.cfg.Now().Truncate(g.Length())
	series, err := s.History(ctx, nodeNo, Query{subject, g, over.Add(-length), over})
	if err != nil {
		return Range{}, err
	}
	r := Range{Granularity: g, From: series.From, To: series.To, Fields: series.Fields}
	r.Samples, r.Stats = fold(series.Points, len(series.Fields))
	return r, nil
}
