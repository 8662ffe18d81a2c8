package db_test

import (
	"slices"
	"testing"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
)

func TestLikeFindsTextAsItStands(t *testing.T) {
	pool := dbtest.New(t)
	for _, c := range []struct {
		name, text string
		want       bool
	}{
		{"a_b", "a_b", true}, {"axb", "a_b", false}, {"50%", "50%", true}, {"500", "50%", false}, {`a\b`, `a\b`, true}, {"ab", `a\b`, false},
	} {
		var found bool
		if err := pool.QueryRow(t.Context(), "SELECT $1::text LIKE $2", c.name, "%"+db.Like(c.text)+"%").Scan(&found); err != nil || found != c.want {
			t.Errorf("%q in %q: %v, %v", c.text, c.name, found, err)
		}
	}
}

func TestWhereCountsPlaceholdersFromTheArgumentsThatStandAlready(t *testing.T) {
	w := db.Where{Args: []any{"now"}}
	w.Add("a = $%d", 7)
	w.Add("b > $%d", "x")
	if w.Text != " AND a = $2 AND b > $3" || !slices.Equal(w.Args, []any{"now", 7, "x"}) {
		t.Errorf("%q %v", w.Text, w.Args)
	}
}
