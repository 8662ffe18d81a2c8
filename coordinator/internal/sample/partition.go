package sample

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/sample/sqlgen"
)

const (
	daysAhead    = 2
	partitionKey = 0x6c756369_73616d70 // advisory lock: partitions are made one at a time
	lockTimeout  = "SET LOCAL lock_timeout = '500ms'"
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

// makePartition makes the partition for samples of that time, on a connection of
// whoever needs it.
func (s *Store) makePartition(ctx context.Context, pool *db.Pool, at time.Time) error {
	return s.makePartitionOf(ctx, pool, s.cfg.Retention.raw(), at)
}

// makePartitionOf makes the table's partition that holds a time, unless it
// exists. A function of the database does so, since we need not own the table;
// it attaches a finished one, and whoever stores samples does not wait for it.
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
