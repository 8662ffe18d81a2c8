package statement

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/score"
	"lucid.internal/coordinator/internal/span"
)

// Archive reads statements and exports from the database.
type Archive struct {
	Pool   *db.Pool
	Epochs epoch.Archive
}

// Export writes all that was closed and posted in [from, to), one record a line,
// as of one moment. It holds one epoch, or one entry, in memory at a time.
func (a *Archive) Export(ctx context.Context, out io.Writer, from, to time.Time) error {
	from, to = from.UTC(), to.UTC()
	buffered := bufio.NewWriter(out)
	err := db.AtOneMoment(ctx, a.Pool, func(tx db.Tx) error {
		w := &sealer{out: buffered}
		if err := w.write(header{recordExport, Version, from, to}); err != nil {
			return err
		}
		last := end{Record: recordEnd}
		err := a.Epochs.Closed(ctx, tx, span.Interval{From: from, To: to}, func(s epoch.Sheet) error {
			last.Epochs, last.Lines = last.Epochs+1, last.Lines+len(s.Lines)
			return writeSheet(ctx, tx, w, s)
		})
		if err != nil {
			return err
		}
		err = ledger.Entries(ctx, tx, from, to, func(e ledger.Stored) error {
			last.Entries, last.Head = last.Entries+1, hexHash(e.Hash)
			return w.write(entryOf(e))
		})
		if err != nil {
			return err
		}
		return w.write(last)
	})
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return fmt.Errorf("export what was closed from %s to %s: %w", from.Format(time.RFC3339), to.Format(time.RFC3339), err)
	}
	return nil
}

func writeSheet(ctx context.Context, tx db.Tx, w *sealer, s epoch.Sheet) error {
	err := w.write(epochRecord{
		Record: recordEpoch, PoolID: s.PoolID, StartsAt: s.Epoch.From.UTC(), EndsAt: s.Epoch.To.UTC(), ClosedAt: s.ClosedAt.UTC(),
		Reward: s.Reward, EntryID: s.EntryID, Lines: len(s.Lines), Faults: intervalsOf(s.Windows),
	})
	if err != nil {
		return err
	}
	lines, err := linesOf(ctx, tx, s)
	for _, l := range lines {
		l.Record = recordLine
		if err := w.write(l); err != nil {
			return err
		}
	}
	return err
}

// linesOf joins the lines of a sheet with their evidence.
func linesOf(ctx context.Context, tx db.Tx, s epoch.Sheet) ([]Line, error) {
	nodeNos := make([]int32, len(s.Lines))
	for i, l := range s.Lines {
		nodeNos[i] = l.NodeNo
	}
	trails, err := score.Trails(ctx, tx, nodeNos, s.Epoch.From, s.Epoch.To)
	if err != nil {
		return nil, err
	}
	members := make(map[int32]epoch.Member, len(s.Members))
	for _, m := range s.Members {
		members[m.NodeNo] = m
	}
	lines := make([]Line, len(s.Lines))
	for i, l := range s.Lines {
		lines[i] = lineOf(l, members[l.NodeNo], trails[l.NodeNo])
	}
	return lines, nil
}
