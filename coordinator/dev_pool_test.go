package coordinator

import (
	"testing"

	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/pool"
)

// Whoever deletes dev's pool finds dev starting all the same, without it.
func TestDevLeavesADeletedPoolDeleted(t *testing.T) {
	f := &Foundation{Pools: pool.NewStore(dbtest.New(t), nil)}
	reward := ledger.USDT(1)
	for range 2 {
		if exists, err := f.EnsurePool(t.Context(), "pool_default", "default", &reward); err != nil || !exists {
			t.Fatalf("exists %v, %v", exists, err)
		}
	}
	if err := f.Pools.Delete(t.Context(), ByCLI(), "pool_default", nil); err != nil {
		t.Fatal(err)
	}
	if exists, err := f.EnsurePool(t.Context(), "pool_default", "default", &reward); err != nil || exists {
		t.Errorf("exists %v, %v", exists, err)
	}
	if _, err := f.Pools.Get(t.Context(), "pool_default"); !fault.Has(err, fault.PoolNotFound) {
		t.Errorf("the deleted pool is back: %v", err)
	}
}
