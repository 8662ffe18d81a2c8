package db

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// CheckSchema reports an error while a migration of this program is not in the
// database. One that the program does not know is no error: another coordinator
// is newer, and old code works on the new schema.
func CheckSchema(ctx context.Context, pool *Pool) error {
	rows, err := pool.Query(ctx, "SELECT version_id FROM goose_db_version WHERE is_applied")
	if err != nil {
		return fmt.Errorf("read the applied migrations: %w", err)
	}
	defer rows.Close()
	missing, err := embedded()
	if err != nil {
		return err
	}
	for rows.Next() {
		var version int64
		if err := rows.Scan(&version); err != nil {
			return fmt.Errorf("read the applied migrations: %w", err)
		}
		missing = slices.DeleteFunc(missing, func(m int64) bool { return m == version })
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the applied migrations: %w", err)
	}
	if len(missing) > 0 {
		return fmt.Errorf("the database lacks %d migrations of this program, the first is %d; run lucid-coordinator migrate", len(missing), missing[0])
	}
	return nil
}

// embedded are the versions of the migrations, lowest first.
func embedded() (versions []int64, err error) {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	for _, name := range files {
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s has no number: %w", name, err)
		}
		versions = append(versions, version)
	}
	return versions, err
}
