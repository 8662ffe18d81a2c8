package coordinator

import (
	"context"
	"io"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/fraud"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/outage"
	"lucid.internal/coordinator/internal/span"
	"lucid.internal/coordinator/internal/statement"
)

// Statements reads what nodes earned and what that follows from.
func (f *Foundation) Statements() *statement.Archive {
	return &statement.Archive{Pool: f.DB, Epochs: epoch.Archive{ScoreAsOf: f.scoreAsOf, FaultWindows: windowsOnRecord}}
}

// NodeStatement is what a node earned, line by line.
type NodeStatement = statement.OfNode

// Statement reads all lines of a node that overlap [from, to), also of a deleted one.
func (f *Foundation) Statement(ctx context.Context, nodeID string, from, to time.Time) (NodeStatement, error) {
	no, err := f.Nodes.NoOf(ctx, nodeID)
	if err != nil {
		return NodeStatement{}, err
	}
	const all = 1 << 30
	return f.Statements().OfNode(ctx, no, nodeID, span.Interval{From: from, To: to}, 0, all)
}

// VerifyLedger recomputes the ledger from its rows.
func (f *Foundation) VerifyLedger(ctx context.Context) (ledger.Audit, error) {
	return ledger.Verify(ctx, f.DB)
}

// VerifyExport recomputes an export from itself alone.
func VerifyExport(in io.Reader) (statement.Report, error) { return statement.Verify(in) }

func (f *Foundation) scoreAsOf(ctx context.Context, tx db.Tx, nodeNos []int32, at time.Time) (map[int32]epoch.ScoreAt, error) {
	scores, err := f.scores.AsOf(ctx, tx, nodeNos, at)
	if err != nil {
		return nil, err
	}
	held, err := fraud.Held(ctx, tx, nodeNos) // now, whenever that was: what is held is decided for all that it has
	if err != nil {
		return nil, err
	}
	all := make(map[int32]epoch.ScoreAt, len(scores))
	for no, s := range scores {
		all[no] = epoch.ScoreAt{ScoreNano: s.ScoreNano, Factors: s.Factors, Vetted: s.Vetted, Held: held[no]}
	}
	return all, nil
}

// windowsOnRecord are the faults of ours that are on record.
func windowsOnRecord(ctx context.Context, tx db.Tx, from, to time.Time) ([]span.Interval, error) {
	windows, err := outage.Windows(ctx, tx, from, to)
	intervals := make([]span.Interval, len(windows))
	for i, w := range windows {
		intervals[i] = span.Interval{From: w.From, To: w.To}
	}
	return intervals, err
}
