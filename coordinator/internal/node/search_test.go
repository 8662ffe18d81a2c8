package node_test

import (
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/node"
)

// TestSearchWithoutTheExtension migrates as a role that may not create it.
func TestSearchWithoutTheExtension(t *testing.T) {
	address := dbtest.Empty(t)
	admin, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	const role = "lucid_without_extensions"
	run := func(sql string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	run("CREATE ROLE " + role + " LOGIN")
	run("GRANT ALL ON SCHEMA public TO " + role)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	if err := db.Migrate(t.Context(), u.String(), nil); err != nil {
		t.Fatalf("the migration needs the extension: %v", err)
	}
	p, err := db.Open(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	var extensions, indexes int
	err = p.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'),
		(SELECT count(*) FROM pg_indexes WHERE indexname = 'node_search')`).Scan(&extensions, &indexes)
	if err != nil || extensions != 0 || indexes != 0 {
		t.Errorf("%d extensions and %d indexes, %v: the test does not test what it says", extensions, indexes, err)
	}
	if _, err := p.Exec(t.Context(), "INSERT INTO node (node_id, name, status) VALUES ('node_a', 'attic-pi', 'pending')"); err != nil {
		t.Fatal(err)
	}
	found, total, _, err := node.NewStore(node.Config{Pool: p}).List(t.Context(), node.Filter{Query: "TIC-P", Limit: 5})
	if err != nil || total != 1 || found[0].ID != "node_a" {
		t.Errorf("found %d, %v", total, err)
	}
	p.Close()
	run("DROP OWNED BY " + role)
	run("DROP ROLE " + role)
	if err := admin.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSearchTakesItsTextLiterally(t *testing.T) {
	p := dbtest.New(t)
	_, err := p.Exec(t.Context(), `INSERT INTO node (node_id, name, status, inventory, location) VALUES
		('node_a', 'under_score', 'pending', '{"model": "100% Pi"}', '{"city": "Köln"}'), ('node_b', 'underXscore', 'pending', '{}', '{}')`)
	if err != nil {
		t.Fatal(err)
	}
	store := node.NewStore(node.Config{Pool: p})
	for query, want := range map[string]int{
		"under": 2, "r_s": 1, "%": 1, "100% p": 1, `\`: 0, "KÖLN": 1, "öl": 1, "NODE_": 2, "e_b": 1, "raspberry": 0, "'": 0,
	} {
		if _, total, _, err := store.List(t.Context(), node.Filter{Query: query, Limit: 10}); err != nil || total != want {
			t.Errorf("%q finds %d, want %d; %v", query, total, want, err)
		}
	}
}
