package sample

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/sample/sqlgen"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// errStale means that a remembered watermark is, or may be, out of date.
var errStale = errors.New("watermark moved meanwhile")

// attempt is one transaction for a group of messages, at most one a node.
type attempt struct {
	writer *writer
	group  []*message
	// trusting uses remembered watermarks, which the commit then checks; else
	// they are read and locked first.
	trusting bool

	heads   map[int32]head // after the commit
	outcome []outcome      // beside group
	moved   moves
}

type outcome int

const (
	stored outcome = iota
	duplicate
	dead
)

// moves are the watermarks to advance, as parallel arrays for unnest.
type moves struct {
	runNos, expected, lastSeqs []int64
	chains                     [][]byte
	newest, oldest             []time.Time
}

// moveHeads also notes what the rollups do not know of yet, see rollup.go.
const moveHeads = `
UPDATE node_run r SET last_seq = u.last_seq, chain = u.chain, last_at = greatest(r.last_at, u.newest_at),
    changed_seq = u.last_seq, changed_from = CASE WHEN r.marked_seq = r.last_seq THEN u.oldest_at
        WHEN r.changed_seq = r.last_seq THEN least(r.changed_from, u.oldest_at) ELSE '-infinity' END
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::timestamptz[], $6::timestamptz[])
     AS u(run_no, expected, last_seq, chain, newest_at, oldest_at)
WHERE r.run_no = u.run_no AND r.last_seq = u.expected`

func (a *attempt) run(ctx context.Context) error {
	return pgx.BeginFunc(ctx, a.writer.in.store.cfg.Pool, func(tx db.Tx) error {
		if err := a.findHeads(ctx, tx); err != nil {
			return fmt.Errorf("reading watermarks: %w", err)
		}
		a.writer.buffer.reset()
		a.outcome = make([]outcome, len(a.group))
		for i, m := range a.group {
			o, err := a.judge(ctx, tx, m)
			if err != nil {
				return err
			}
			a.outcome[i] = o
		}
		if err := a.bury(ctx, tx); err != nil {
			return fmt.Errorf("writing dead letters: %w", err)
		}
		return a.advance(ctx, tx)
	})
}

// findHeads gives a.heads the watermark of every message's run, making runs
// that are new.
func (a *attempt) findHeads(ctx context.Context, tx db.Tx) error {
	a.heads = make(map[int32]head, len(a.group))
	var missing []*message
	for _, m := range a.group {
		h, ok := a.writer.heads[m.nodeNo]
		switch {
		case m.run == wire.RunID{}:
		case ok && a.trusting && h.run == m.run:
			a.heads[m.nodeNo] = h
		default:
			missing = append(missing, m)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	// In one order everywhere, so that two coordinators do not deadlock.
	slices.SortFunc(missing, func(x, y *message) int { return int(x.nodeNo) - int(y.nodeNo) })
	p := sqlgen.InsertRunsParams{StartedAt: missing[0].received}
	runs := make(map[int32]wire.RunID, len(missing))
	for _, m := range missing {
		p.NodeNos = append(p.NodeNos, m.nodeNo)
		p.RunIds = append(p.RunIds, uuid.UUID(m.run))
		p.LastAts = append(p.LastAts, m.newest())
		runs[m.nodeNo] = m.run
	}
	q := sqlgen.New(tx)
	if err := q.InsertRuns(ctx, p); err != nil {
		return err
	}
	rows, err := q.LockRuns(ctx, sqlgen.LockRunsParams{NodeNos: p.NodeNos, RunIds: p.RunIds})
	if err != nil {
		return err
	}
	for _, r := range rows {
		h := head{run: runs[r.NodeNo], runNo: r.RunNo, lastSeq: uint64(r.LastSeq)}
		copy(h.chain[:], r.Chain)
		a.heads[r.NodeNo] = h
	}
	return nil
}

// judge decides what becomes of a message; data is put into the COPY buffer.
func (a *attempt) judge(ctx context.Context, tx db.Tx, m *message) (outcome, error) {
	if m.kind != "" {
		return dead, nil
	}
	h, ok := a.heads[m.nodeNo]
	if !ok {
		return 0, fmt.Errorf("run %s of %s is neither new nor there", m.run, m.nodeID)
	}
	first, last := m.metrics.FirstSeq(), m.metrics.LastSeq()
	switch place(h.lastSeq, first, last) {
	case fresh:
		a.take(m, h)
		return stored, nil
	case behind:
		return a.recognise(ctx, tx, m, h)
	}
	return a.condemn(m, reasonOverlap, fmt.Sprintf("samples %d to %d overlap what is stored, up to %d", first, last, h.lastSeq))
}

// condemn makes a message a dead letter, but not on what is only remembered.
func (a *attempt) condemn(m *message, kind, reason string) (outcome, error) {
	if a.trusting {
		return 0, errStale
	}
	m.kind, m.reason = kind, reason
	return dead, nil
}

// take adds a message's samples and advances its run's watermark.
func (a *attempt) take(m *message, h head) {
	after := proof.ChainNext(h.chain, m.payload)
	samples := m.metrics.Samples
	for i := range samples[:len(samples)-1] {
		a.writer.buffer.row(m.nodeNo, h.runNo, &samples[i], nil, nil)
	}
	a.writer.buffer.row(m.nodeNo, h.runNo, m.last(), after[:], m.digest())
	a.moved.runNos = append(a.moved.runNos, h.runNo)
	a.moved.expected = append(a.moved.expected, int64(h.lastSeq))
	h.lastSeq, h.chain = m.metrics.LastSeq(), after
	a.moved.lastSeqs = append(a.moved.lastSeqs, int64(h.lastSeq))
	a.moved.chains = append(a.moved.chains, after[:])
	a.moved.newest = append(a.moved.newest, m.newest())
	a.moved.oldest = append(a.moved.oldest, m.oldest())
	a.heads[m.nodeNo] = h
}

// recognise tells a message that comes again from another one under numbers
// that are taken.
func (a *attempt) recognise(ctx context.Context, tx db.Tx, m *message, h head) (outcome, error) {
	digest, err := sqlgen.New(tx).DigestAt(ctx, sqlgen.DigestAtParams{
		NodeNo: m.nodeNo, At: time.UnixMilli(m.last().AtMs), RunNo: h.runNo, Seq: int64(m.last().Seq),
	})
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("looking for the same message: %w", err)
	}
	if err == nil && bytes.Equal(digest, m.digest()) {
		return duplicate, nil
	}
	return a.condemn(m, reasonConflict,
		fmt.Sprintf("samples %d to %d are stored already, with other content", m.metrics.FirstSeq(), m.last().Seq))
}

// bury writes the dead letters. Their runs' hashes are no longer known: the
// node counts an acknowledged message in, the coordinator did not.
func (a *attempt) bury(ctx context.Context, tx db.Tx) error {
	q := sqlgen.New(tx)
	var doubted []int64
	for i, m := range a.group {
		if a.outcome[i] != dead {
			continue
		}
		if a.keeps(m) {
			l := letter(m.nodeNo, wire.ChannelMetrics, m.kind, m.reason, m.payload, m.received)
			if err := q.InsertLetter(ctx, l); err != nil {
				return err
			}
		}
		if h, ok := a.heads[m.nodeNo]; ok {
			doubted = append(doubted, h.runNo)
		} else if err := q.DoubtNewestRun(ctx, m.nodeNo); err != nil {
			return err
		}
	}
	if len(doubted) == 0 {
		return nil
	}
	return q.DoubtRuns(ctx, doubted)
}

// keeps asks once for a message, however often its transaction is repeated.
func (a *attempt) keeps(m *message) bool {
	if m.kept == nil {
		m.kept = new(a.writer.in.store.postbox.admits(m.nodeNo, m.received))
	}
	return *m.kept
}

// advance moves the watermarks from where they were thought to be, and writes
// the samples. When one was elsewhere, nothing is committed.
func (a *attempt) advance(ctx context.Context, tx db.Tx) error {
	if len(a.moved.runNos) == 0 {
		return nil
	}
	tag, err := tx.Exec(ctx, moveHeads, a.moved.runNos, a.moved.expected, a.moved.lastSeqs, a.moved.chains,
		a.moved.newest, a.moved.oldest)
	if err != nil {
		return fmt.Errorf("moving watermarks: %w", err)
	}
	if tag.RowsAffected() != int64(len(a.moved.runNos)) {
		return errStale
	}
	a.writer.buffer.end()
	_, err = tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(a.writer.buffer.b), copyStatement())
	if err != nil {
		a.writer.buffer = copyBuffer{} // after an error pgx may still be reading it
		return fmt.Errorf("writing samples: %w", err)
	}
	return nil
}

// committed remembers and tells what the commit made true.
func (a *attempt) committed() {
	w := a.writer
	if len(w.heads) > maxHeads {
		clear(w.heads)
	}
	for i, m := range a.group {
		if h, ok := a.heads[m.nodeNo]; ok {
			w.heads[m.nodeNo] = h
		}
		switch a.outcome[i] {
		case stored:
			w.in.count.stored.Add(float64(len(m.metrics.Samples)))
			w.tell(m, a.heads[m.nodeNo].runNo)
		case duplicate:
			w.in.count.duplicates.Inc()
		case dead:
			w.in.count.letters.WithLabelValues(m.kind).Inc()
			if !*m.kept {
				w.in.count.unkept.Inc()
			}
		}
	}
}

func (w *writer) tell(m *message, runNo int64) {
	samples := m.metrics.Samples
	newest := &samples[0]
	for i := range samples {
		if samples[i].AtMs >= newest.AtMs {
			newest = &samples[i]
		}
		if w.in.cfg.OnStored != nil {
			w.in.cfg.OnStored(m.nodeID, &samples[i])
		}
	}
	w.in.store.latest.put(m.nodeNo, entry{sample: *newest, received: m.received, runNo: runNo})
}
