package sample

import (
	"testing"

	"lucid.internal/coordinator/internal/db/dbtest"
)

// Every column of the table is written, so a column added later is not forgotten.
func TestColumnsAreTheTables(t *testing.T) {
	pool := dbtest.New(t)
	n := value[int](t, pool, `SELECT count(*) FROM pg_attribute
		WHERE attrelid = 'sample'::regclass AND attnum > 0 AND NOT attisdropped AND attname = ANY ($1)`, columns[:])
	all := value[int](t, pool, `SELECT count(*) FROM pg_attribute WHERE attrelid = 'sample'::regclass AND attnum > 0 AND NOT attisdropped`)
	if n != len(columns) || all != len(columns) {
		t.Errorf("%d columns written, %d of them exist, the table has %d", len(columns), n, all)
	}
}
