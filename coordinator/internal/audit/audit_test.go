package audit_test

import (
	"context"
	"testing"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
)

func write(t *testing.T, pool *db.Pool, records ...audit.Record) {
	t.Helper()
	for _, r := range records {
		err := db.InTx(t.Context(), pool, func(tx db.Tx) error { return audit.Write(context.Background(), tx, r) })
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestWrite(t *testing.T) {
	pool := dbtest.New(t)
	by := audit.By{Actor: audit.CLI}
	write(t, pool, by.Record("pool.create", "pool_a", nil, map[string]any{"name": "a"}), by.Record("pool.delete", "pool_\x00\xff", nil, nil))
}
