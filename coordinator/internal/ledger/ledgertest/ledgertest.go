// Package ledgertest owns what tests of other packages ask of the ledger.
//
// It must never write to it.
package ledgertest

import (
	"testing"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/ledger"
)

// WantBalance checks what an account holds.
func WantBalance(t testing.TB, pool *db.Pool, kind ledger.Kind, owner string, want ledger.Amount) {
	t.Helper()
	got, err := ledger.Balance(t.Context(), pool, ledger.Account{Kind: kind, Owner: owner})
	if err != nil || got != want {
		t.Errorf("%s of %s is %s, %v; want %s", kind, owner, got, err, want)
	}
}

// WantSound checks what must hold of the ledger whatever happened.
func WantSound(t testing.TB, pool *db.Pool) {
	t.Helper()
	audit, err := ledger.Verify(t.Context(), pool)
	if err != nil || audit.Difference != "" {
		t.Errorf("the ledger: %q, %v", audit.Difference, err)
	}
}
