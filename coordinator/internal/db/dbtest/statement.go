package dbtest

import (
	"testing"

	"lucid.internal/coordinator/internal/db"
)

// Exec runs a statement that has to succeed.
func Exec(t testing.TB, p *db.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := p.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Value reads the one value that a query gives.
func Value[T any](t testing.TB, p *db.Pool, sql string, args ...any) (value T) {
	t.Helper()
	if err := p.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}
