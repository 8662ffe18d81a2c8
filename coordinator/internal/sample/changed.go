package sample

import (
	"context"
	"time"

	"lucid.internal/coordinator/internal/sample/sqlgen"
	"lucid.internal/coordinator/internal/span"
)

// wide is a span of a run that is looked at more closely: two samples at its ends
// would make all that lies between them due, which may have been counted long
// ago.
const wide = 2 * time.Hour

// changesOf tells where in time the runs have samples that the rollups do not
// know of: by the hour, where the span is wide.
func changesOf(ctx context.Context, q *sqlgen.Queries, runs []sqlgen.ListChangedRow) ([]changed, error) {
	list, ask, marked := closerLook(runs)
	if len(marked) == 0 {
		return list, nil
	}
	hours, err := q.ListHours(ctx, ask)
	for _, h := range hours {
		if seq, asked := marked[h.RunNo]; asked && h.LastSeq > seq {
			list = append(list, changed{nodeNo: h.NodeNo, from: h.FromAt, last: h.LastAt})
		}
	}
	return list, err
}

// closerLook parts the runs: of those whose span is narrow all of it changed; of
// the others the hours are asked for, by one span a node, whatever number of
// runs it has. marked is up to where the rollups know these.
func closerLook(runs []sqlgen.ListChangedRow) (narrow []changed, ask sqlgen.ListHoursParams, marked map[int64]int64) {
	marked = make(map[int64]int64)
	place := make(map[int32]int) // of a node, in ask
	for _, r := range runs {     // in the order of their numbers
		if r.LastAt.Sub(r.FromAt) < wide {
			narrow = append(narrow, changed{nodeNo: r.NodeNo, from: r.FromAt, last: r.LastAt})
			continue
		}
		marked[r.RunNo] = r.MarkedSeq
		if i, known := place[r.NodeNo]; known {
			ask.LastRuns[i] = r.RunNo
			ask.FromAts[i], ask.LastAts[i] = span.Earliest(ask.FromAts[i], r.FromAt), span.Latest(ask.LastAts[i], r.LastAt)
			continue
		}
		place[r.NodeNo] = len(ask.NodeNos)
		ask.NodeNos = append(ask.NodeNos, r.NodeNo)
		ask.FirstRuns, ask.LastRuns = append(ask.FirstRuns, r.RunNo), append(ask.LastRuns, r.RunNo)
		ask.FromAts, ask.LastAts = append(ask.FromAts, r.FromAt), append(ask.LastAts, r.LastAt)
	}
	return narrow, ask, marked
}
