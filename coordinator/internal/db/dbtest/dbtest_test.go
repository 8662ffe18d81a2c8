package dbtest_test

import (
	"testing"

	"lucid.internal/coordinator/internal/db/dbtest"
)

func TestEachTestHasItsOwnMigratedDatabase(t *testing.T) {
	first, second := dbtest.New(t), dbtest.New(t)
	if _, err := first.Exec(t.Context(), "INSERT INTO sealed_secret (name, box) VALUES ('a', '')"); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 0} {
		pool := first
		if i == 1 {
			pool = second
		}
		var got int
		if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM sealed_secret").Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("database %d has %d rows, want %d", i, got, want)
		}
	}
}
