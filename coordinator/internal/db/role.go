package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What a program's role may do beyond reading, where it does not own the tables.
// Everything else may be inserted, changed and deleted, as far as triggers let it.
const (
	appendOnly = "entry, posting, ledger_publication, epoch, statement_line, audit_entry, verdict, score_change"
	// A balance follows from postings and the chain's end from entries: their
	// triggers write them, as the owner. Of the end, a column that cannot change
	// may be updated: that is the right to lock the row. Programs that start at
	// once take turns: Postgres refuses two that change one table's rights.
	grants = `
		SELECT pg_advisory_xact_lock(hashtext('grants to programs'));
		GRANT USAGE ON SCHEMA %[2]s TO %[1]s;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %[2]s TO %[1]s;
		GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %[2]s TO %[1]s;
		GRANT EXECUTE ON FUNCTION sample_partition_make, sample_partition_drop TO %[1]s;
		ALTER DEFAULT PRIVILEGES IN SCHEMA %[2]s GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %[1]s;
		REVOKE UPDATE, DELETE ON account, ledger_head, ` + appendOnly + ` FROM %[1]s;
		REVOKE INSERT ON ledger_head FROM %[1]s;
		REVOKE INSERT, UPDATE, DELETE ON goose_db_version FROM %[1]s;
		GRANT UPDATE (one) ON ledger_head TO %[1]s`
)

// Grant lets the role of the program's URL do its work upon the tables of the
// owner's, and no more. Call it after each migration.
func Grant(ctx context.Context, owner, program string) error {
	config, err := pgx.ParseConfig(program)
	if err != nil {
		return fmt.Errorf("database URL cannot be read: %w", err)
	}
	conn, err := pgx.Connect(ctx, owner)
	if err != nil {
		return fmt.Errorf("database as its owner: %w", err)
	}
	defer conn.Close(ctx)
	if conn.Config().User == config.User {
		return fmt.Errorf("owner and program are both the role %q of the database", config.User)
	}
	var schema string
	if err := conn.QueryRow(ctx, "SELECT current_schema()").Scan(&schema); err != nil {
		return err
	}
	statements := fmt.Sprintf(grants, pgx.Identifier{config.User}.Sanitize(), pgx.Identifier{schema}.Sanitize())
	for range maxAttempts {
		if _, err = conn.Exec(ctx, statements); !changedMeanwhile(err) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("granting role %q its rights: %w", config.User, err)
	}
	return nil
}

// changedMeanwhile: a running coordinator made a table's first partition, say.
// Postgres has no code of its own for it.
func changedMeanwhile(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Message == "tuple concurrently updated"
}

// Owned lists tables that the pool's role owns, and could therefore change
// past every trigger.
func Owned(ctx context.Context, pool *Pool) (tables []string, err error) {
	rows, err := pool.Query(ctx, `SELECT c.relname::text FROM pg_class c
		WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace AND pg_has_role(c.relowner, 'USAGE') ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
