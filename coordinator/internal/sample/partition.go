package sample

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/sample/sqlgen"
)

const (
	daysAhead    = 2
	partitionKey = 0x6c756369_73616d70 // advisory lock: partitions are made and dropped one at a time
	// lockTimeout bounds how long new samples queue behind a wish to drop.
	lockTimeout = "SET LOCAL lock_timeout = '500ms'"
)

// RunOnceMaintain makes the partitions of yesterday to the day after
// tomorrow, drops those wholly older than their retention, forgets runs whose
// samples are all gone, and trims dead letters. Call it every minute or so; a
// part that fails does not keep the others from running, and is tried again
// the next time.
func (s *Store) RunOnceMaintain(ctx context.Context) error {
	errs := []error{}
	for _, table := range s.cfg.Retention.all() {
		for ahead := -1; ahead <= daysAhead; ahead++ {
			errs = append(errs, s.makePartitionOf(ctx, s.cfg.Pool, table, s.cfg.Now().UTC().AddDate(0, 0, ahead)))
		}
	}
	errs = append(errs, s.forget(ctx))
	l := s.cfg.DeadLetters
	if _, err := sqlgen.New(s.cfg.Pool).TrimLetters(ctx, sqlgen.TrimLettersParams{
		Count: int64(l.Count), Bytes: int64(l.Bytes), NodeCount: int64(l.NodeCount), NodeBytes: int64(l.NodeBytes),
	}); err != nil {
		errs = append(errs, fmt.Errorf("trimming dead letters: %w", err))
	}
	return errors.Join(errs...)
}

// forget drops what is older than its retention.
func (s *Store) forget(ctx context.Context) error {
	horizon, err := s.horizon(ctx)
	if err != nil {
		return err
	}
	errs := []error{}
	for _, table := range s.cfg.Retention.all() {
		errs = append(errs, s.dropBefore(ctx, table, horizon.Add(-table.keep)))
	}
	if _, err := sqlgen.New(s.cfg.Pool).ForgetRuns(ctx, horizon.Add(-s.cfg.Retention.Raw)); err != nil {
		errs = append(errs, fmt.Errorf("forgetting old runs: %w", err))
	}
	return errors.Join(errs...)
}

// makePartition makes the partition for samples of that time, on a connection of
// whoever needs it.
func (s *Store) makePartition(ctx context.Context, pool *db.Pool, at time.Time) error {
	return s.makePartitionOf(ctx, pool, s.cfg.Retention.raw(), at)
}

// makePartitionOf makes the table's partition that holds a time, unless it
// exists. Functions of the database do so, since we need not own the table.
func (s *Store) makePartitionOf(ctx context.Context, pool *db.Pool, table series, at time.Time) error {
	begin := table.begin(at)
	name := table.partition(begin)
	err := db.InTx(ctx, pool, func(tx db.Tx) error {
		exists, err := lockPartition(ctx, tx, table.table, name)
		if err != nil || exists {
			return err
		}
		_, err = tx.Exec(ctx, "SELECT sample_partition_make($1, $2, $3, $4)", table.table, name, begin, table.end(begin))
		return err
	})
	if err != nil {
		return fmt.Errorf("making partition %s: %w", name, err)
	}
	return nil
}

// lockPartition takes the lock of this package's DDL and reports whether the
// partition exists. The check comes first without the lock: it is the usual case.
func lockPartition(ctx context.Context, tx db.Tx, table, name string) (exists bool, err error) {
	// Not to_regclass: it answers from a cache that may not know the newest.
	const query = `SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = $1::text::regclass AND c.relname = $2)`
	if err := tx.QueryRow(ctx, query, table, name).Scan(&exists); err != nil || exists {
		return exists, err
	}
	if _, err := tx.Exec(ctx, lockTimeout); err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(partitionKey)); err != nil {
		return false, err
	}
	err = tx.QueryRow(ctx, query, table, name).Scan(&exists)
	return exists, err
}

func (s *Store) dropBefore(ctx context.Context, table series, oldest time.Time) error {
	names, err := s.partitions(ctx, table.table)
	if err != nil {
		return fmt.Errorf("listing partitions of %s: %w", table.table, err)
	}
	errs := []error{}
	for _, name := range names {
		begin, ok := table.beginOf(name)
		if !ok || table.end(begin).After(oldest) {
			continue // not made here, or still needed
		}
		errs = append(errs, s.dropPartition(ctx, table, name, table.end(begin)))
	}
	return errors.Join(errs...)
}

// dropPartition drops one, but no single samples that a rollup still waits for.
func (s *Store) dropPartition(ctx context.Context, table series, name string, end time.Time) error {
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		if table == s.cfg.Retention.raw() {
			if waiting, err := sqlgen.New(tx).AnyDueBefore(ctx, end); err != nil {
				return err
			} else if waiting {
				return errors.New("not all of its samples are in the rollups yet")
			}
		}
		if _, err := tx.Exec(ctx, lockTimeout); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "SELECT sample_partition_drop($1)", name)
		return err
	})
	if err != nil {
		return fmt.Errorf("dropping partition %s: %w", name, err)
	}
	return nil
}

func (s *Store) partitions(ctx context.Context, table string) ([]string, error) {
	rows, err := s.cfg.Pool.Query(ctx, `SELECT c.relname::text FROM pg_inherits i
		JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::text::regclass ORDER BY 1`, table)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
