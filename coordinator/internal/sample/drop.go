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

// Dropping makes no one wait who stores samples. DROP alone would: it wants the
// whole table for itself, and every insert queues behind that wish for as long
// as somebody reads. So a partition is detached concurrently first, which waits
// for the readers but is waited for by none, and what is dropped then belongs to
// no table. Only an owner may detach, and not within a function: for a role that
// owns nothing, a function of the database drops the partition in a moment in
// which nobody holds the table, and refuses at once where somebody does.
const (
	dropKey = 0x6c756369_64726f70 // advisory lock: one coordinator drops, and another leaves it to that one
	// dropPatience is how long a wish to detach waits for readers. It keeps a
	// partition from being made so long, so it is shorter than lockTimeout.
	dropPatience = 200 * time.Millisecond
	// How often a drop is tried where somebody holds the table, and after what
	// pause: ingest holds it for milliseconds.
	dropTries = 50
	dropPause = 10 * time.Millisecond
)

const inUse = "55P03" // lock_not_available

// partition is one that a table has, or had: what an interrupted drop left
// behind may be half detached, or detached.
type partition struct {
	Name     string
	Attached bool
	Pending  bool // half detached: no query sees it, and no other can be detached before it
	Owned    bool // by the role that asks, as its table is
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

// dropBefore drops a table's partitions that end before a time, oldest first: one
// that cannot be dropped now keeps the newer ones from it.
func (s *Store) dropBefore(ctx context.Context, table series, oldest time.Time) error {
	old, err := partitionsBefore(ctx, s.cfg.Pool, table, oldest)
	if err != nil || len(old) == 0 {
		return err
	}
	conn, err := s.dropConn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var alone bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(dropKey)).Scan(&alone); err != nil || !alone {
		return err
	}
	defer conn.Exec(ctx, "SELECT pg_advisory_unlock($1)", int64(dropKey))  // closing gives it back too, but some time later
	if old, err = partitionsBefore(ctx, conn, table, oldest); err != nil { // another may have dropped some
		return err
	}
	for _, p := range old {
		if err := s.dropPartition(ctx, conn, table, p); err != nil {
			return fmt.Errorf("dropping partition %s: %w", p.Name, err)
		}
	}
	return nil
}

// dropConn is a connection of its own, since detaching needs settings of a session.
func (s *Store) dropConn(ctx context.Context) (*pgx.Conn, error) {
	config := s.cfg.Pool.Config().ConnConfig
	config.RuntimeParams["lock_timeout"] = fmt.Sprintf("%dms", s.dropPatience.Milliseconds())
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connection that drops partitions: %w", err)
	}
	return conn, nil
}

// dropPartition drops one, but no single samples that a rollup still waits for.
func (s *Store) dropPartition(ctx context.Context, conn *pgx.Conn, table series, p partition) error {
	if begin, _ := table.beginOf(p.Name); p.Attached && !p.Pending && table == s.cfg.Retention.raw() {
		if waiting, err := sqlgen.New(conn).AnyDueBefore(ctx, table.end(begin)); err != nil {
			return err
		} else if waiting {
			return errors.New("not all of its samples are in the rollups yet")
		}
	}
	if err := detach(ctx, conn, table, p); err != nil {
		return err
	}
	for try := 1; ; try++ {
		_, err := conn.Exec(ctx, "SELECT sample_partition_drop($1)", p.Name)
		if try == dropTries || db.Code(err) != inUse {
			return err
		}
		select {
		case <-time.After(dropPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// detach takes a partition out of its table where our role may. Where readers
// outlast our patience, or we end, it stays half detached, and the next turn
// finishes that.
func detach(ctx context.Context, conn *pgx.Conn, table series, p partition) error {
	if !p.Attached || !p.Owned {
		return nil
	}
	how := "CONCURRENTLY"
	if p.Pending {
		how = "FINALIZE"
	}
	_, err := conn.Exec(ctx, fmt.Sprintf("ALTER TABLE %s DETACH PARTITION %s %s", table.table, pgx.Identifier{p.Name}.Sanitize(), how))
	return err
}

// querier is a pool or a connection.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// partitionsBefore are those that end before a time, and whatever an interrupted
// drop left, that which must be finished first at the front.
func partitionsBefore(ctx context.Context, q querier, table series, oldest time.Time) ([]partition, error) {
	all, err := partitionsOf(ctx, q, table.table)
	if err != nil {
		return nil, fmt.Errorf("listing partitions of %s: %w", table.table, err)
	}
	old := all[:0]
	for _, p := range all {
		begin, ours := table.beginOf(p.Name)
		if ours && (!p.Attached || p.Pending || !table.end(begin).After(oldest)) {
			old = append(old, p)
		}
	}
	return old, nil
}

func partitionsOf(ctx context.Context, q querier, table string) ([]partition, error) {
	rows, err := q.Query(ctx, `SELECT c.relname::text AS name, i.inhrelid IS NOT NULL AS attached,
			coalesce(i.inhdetachpending, false) AS pending, pg_has_role(t.relowner, 'USAGE') AS owned
		FROM pg_class t JOIN pg_class c ON c.relnamespace = t.relnamespace AND c.relkind = 'r' AND starts_with(c.relname::text, t.relname || '_')
		LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = t.oid
		WHERE t.oid = $1::text::regclass ORDER BY pending DESC, name`, table)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[partition])
}
