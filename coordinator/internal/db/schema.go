package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// undefinedTable is Postgres's code for a table that is not there.
const undefinedTable = "42P01"

// CheckSchema reports an error while a migration of this program is not in the
// database. One that the program does not know is no error: another coordinator
// is newer, and old code works on the new schema.
func CheckSchema(ctx context.Context, pool *Pool) error {
	s, err := readSchema(ctx, pool)
	if err != nil {
		return err
	}
	return s.lacking()
}

// MatchSchema reports an error unless the database has this program's schema,
// no older and no newer: for programs that somebody runs once beside it.
func MatchSchema(ctx context.Context, pool *Pool) error {
	s, err := readSchema(ctx, pool)
	if err != nil {
		return err
	}
	if s.has > s.wants {
		return fmt.Errorf("the database's schema is at version %d, this program's at %d: "+
			"use the lucid-coordinator of the release that migrated it", s.has, s.wants)
	}
	return s.lacking()
}

// schema is how far the database's migrations are beside this program's.
type schema struct {
	has, wants int64   // the newest of each; has is 0 before the first
	missing    []int64 // in the database, lowest first
}

// lacking says what to do about migrations that are missing.
func (s schema) lacking() error {
	switch {
	case len(s.missing) == 0:
		return nil
	case s.has == 0:
		return errors.New("the database has no schema of Lucid: " +
			"if it is the right one, run lucid-coordinator migrate, or serve, first")
	}
	return fmt.Errorf("the database's schema is at version %d, this program's at %d (%d migrations are missing, the first is %d): "+
		"run lucid-coordinator migrate, after a backup", s.has, s.wants, len(s.missing), s.missing[0])
}

func readSchema(ctx context.Context, pool *Pool) (s schema, err error) {
	if s.missing, err = embedded(); err != nil {
		return s, err
	}
	s.wants = s.missing[len(s.missing)-1]
	rows, _ := pool.Query(ctx, "SELECT version_id FROM goose_db_version WHERE is_applied") // its error comes with the rows
	applied, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if Code(err) == undefinedTable {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read the applied migrations: %w", err)
	}
	s.has = slices.Max(append(applied, 0))
	s.missing = slices.DeleteFunc(s.missing, func(version int64) bool { return slices.Contains(applied, version) })
	return s, nil
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
