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
