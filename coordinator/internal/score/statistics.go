package score

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/score/sqlgen"
)

// Statistics tell of all verdicts of a time, and of all scores now.
type Statistics struct {
	From, To time.Time
	Verdicts int64
	By       map[Result]int64 // every result
	Nodes    int64            // with a verdict
	Answered int64            // verdicts on an answer; the times that it took are 0 without any
	MeanMs   float64
	MedianMs int32
	P95Ms    int32
	Scores   Scores
}

// Scores are those of all nodes with a counted verdict, at 1e-9.
type Scores struct {
	Nodes                   int64
	Mean, Lowest, Highest   int64
	Suspended, Disqualified int64
}

// Success is the part of the counted results that are valid, at 1e-9; false when
// there are none.
func (s Statistics) Success() (int64, bool) {
	counted := s.By[Valid] + s.By[Invalid] + s.By[Late] + s.By[Missed]
	if counted == 0 {
		return 0, false
	}
	return mulDiv(s.By[Valid], One, counted), true
}

// Statistics reads the verdicts from an instant until now, at one moment: hours that
// are counted up or forgotten meanwhile would count twice, or not at all.
func (s *Store) Statistics(ctx context.Context, from, now time.Time) (st Statistics, err error) {
	err = db.AtOneMoment(ctx, s.pool, func(tx db.Tx) error {
		st, err = statistics(ctx, sqlgen.New(tx), from, now)
		return err
	})
	return st, err
}

func statistics(ctx context.Context, q *sqlgen.Queries, from, now time.Time) (Statistics, error) {
	through, err := q.HoursThrough(ctx)
	if err != nil {
		return Statistics{}, fmt.Errorf("until when verdicts are counted up: %w", err)
	}
	hours := wholeHours(from, now, through)
	rows, err := q.Outcomes(ctx, sqlgen.OutcomesParams{Since: from, HoursSince: hours.From, HoursUntil: hours.To, Until: now})
	if err != nil {
		return Statistics{}, fmt.Errorf("verdicts since %s: %w", from.Format(time.RFC3339), err)
	}
	outcomes := make([]outcome, len(rows))
	for i, r := range rows {
		outcomes[i] = outcome{Result(r.Result), r.AnsweredMs, r.Verdicts}
	}
	st := sum(outcomes)
	st.From, st.To = from, now
	if st.Nodes, err = q.CountJudgedSince(ctx, from); err != nil {
		return Statistics{}, fmt.Errorf("nodes judged since %s: %w", from.Format(time.RFC3339), err)
	}
	all, err := q.StandingOfAll(ctx)
	if err != nil {
		return Statistics{}, fmt.Errorf("all scores: %w", err)
	}
	st.Scores = Scores{
		Nodes: all.Nodes, Mean: all.Mean, Lowest: all.Lowest, Highest: all.Highest, Suspended: all.Suspended, Disqualified: all.Disqualified,
	}
	return st, nil
}

// Leader is a place in the order of scores.
type Leader struct {
	Rank       int
	NodeID     string
	Name       string
	PoolID     string // "" for none
	Status     string
	Score      int64
	Confidence int64
	Verdicts   int64
}

// Leaders gives the nodes with the highest scores, of a pool or of all (""), and
// whether more follow. Who has shown nothing yet is last, with score 0.
func (s *Store) Leaders(ctx context.Context, poolID string, limit, offset int) (list []Leader, more bool, err error) {
	rows, err := sqlgen.New(s.pool).Leaders(ctx, sqlgen.LeadersParams{PoolID: poolID, Most: int32(limit + 1), Skip: int32(offset)})
	if err != nil {
		return nil, false, fmt.Errorf("nodes by score: %w", err)
	}
	rows, more = db.Cut(rows, limit)
	list = make([]Leader, len(rows))
	for i, r := range rows {
		list[i] = Leader{
			Rank: offset + i + 1, NodeID: r.NodeID, Name: r.Name, PoolID: r.PoolID, Status: r.Status,
			Score: r.Score, Confidence: r.Confidence, Verdicts: r.Verdicts,
		}
	}
	return list, more, nil
}

// Explained is a score as two waterfalls: from a perfect record to what it is,
// and what the last verdict did to it.
type Explained struct {
	Current
	Whole []Step
	Last  *Moved // nil before the first verdict
}

// Moved is one change of a score.
type Moved struct {
	At            time.Time
	Reason        string
	Before, After int64
	Steps         []Step
}

// ExplainOf explains the score of a node.
func (s *Store) ExplainOf(ctx context.Context, nodeNo int32) (Explained, error) {
	current, err := s.Get(ctx, nodeNo)
	if err != nil {
		return Explained{}, err
	}
	e := Explained{Current: current, Whole: Explain(Record{}, current.Record)}
	rows, err := sqlgen.New(s.pool).LastChanges(ctx, nodeNo)
	if err != nil || len(rows) == 0 {
		return e, err
	}
	before := Record{}
	if len(rows) > 1 {
		if before, err = decodeRecord(rows[1].After, rows[1].Factors); err != nil {
			return Explained{}, err
		}
	}
	after, err := decodeRecord(rows[0].After, rows[0].Factors)
	e.Last = &Moved{At: rows[0].At, Reason: rows[0].Reason, Before: rows[0].Before, After: rows[0].After, Steps: Explain(before, after)}
	return e, err
}
