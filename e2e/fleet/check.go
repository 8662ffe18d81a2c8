package fleet

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Findings are what a comparison with the database found, in samples.
type Findings struct {
	Acked        uint64 `json:"acked"`         // acknowledged, to be stored
	Stored       uint64 `json:"stored"`        // different samples in the database
	Missing      uint64 `json:"missing"`       // acknowledged and not stored: a loss
	Twice        uint64 `json:"twice"`         // rows beyond the first of a sample
	Unacked      uint64 `json:"unacked"`       // stored, but the acknowledgement did not come: no fault
	NeverSent    uint64 `json:"never_sent"`    // stored, but never sent
	Letters      uint64 `json:"letters"`       // acknowledged, to be refused: their time lies too far ahead
	LettersTaken uint64 `json:"letters_taken"` // of those, stored all the same
	Unsure       uint64 `json:"unsure"`        // acknowledged at the border of being refused
}

func (f *Findings) add(g Findings) {
	f.Acked += g.Acked
	f.Stored += g.Stored
	f.Missing += g.Missing
	f.Twice += g.Twice
	f.Unacked += g.Unacked
	f.NeverSent += g.NeverSent
	f.Letters += g.Letters
	f.LettersTaken += g.LettersTaken
	f.Unsure += g.Unsure
}

// Wrong reports whether anything was lost, doubled or invented.
func (f *Findings) Wrong() bool { return f.Missing+f.Twice+f.NeverSent+f.LettersTaken > 0 }

// Verdicts of the proofs of some nodes, as the database has them.
type Verdicts map[string]uint64

// stored is what the database has of a run.
type stored struct {
	seqs spans
	rows uint64
}

// judge compares what a run knows with what is stored of it.
func (r *run) judge(s stored) Findings {
	return Findings{
		Acked: r.acked.count(), Stored: s.seqs.count(), Missing: r.acked.minus(s.seqs).count(),
		Twice:     s.rows - s.seqs.count(),
		Unacked:   s.seqs.minus(r.acked).minus(r.letters).minus(r.unsure).count() - beyond(s.seqs, r.sent),
		NeverSent: beyond(s.seqs, r.sent),
		Letters:   r.letters.count(), LettersTaken: r.letters.and(s.seqs).count(), Unsure: r.unsure.count(),
	}
}

// beyond counts the numbers above last.
func beyond(s spans, last uint64) uint64 {
	if last == 0 {
		return s.count()
	}
	return s.minus(spans{{1, last}}).count()
}

// Check compares every run of every node with the database, once the fleet has
// ended, and asks the API whom it suspects.
func (f *Fleet) Check(ctx context.Context, databaseURL string) (*Report, error) {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return nil, fmt.Errorf("the database to compare with: %w", err)
	}
	defer conn.Close(ctx)
	held, err := f.storedRuns(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("reading the samples: %w", err)
	}
	report := f.report()
	for _, n := range f.nodes {
		group := report.group(n.kind)
		for _, r := range n.runs {
			group.Findings.add(r.judge(held[r.id]))
		}
	}
	if err := f.readVerdicts(ctx, conn, report); err != nil {
		return nil, err
	}
	if err := f.readHolds(ctx, conn, report); err != nil {
		return nil, err
	}
	return report, f.readFlags(ctx, report)
}

const storedRuns = `
SELECT r.run_id, s.seq, count(*) FROM sample s JOIN node_run r USING (run_no)
WHERE r.run_id = ANY($1) GROUP BY r.run_id, s.seq ORDER BY r.run_id, s.seq`

func (f *Fleet) storedRuns(ctx context.Context, conn *pgx.Conn) (map[[16]byte]stored, error) {
	var ids [][16]byte
	for _, n := range f.nodes {
		for _, r := range n.runs {
			ids = append(ids, r.id)
		}
	}
	rows, err := conn.Query(ctx, storedRuns, ids)
	if err != nil {
		return nil, err
	}
	held := make(map[[16]byte]stored)
	var id [16]byte
	var seq, count int64
	_, err = pgx.ForEachRow(rows, []any{&id, &seq, &count}, func() error {
		s := held[id]
		s.seqs.add(uint64(seq), uint64(seq))
		s.rows += uint64(count)
		held[id] = s
		return nil
	})
	return held, err
}

const verdictsOf = `
SELECT n.node_id, v.result, count(*) FROM verdict v JOIN node n USING (node_no)
WHERE n.node_id = ANY($1) GROUP BY n.node_id, v.result`

func (f *Fleet) readVerdicts(ctx context.Context, conn *pgx.Conn, report *Report) error {
	kinds, ids := f.kindsOf()
	rows, err := conn.Query(ctx, verdictsOf, ids)
	if err != nil {
		return fmt.Errorf("reading the verdicts: %w", err)
	}
	var id, result string
	var count int64
	_, err = pgx.ForEachRow(rows, []any{&id, &result, &count}, func() error {
		report.group(kinds[id]).Verdicts[result] += uint64(count)
		return nil
	})
	return err
}
