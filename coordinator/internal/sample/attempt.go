package sample

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/sample/sqlgen"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// errStale means that a remembered watermark is, or may be, out of date.
var errStale = errors.New("watermark moved meanwhile")

// attempt is one transaction for a group, at most one batch a node.
type attempt struct {
	writer *writer
	group  []batch
	// trusting uses remembered watermarks, which the commit then checks; else
	// they are read and locked first.
	trusting bool

	heads   []head // beside group; in the end, after the commit
	moved   moves
	doubted []int64 // runs whose hash cannot be checked from here on
}

type outcome int

const (
	stored outcome = iota
	duplicate
	dead
)

func (a *attempt) messages() (count int) {
	for _, b := range a.group {
		count += len(b.messages)
	}
	return count
}

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
	return pgx.BeginFunc(ctx, a.writer.in.cfg.Pool, func(tx db.Tx) error {
		if err := a.findHeads(ctx, tx); err != nil {
			return fmt.Errorf("reading watermarks: %w", err)
		}
		a.writer.buffer.reset()
		for i := range a.group {
			if err := a.judge(ctx, tx, &a.group[i], &a.heads[i]); err != nil {
				return err
			}
		}
		if err := a.bury(ctx, tx); err != nil {
			return fmt.Errorf("writing dead letters: %w", err)
		}
		if len(a.doubted) > 0 {
			if err := sqlgen.New(tx).DoubtRuns(ctx, a.doubted); err != nil {
				return fmt.Errorf("doubting runs: %w", err)
			}
		}
		return a.advance(ctx, tx)
	})
}

// findHeads gives a.heads the watermark of every batch's run, making runs
// that are new.
func (a *attempt) findHeads(ctx context.Context, tx db.Tx) error {
	a.heads = make([]head, len(a.group))
	missing := make(map[int32]int) // where in the group
	for i, b := range a.group {
		h, ok := a.writer.heads[b.nodeNo]
		switch {
		case b.run == wire.RunID{}:
		case ok && a.trusting && h.run == b.run:
			a.heads[i] = h
		default:
			missing[b.nodeNo] = i
		}
	}
	if len(missing) == 0 {
		return nil
	}
	p := sqlgen.InsertRunsParams{
		MostADay: maxRunsADay, MostAround: maxRunsAround, Around: pgtype.Interval{Microseconds: aroundRun.Microseconds(), Valid: true},
	}
	// In one order everywhere, so that two coordinators do not deadlock.
	for _, nodeNo := range slices.Sorted(maps.Keys(missing)) {
		b := a.group[missing[nodeNo]]
		p.NodeNos = append(p.NodeNos, nodeNo)
		p.RunIds = append(p.RunIds, uuid.UUID(b.run))
		p.LastAts = append(p.LastAts, b.messages[0].newest())
		p.StartedAt = b.messages[0].received
		p.StartedAfter = p.StartedAt.Add(-day)
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
		i := missing[r.NodeNo]
		a.heads[i] = head{run: a.group[i].run, runNo: r.RunNo, lastSeq: uint64(r.LastSeq)}
		copy(a.heads[i].chain[:], r.Chain)
	}
	return nil
}

// judge decides what becomes of each message of a batch; data is put into the
// COPY buffer, and advances the watermark.
func (a *attempt) judge(ctx context.Context, tx db.Tx, b *batch, h *head) (err error) {
	before := h.lastSeq
	var newest, oldest time.Time
	for i, m := range b.messages {
		if m.outcome, err = a.judgeOne(ctx, tx, m, b.messages[:i], h); err != nil {
			return err
		}
		if m.outcome != stored {
			continue
		}
		a.take(m, h)
		if at := m.newest(); newest.Before(at) {
			newest = at
		}
		if at := m.oldest(); oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	if h.lastSeq != before {
		a.moved.add(h, before, newest, oldest)
	}
	return nil
}

func (a *attempt) judgeOne(ctx context.Context, tx db.Tx, m *message, before []*message, h *head) (outcome, error) {
	if m.kind != "" {
		return dead, nil
	}
	if h.runNo == 0 { // or its row was forgotten just before it was to be locked: then it is made the next time
		return a.condemn(m, reasonRuns, fmt.Sprintf("run %s is not taken: %d others of the node end within %s of it, or %d came within a day", m.run, maxRunsAround, aroundRun, maxRunsADay))
	}
	first, last := m.metrics.FirstSeq(), m.metrics.LastSeq()
	switch place(h.lastSeq, first, last) {
	case fresh:
		return stored, nil
	case behind:
		return a.recognise(ctx, tx, m, before, h)
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

// take adds a message's samples. Behind a gap the run's hash is not known any
// more: the node dropped samples, or we acknowledged them and lost them since,
// as a database does that was restored or taken over. Then the node counted
// them in.
func (a *attempt) take(m *message, h *head) {
	if m.metrics.FirstSeq() != h.lastSeq+1 {
		a.doubted = append(a.doubted, h.runNo)
	}
	h.lastSeq, h.chain = m.metrics.LastSeq(), proof.ChainNext(h.chain, m.payload)
	samples := m.metrics.Samples
	for i := range samples[:len(samples)-1] {
		a.writer.buffer.row(m.nodeNo, h.runNo, &samples[i], nil, nil)
	}
	a.writer.buffer.row(m.nodeNo, h.runNo, m.last(), h.chain[:], m.digest())
}

// add moves a watermark from where it was to where h is.
func (m *moves) add(h *head, before uint64, newest, oldest time.Time) {
	m.runNos = append(m.runNos, h.runNo)
	m.expected = append(m.expected, int64(before))
	m.lastSeqs = append(m.lastSeqs, int64(h.lastSeq))
	m.chains = append(m.chains, h.chain[:])
	m.newest = append(m.newest, newest)
	m.oldest = append(m.oldest, oldest)
}

// recognise tells a message that comes again from another one under numbers
// that are taken. The first one may be in the same batch, where a node that
// connected anew sent it again before it was committed.
func (a *attempt) recognise(ctx context.Context, tx db.Tx, m *message, before []*message, h *head) (outcome, error) {
	if slices.ContainsFunc(before, func(b *message) bool { return b.outcome == stored && bytes.Equal(b.payload, m.payload) }) {
		return duplicate, nil
	}
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
	for i, b := range a.group {
		for _, m := range b.messages {
			if m.outcome != dead {
				continue
			}
			if a.keeps(m) {
				l := letter(m.nodeNo, wire.ChannelMetrics, m.kind, m.reason, m.payload, m.received)
				if err := q.InsertLetter(ctx, l); err != nil {
					return err
				}
			}
			if runNo := a.heads[i].runNo; runNo != 0 {
				a.doubted = append(a.doubted, runNo)
			} else if err := q.DoubtNewestRun(ctx, m.nodeNo); err != nil {
				return err
			}
		}
	}
	return nil
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
	for i, b := range a.group {
		if a.heads[i].runNo != 0 {
			w.heads[b.nodeNo] = a.heads[i]
		}
		w.tell(b, a.heads[i].runNo)
		for _, m := range b.messages {
			switch m.outcome {
			case stored:
				w.in.count.stored.Add(float64(len(m.metrics.Samples)))
			case duplicate:
				w.in.count.duplicates.Inc()
			case dead:
				w.in.count.letters.WithLabelValues(m.kind).Inc()
				if m.kind == reasonTime {
					w.in.store.untimely.put(m.nodeNo, refusal{at: time.UnixMilli(m.last().AtMs), received: m.received})
				}
				if !*m.kept {
					w.in.count.unkept.Inc()
				}
			}
		}
	}
}

// tell passes on what a batch stored.
func (w *writer) tell(b batch, runNo int64) {
	var newest entry
	for _, m := range b.messages {
		if m.outcome != stored {
			continue
		}
		newest = entry{sample: *m.last(), received: m.received, runNo: runNo}
		if w.in.cfg.OnStored == nil {
			continue
		}
		for i := range m.metrics.Samples {
			w.in.cfg.OnStored(m.nodeID, &m.metrics.Samples[i])
		}
	}
	if newest.runNo != 0 {
		w.in.store.latest.put(b.nodeNo, newest)
	}
}
