package pool_test

import (
	"testing"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/pool"
)

// A database with one more unique index than the code knows of stands for the
// migration that brings the next one.
func TestOnlyTheIndexOnNamesSaysThatANameIsTaken(t *testing.T) {
	p := dbtest.New(t)
	if _, err := p.Exec(t.Context(), "CREATE UNIQUE INDEX another_rule ON pool (description)"); err != nil {
		t.Fatal(err)
	}
	s, by := pool.NewStore(p, nil), audit.By{Actor: audit.CLI}
	var ids []string
	for _, n := range []pool.New{{Name: "north", Description: "one"}, {Name: "south", Description: "two"}} {
		made, err := s.Create(t.Context(), by, n)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, made.ID)
	}
	taken, other := "north", "one"
	if _, err := s.Update(t.Context(), by, ids[1], nil, pool.Patch{Name: &taken}); !fault.Has(err, fault.NameTaken) {
		t.Errorf("a name that another pool has: %v", err)
	}
	if _, err := s.Update(t.Context(), by, ids[1], nil, pool.Patch{Description: &other}); err == nil || fault.Has(err, fault.NameTaken) {
		t.Errorf("an update without a name that another index refuses: %v", err)
	}
	if _, err := s.Create(t.Context(), by, pool.New{Name: "east", Description: "one"}); err == nil || fault.Has(err, fault.NameTaken) {
		t.Errorf("a new name that another index refuses: %v", err)
	}
}
