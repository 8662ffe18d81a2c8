package db_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
)

// TestSchemaOfAnotherVersion: a server works on a newer one, a command that is
// run once does not.
func TestSchemaOfAnotherVersion(t *testing.T) {
	pool := dbtest.New(t)
	var newest int
	if err := pool.QueryRow(t.Context(), "SELECT max(version_id) FROM goose_db_version").Scan(&newest); err != nil {
		t.Fatal(err)
	}
	is := func(what, serves, runs string) {
		t.Helper()
		for check, want := range map[string]string{"CheckSchema": serves, "MatchSchema": runs} {
			err := map[string]func(context.Context, *db.Pool) error{"CheckSchema": db.CheckSchema, "MatchSchema": db.MatchSchema}[check](t.Context(), pool)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: %s says %v, want %q", what, check, err, want)
			}
		}
	}
	change := func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	is("all are applied", "", "")
	change("INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, true)", newest+1)
	is("a newer coordinator was here", "", fmt.Sprintf("is at version %d, this program's at %d: use the lucid-coordinator of the release that migrated it", newest+1, newest))
	change("DELETE FROM goose_db_version WHERE version_id >= $1", newest-1)
	older := fmt.Sprintf("is at version %d, this program's at %d (2 migrations are missing, the first is %d): run lucid-coordinator migrate, after a backup", newest-2, newest, newest-1)
	is("two are missing", older, older)
	change("DROP TABLE goose_db_version")
	is("an empty database", "has no schema of Lucid", "has no schema of Lucid")
}

// TestMigratingIsOneLine tells from which version to which the schema came, and
// nothing where there was nothing to do.
func TestMigratingIsOneLine(t *testing.T) {
	url, log := dbtest.Empty(t), new(bytes.Buffer)
	for range 2 {
		if err := db.Migrate(t.Context(), url, slog.New(slog.NewTextHandler(log, nil))); err != nil {
			t.Fatal(err)
		}
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "from_version=0 to_version=") || !strings.Contains(log.String(), "took=") {
		t.Errorf("%d lines: %s", lines, log)
	}
}

// TestAppendOnlyTablesCannotBeEmptied looks for tables whose rows are guarded
// one by one, while TRUNCATE, which asks no row, would take them all.
func TestAppendOnlyTablesCannotBeEmptied(t *testing.T) {
	var guarded int
	var open string
	err := dbtest.New(t).QueryRow(t.Context(), `SELECT count(*), coalesce(string_agg(rows.tgrelid::regclass::text, ', ') FILTER (WHERE whole.tgrelid IS NULL), '')
		FROM pg_trigger rows LEFT JOIN pg_trigger whole ON whole.tgrelid = rows.tgrelid AND whole.tgfoid = rows.tgfoid AND whole.tgtype & 32 > 0
		WHERE rows.tgfoid = 'refuse_change'::regproc AND rows.tgtype & 1 > 0`).Scan(&guarded, &open) // 32: on TRUNCATE; 1: for each row
	if err != nil {
		t.Fatal(err)
	}
	if guarded < 10 || open != "" {
		t.Errorf("of %d append-only tables these can be emptied: %s", guarded, open)
	}
}
