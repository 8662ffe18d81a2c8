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
	day          = 24 * time.Hour
	daysAhead    = 2
	partitionKey = 0x6c756369_73616d70 // advisory lock: partitions are made and dropped one at a time
	// lockTimeout bounds how long new samples queue behind a wish to drop.
	lockTimeout = "SET LOCAL lock_timeout = '500ms'"
)

func dayOf(t time.Time) time.Time { return t.UTC().Truncate(day) }

func partitionName(day time.Time) string { return "sample_" + day.Format("20060102") }

// partitionDay is the inverse of partitionName.
func partitionDay(name string) (time.Time, error) { return time.Parse("sample_20060102", name) }

// RunOnceMaintain makes the partitions of yesterday to the day after
// tomorrow, drops those wholly older than the retention, forgets runs whose
// samples are all gone, and trims dead letters. Call it every minute or so; a
// part that fails does not keep the others from running.
func (s *Store) RunOnceMaintain(ctx context.Context) error {
	today := dayOf(s.cfg.Now())
	errs := []error{}
	for ahead := -1; ahead <= daysAhead; ahead++ {
		errs = append(errs, s.makePartition(ctx, today.AddDate(0, 0, ahead)))
	}
	oldest := s.cfg.Now().Add(-s.cfg.Retention)
	errs = append(errs, s.dropBefore(ctx, oldest))
	q := sqlgen.New(s.cfg.Pool)
	if _, err := q.ForgetRuns(ctx, oldest); err != nil {
		errs = append(errs, fmt.Errorf("forgetting old runs: %w", err))
	}
	if _, err := q.TrimLetters(ctx, int32(s.cfg.DeadLetters)); err != nil {
		errs = append(errs, fmt.Errorf("trimming dead letters: %w", err))
	}
	return errors.Join(errs...)
}

// makePartition makes one day's partition unless it exists. It is attached
// ready-made, because that does not block writers, as CREATE ... PARTITION OF
// would.
func (s *Store) makePartition(ctx context.Context, start time.Time) error {
	name := partitionName(start)
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		exists, err := lockPartition(ctx, tx, name)
		if err != nil || exists {
			return err
		}
		identifier := pgx.Identifier{name}.Sanitize()
		_, err = tx.Exec(ctx, fmt.Sprintf(
			`CREATE TABLE %[1]s (LIKE sample INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES);
			 ALTER TABLE sample ATTACH PARTITION %[1]s FOR VALUES FROM ('%[2]s') TO ('%[3]s')`,
			identifier, start.Format(time.RFC3339), start.Add(day).Format(time.RFC3339)))
		return err
	})
	if err != nil {
		return fmt.Errorf("making partition %s: %w", name, err)
	}
	return nil
}

// lockPartition takes the lock of this package's DDL and reports whether the
// partition exists. The check comes first without the lock: it is the usual case.
func lockPartition(ctx context.Context, tx db.Tx, name string) (exists bool, err error) {
	// Not to_regclass: it answers from a cache that may not know the newest.
	const query = `SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'sample'::regclass AND c.relname = $1)`
	if err := tx.QueryRow(ctx, query, name).Scan(&exists); err != nil || exists {
		return exists, err
	}
	if _, err := tx.Exec(ctx, lockTimeout); err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(partitionKey)); err != nil {
		return false, err
	}
	err = tx.QueryRow(ctx, query, name).Scan(&exists)
	return exists, err
}

func (s *Store) dropBefore(ctx context.Context, oldest time.Time) error {
	names, err := s.partitions(ctx)
	if err != nil {
		return fmt.Errorf("listing partitions: %w", err)
	}
	errs := []error{}
	for _, name := range names {
		start, err := partitionDay(name)
		if err != nil || start.Add(day).After(oldest) {
			continue // not made here, or still needed
		}
		errs = append(errs, s.dropPartition(ctx, name))
	}
	return errors.Join(errs...)
}

func (s *Store) dropPartition(ctx context.Context, name string) error {
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		if _, err := tx.Exec(ctx, lockTimeout); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "DROP TABLE IF EXISTS "+pgx.Identifier{name}.Sanitize())
		return err
	})
	if err != nil {
		return fmt.Errorf("dropping partition %s: %w", name, err)
	}
	return nil
}

func (s *Store) partitions(ctx context.Context) ([]string, error) {
	rows, err := s.cfg.Pool.Query(ctx, `SELECT c.relname::text FROM pg_inherits i
		JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'sample'::regclass ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
