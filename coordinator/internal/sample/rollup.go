package sample

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/sample/sqlgen"
	"lucid.internal/coordinator/internal/span"
)

const (
	// Bound of the transaction that ingest may wait for, for some milliseconds; the
	// others work on tables that it does not touch, at a pace.
	maxMarked  = 500
	maxBatches = 100 // of one granularity in one RunOnceRollup; the rest comes the next time
)

// RunOnceRollup brings the rollups up to date. Call it every few seconds.
//
// A committed sample is always in one of three states: above its run's
// marked_seq, covered by rows of sample_due, or counted in the rollups. Each
// step from one to the next is a transaction, and computing a bucket twice
// gives the same, so it may end anywhere and run in two coordinators at once.
// A bucket is computed when it is over, and again when a late sample comes.
func (s *Store) RunOnceRollup(ctx context.Context) error {
	if err := s.markDue(ctx); err != nil {
		return fmt.Errorf("finding what the rollups lack: %w", err)
	}
	for _, g := range Granularities() {
		if err := s.rollUpAll(ctx, g); err != nil {
			return fmt.Errorf("rollups of %s: %w", g, err)
		}
	}
	return nil
}

// markDue moves what runs have in store for the rollups into sample_due.
func (s *Store) markDue(ctx context.Context) error {
	horizon, err := s.horizon(ctx)
	if err != nil {
		return err
	}
	// Where it is not known how far back a run goes; older samples are not taken in.
	notBefore := horizon.Add(-s.cfg.Retention.Raw - day)
	for after, more := int64(0), true; more; {
		err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
			last, err := s.markSome(ctx, tx, after, notBefore)
			if err == nil {
				after, more = last, last > 0
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// markSome marks the next runs after one, and gives the last of them; 0 when
// there are no more.
func (s *Store) markSome(ctx context.Context, tx db.Tx, after int64, notBefore time.Time) (last int64, err error) {
	if _, err := tx.Exec(ctx, lockTimeout+"; SET LOCAL synchronous_commit = off"); err != nil { // what a crash takes back is found again
		return 0, err
	}
	q := sqlgen.New(tx)
	runs, err := q.ListChanged(ctx, sqlgen.ListChangedParams{NotBefore: notBefore, After: after, Most: maxMarked})
	if err != nil || len(runs) == 0 {
		return 0, err
	}
	var mark sqlgen.MarkRunsParams
	for _, r := range runs {
		mark.RunNos, mark.LastSeqs = append(mark.RunNos, r.RunNo), append(mark.LastSeqs, r.LastSeq)
	}
	list, err := changesOf(ctx, q, runs)
	if err != nil {
		return 0, err
	}
	var add sqlgen.AddDueParams
	for _, g := range Granularities() {
		for nodeNo, due := range dueOf(list, g.Length()) {
			addDue(&add, g, nodeNo, due)
		}
	}
	if err := q.AddDue(ctx, add); err != nil {
		return 0, err
	}
	// Last, because it locks rows that ingest writes to.
	return runs[len(runs)-1].RunNo, q.MarkRuns(ctx, mark)
}

func addDue(add *sqlgen.AddDueParams, g Granularity, nodeNo int32, due span.Set) {
	for _, d := range due {
		add.Seconds, add.NodeNos = append(add.Seconds, g.seconds()), append(add.NodeNos, nodeNo)
		add.FromAts, add.ToAts = append(add.FromAts, d.From), append(add.ToAts, d.To)
	}
}

// rollUpAll computes what is due of a granularity and over, or much of it.
func (s *Store) rollUpAll(ctx context.Context, g Granularity) error {
	most := firstTaken
	for range maxBatches {
		began := time.Now()
		taken, err := s.rollUp(ctx, g, most)
		if err != nil || taken == 0 {
			return err
		}
		most = pace(most, time.Since(began))
	}
	return nil
}

// rollUp computes some of the buckets that are due and over, of so many rows
// of sample_due at most, and tells how many it took.
func (s *Store) rollUp(ctx context.Context, g Granularity, most int) (taken int, err error) {
	var compute buckets
	for range maxAttempts {
		err = db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) (err error) {
			taken, compute, err = s.rollUpSome(ctx, tx, g, most)
			return err
		})
		if db.Code(err) != "23514" { // no partition for a bucket's time
			break
		}
		if err := s.makePartitionsFor(ctx, g, compute); err != nil {
			return 0, err
		}
	}
	return taken, err
}

// buckets are spans of nodes as parallel arrays for unnest.
type buckets struct {
	nodeNos  []int32
	from, to []time.Time
}

func (s *Store) rollUpSome(ctx context.Context, tx db.Tx, g Granularity, most int) (taken int, compute buckets, err error) {
	if _, err := tx.Exec(ctx, lockTimeout); err != nil {
		return 0, compute, err
	}
	now := s.cfg.Now()
	q := sqlgen.New(tx)
	// Taken before the samples are read: one that is stored in between is due
	// again, because its mark finds no row to hide behind.
	rows, err := q.TakeDue(ctx, sqlgen.TakeDueParams{Seconds: g.seconds(), Closed: now.Truncate(g.Length()), Most: int32(most)})
	if err != nil || len(rows) == 0 {
		return 0, compute, err
	}
	due := make(map[int32]span.Set)
	for _, r := range rows {
		due[r.NodeNo] = due[r.NodeNo].Or(span.Set{{From: r.FromAt, To: r.ToAt}})
	}
	var wait sqlgen.AddDueParams
	for nodeNo, set := range due {
		these, later := cut(set, g.Length(), now)
		addDue(&wait, g, nodeNo, later)
		for _, d := range these {
			compute.nodeNos = append(compute.nodeNos, nodeNo)
			compute.from, compute.to = append(compute.from, d.From), append(compute.to, d.To)
		}
	}
	if err := q.AddDue(ctx, wait); err != nil {
		return 0, compute, err
	}
	_, err = tx.Exec(ctx, s.rollups[g], compute.nodeNos, compute.from, compute.to)
	return len(rows), compute, err
}

func (s *Store) makePartitionsFor(ctx context.Context, g Granularity, compute buckets) error {
	table := s.cfg.Retention.series(g)
	made := make(map[time.Time]bool)
	for i, from := range compute.from {
		for begin := table.begin(from); begin.Before(compute.to[i]); begin = table.end(begin) {
			if made[begin] {
				continue
			}
			if err := s.makePartitionOf(ctx, s.cfg.Pool, table, begin); err != nil {
				return err
			}
			made[begin] = true
		}
	}
	return nil
}
