package node

import (
	"fmt"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
)

// fleet fills a database with as many nodes as a large fleet has.
func fleet(t *testing.T) *db.Pool {
	t.Helper()
	p := dbtest.New(t)
	for _, sql := range []string{
		`INSERT INTO pool (pool_id, name) SELECT 'pool_' || i, 'pool-' || i FROM generate_series(0, 99) i`,
		`INSERT INTO node (node_id, name, node_type, status, online, pool_no, poot_score, inventory, location, labels, created_at, updated_at, last_heartbeat, deleted_at)
		SELECT 'node_' || md5(i::text), 'pi-' || i, (ARRAY['worker', 'worker', 'worker', 'worker', 'storage', 'compute'])[1 + i % 6],
			CASE WHEN i % 50 = 0 THEN 'error' WHEN i % 20 = 0 THEN 'inactive' ELSE 'active' END, i % 10 <> 0,
			CASE WHEN i <= 10000 THEN (SELECT min(pool_no) FROM pool) + i % 100 END,
			i::bigint * 7919 % 1000000001, '{"model": "Raspberry Pi 4 Model B"}',
			jsonb_build_object('city', 'city' || i % 500), jsonb_build_object('site', 's' || i % 300),
			now() - i * interval '1 minute', now() - (i * 7 % 10000) * interval '1 minute', now(),
			CASE WHEN i > 10000 THEN now() END
		FROM generate_series(1, 11000) i`,
		"VACUUM ANALYZE node", "ANALYZE pool",
	} {
		if _, err := p.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func plan(t *testing.T, p *db.Pool, sql string, args []any) string {
	t.Helper()
	rows, err := p.Query(t.Context(), "EXPLAIN (COSTS OFF) "+sql, args...)
	if err != nil {
		t.Fatalf("%v in %s", err, sql)
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// TestListPlans: with a large fleet no page of a list reads the whole table
// where an index serves. What has none: the order by last_heartbeat, which is
// the greater of two tables' times.
func TestListPlans(t *testing.T) {
	p := fleet(t)
	store := NewStore(Config{Pool: p})
	yes, no := true, false
	filters := map[string]Filter{
		"all": {}, "status error": {Status: "error"}, "status active": {Status: "active"}, "type": {Type: "storage"},
		"pool": {PoolID: "pool_7"}, "online": {Online: &yes}, "offline": {Online: &no}, "labels": {Labels: map[string]string{"site": "s17"}},
		"name": {Query: "pi-1234"}, "city": {Query: "city417"}, "ids": {IDs: []string{"node_x", "node_y"}},
		"several": {Status: "active", PoolID: "pool_7", Online: &yes, Query: "pi-77"},
	}
	for name, f := range filters {
		for _, sort := range []string{"", "updated_at", "name", "poot_score"} {
			for _, order := range []string{"asc", "desc"} {
				f.Sort, f.Order, f.Limit, f.After = sort, order, 20, ""
				_, _, next, err := store.List(t.Context(), f)
				if err != nil {
					t.Fatal(err)
				}
				for _, f.After = range []string{"", next} {
					q, err := newListQuery(f)
					if err != nil {
						t.Fatal(err)
					}
					sql, args := q.page()
					wantIndex(t, fmt.Sprintf("%s by %q %s after %q", name, sort, order, f.After), plan(t, p, sql, args))
				}
			}
		}
		if name == "all" || name == "online" || name == "status active" {
			continue // counting most of a table reads it, by whatever way
		}
		q, err := newListQuery(f)
		if err != nil {
			t.Fatal(err)
		}
		wantIndex(t, "count of "+name, plan(t, p, "SELECT count(*) FROM node n"+q.where(), q.args))
	}
	wantIndex(t, "one node", plan(t, p, "SELECT "+nodeColumns+nodeTables+" WHERE n.node_id = $1 AND n.deleted_at IS NULL", []any{"node_x"}))
}

func wantIndex(t *testing.T, what, plan string) {
	t.Helper()
	if strings.Contains(plan, "Seq Scan on node ") || strings.Contains(plan, "Seq Scan on node\n") {
		t.Errorf("%s reads the whole table:\n%s", what, plan)
	}
}

func TestSearchTakesItsTextLiterally(t *testing.T) {
	p := dbtest.New(t)
	_, err := p.Exec(t.Context(), `INSERT INTO node (node_id, name, status, inventory, location) VALUES
		('node_a', 'under_score', 'pending', '{"model": "100% Pi"}', '{"city": "Köln"}'), ('node_b', 'underXscore', 'pending', '{}', '{}')`)
	if err != nil {
		t.Fatal(err)
	}
	store := NewStore(Config{Pool: p})
	for query, want := range map[string]int{
		"under": 2, "r_s": 1, "%": 1, "100% p": 1, `\`: 0, "KÖLN": 1, "öl": 1, "NODE_": 2, "e_b": 1, "raspberry": 0, "'": 0,
	} {
		if _, total, _, err := store.List(t.Context(), Filter{Query: query, Limit: 10}); err != nil || total != want {
			t.Errorf("%q finds %d, want %d; %v", query, total, want, err)
		}
	}
}
