package db_test

import (
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
)

func TestCheckSchema(t *testing.T) {
	pool := dbtest.New(t)
	change := func(sql string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.CheckSchema(t.Context(), pool); err != nil {
		t.Errorf("all are applied: %v", err)
	}
	change("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)")
	if err := db.CheckSchema(t.Context(), pool); err != nil {
		t.Errorf("a newer coordinator was here: %v", err)
	}
	change("DELETE FROM goose_db_version WHERE version_id = 7")
	if err := db.CheckSchema(t.Context(), pool); err == nil || !strings.Contains(err.Error(), "lacks 1 migrations of this program, the first is 7") {
		t.Errorf("without the seventh: %v", err)
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
