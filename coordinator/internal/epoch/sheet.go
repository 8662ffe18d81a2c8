package epoch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/epoch/sqlgen"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/span"
)

// Sheet is a closed epoch of a pool, with all that its lines follow from.
type Sheet struct {
	EpochNo  int64 // rises with closing
	PoolID   string
	Epoch    span.Interval
	Reward   ledger.Amount
	EntryID  *uuid.UUID // nil: a reward of 0 needs no entry
	ClosedAt time.Time
	Windows  []span.Interval // faults of ours around it
	Members  []Member        // by node number, as the lines
	Lines    []Line
}

// Archive reads closed epochs. ScoreAsOf and FaultWindows are as in Config, but
// tell what is on record, whoever asks.
type Archive struct {
	ScoreAsOf    scoreAsOf
	FaultWindows faultWindows
}

// pageSheets is how many epochs are listed at a time; their lines are read one
// epoch after another, so that any number of them fits in memory.
const pageSheets = 100

// Closed hands on every epoch that was closed in that span of time, in the order
// of closing, whole.
func (a Archive) Closed(ctx context.Context, tx db.Tx, closed span.Interval, yield func(Sheet) error) error {
	return a.each(ctx, tx, 0, yield, func(q *sqlgen.Queries, after int64) ([]sqlgen.ClosedRow, error) {
		return q.Closed(ctx, sqlgen.ClosedParams{After: after, Since: closed.From, Until: closed.To, Most: pageSheets})
	})
}

// Of hands on every closed epoch that overlaps that span of time and in which
// the node was a member, with its line alone, up to most of them from the one
// after a number on.
func (a Archive) Of(ctx context.Context, tx db.Tx, nodeNo int32, overlap span.Interval, after int64, most int, yield func(Sheet) error) error {
	return a.each(ctx, tx, nodeNo, yield, func(q *sqlgen.Queries, last int64) ([]sqlgen.ClosedRow, error) {
		rows, err := q.ClosedOf(ctx, sqlgen.ClosedOfParams{
			NodeNo: nodeNo, After: max(after, last), Since: overlap.From, Until: overlap.To, Most: int32(min(most, pageSheets)),
		})
		most -= len(rows)
		page := make([]sqlgen.ClosedRow, len(rows))
		for i, r := range rows {
			page[i] = sqlgen.ClosedRow(r)
		}
		return page, err
	})
}

func (a Archive) each(ctx context.Context, tx db.Tx, nodeNo int32, yield func(Sheet) error, list func(*sqlgen.Queries, int64) ([]sqlgen.ClosedRow, error)) error {
	last := int64(0)
	for {
		page, err := list(sqlgen.New(tx), last)
		if err != nil {
			return fmt.Errorf("list closed epochs: %w", err)
		}
		for _, row := range page {
			last = row.EpochNo
			sheet, err := a.read(ctx, tx, row, nodeNo)
			if err != nil {
				return fmt.Errorf("read the epoch of pool %s from %s: %w", row.PoolID, row.StartsAt.Format(time.RFC3339), err)
			}
			if err := yield(sheet); err != nil {
				return err
			}
		}
		if len(page) < pageSheets {
			return nil
		}
	}
}

// read reads an epoch, of one node alone unless nodeNo is 0.
func (a Archive) read(ctx context.Context, tx db.Tx, row sqlgen.ClosedRow, nodeNo int32) (Sheet, error) {
	s := Sheet{
		EpochNo: row.EpochNo, PoolID: row.PoolID, Epoch: span.Interval{From: row.StartsAt, To: row.EndsAt},
		Reward: ledger.Amount(row.Reward), EntryID: row.EntryID, ClosedAt: row.ClosedAt,
	}
	lines, err := sqlgen.New(tx).LinesOf(ctx, sqlgen.LinesOfParams{EpochNo: row.EpochNo, NodeNo: nodeNo})
	if err != nil {
		return Sheet{}, err
	}
	held, left := make(map[int32]bool), make(map[int32]*ledger.Amount)
	for _, l := range lines {
		if slices.Contains(l.Reasons, ReasonCapped) {
			left[l.NodeNo] = (*ledger.Amount)(&l.Share)
		}
		held[l.NodeNo] = slices.Contains(l.Reasons, ReasonHeld)
		s.Lines = append(s.Lines, Line{
			EpochNo: row.EpochNo, PoolID: row.PoolID, StartsAt: row.StartsAt, EndsAt: row.EndsAt, Reward: s.Reward,
			NodeNo: l.NodeNo, NodeID: l.NodeID, MemberMs: l.MemberMs, CreditedMs: l.CreditedMs, ScoreNano: l.Score,
			Factors: l.Factors, Weight: l.Weight, Share: ledger.Amount(l.Share), Destination: l.Destination, Reasons: l.Reasons,
		})
	}
	reader := reading{tx: tx, epoch: s.Epoch, faultWindows: a.FaultWindows}
	members, windows, err := reader.evidence(ctx, []int32{row.PoolNo}, nodeNo)
	if err != nil {
		return Sheet{}, err
	}
	s.Windows, s.Members = windows, members[row.PoolNo]
	if err := setScores(ctx, tx, a.ScoreAsOf, members, s.Epoch.To); err != nil {
		return Sheet{}, err
	}
	for i, m := range s.Members {
		s.Members[i].Score.Held, s.Members[i].Left = held[m.NodeNo], left[m.NodeNo]
	}
	return s, nil
}

// PoolWeight is the sum of all weights of an epoch, which may be beyond int64.
func PoolWeight(ctx context.Context, tx db.Tx, epochNo int64) (string, error) {
	return sqlgen.New(tx).PoolWeight(ctx, epochNo)
}
