package pool

import (
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
)

// bigWorld has 2,000 pools, one in fifty of them scaled, one in ten deleted,
// 20,000 nodes in them and 20 changes of health each.
func bigWorld(t *testing.T) *db.Pool {
	t.Helper()
	p := dbtest.New(t)
	for _, sql := range []string{
		`INSERT INTO pool (pool_id, name, auto_scaling, node_count, deleted_at, created_at)
			SELECT 'pool_' || i, 'pool-' || md5(i::text), CASE WHEN i % 50 = 0 THEN '{"enabled": true}' ELSE '{}' END::jsonb,
				CASE WHEN i % 10 = 0 THEN 0 ELSE 10 END, CASE WHEN i % 10 = 0 THEN now() END, now() - interval '1 year'
			FROM generate_series(1, 2000) i`,
		`INSERT INTO node (node_id, name, status, online, pool_no)
			SELECT 'node_' || i, 'pi-' || i, 'active', true, pool_no FROM pool, generate_series(pool_no * 10 + 1, pool_no * 10 + 10) i
			WHERE deleted_at IS NULL`,
		`INSERT INTO node_state (node_no, status, from_at) SELECT node_no, status, now() FROM node`,
		`INSERT INTO pool_membership (node_no, pool_no, from_at) SELECT node_no, pool_no, now() FROM node`,
		`INSERT INTO pool_health (pool_no, at, checked_at, state, reasons, online, nodes)
			SELECT 1 + i % 2000, now() - i * interval '1 minute', now(), 'healthy', '{}', 1, 1 FROM generate_series(1, 40000) i`,
		`VACUUM ANALYZE`,
	} {
		if _, err := p.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	return p
}

func TestManyPools(t *testing.T) {
	p := bigWorld(t)
	t.Run("reading needs no whole table", func(t *testing.T) { checkPlans(t, p) })
	t.Run("health", func(t *testing.T) { checkManyPools(t, p) })
}

// checkPlans explains what the store really sends.
func checkPlans(t *testing.T, p *db.Pool) {
	watched, sent := dbtest.Record(t, p)
	s := NewStore(watched, time.Now)
	yes := true
	for _, f := range []Filter{
		{Limit: 20}, {Limit: 100, Offset: 500}, {Limit: 20, After: base64.RawURLEncoding.EncodeToString([]byte("pool-8"))},
		{Limit: 20, AutoScaling: &yes}, {Limit: 20, Query: "cafe"}, {Limit: 20, Query: "cafe", AutoScaling: &yes},
	} {
		if _, _, _, err := s.List(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Get(t.Context(), "pool_77")
	_, members, err2 := s.Members(t.Context(), "pool_77", 20, 0)
	err3 := s.Remove(t.Context(), audit.By{Actor: audit.CLI}, "pool_77", "node_771")
	err4 := s.Add(t.Context(), audit.By{Actor: audit.CLI}, "pool_78", "node_771", 0)
	_, err5 := s.Scale(t.Context(), audit.By{Actor: audit.CLI}, "pool_78", 9, "test")
	if err := errors.Join(err, err2, err3, err4, err5); err != nil || members != 10 {
		t.Fatal(members, err)
	}
	if explained := dbtest.WantIndexes(t, p, "a store of pools", sent.Take()...); explained < 20 {
		t.Errorf("only %d statements were explained", explained)
	}
}

func checkManyPools(t *testing.T, p *db.Pool) {
	s := NewStore(p, time.Now)
	if err := (&Keeper{Store: s}).RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	var judged int
	err := p.QueryRow(t.Context(), `SELECT count(*) FROM pool p WHERE deleted_at IS NULL AND 'critical' =
		(SELECT state FROM pool_health h WHERE h.pool_no = p.pool_no ORDER BY at DESC LIMIT 1)`).Scan(&judged)
	if err != nil || judged != 1800 { // none of their nodes has a score
		t.Errorf("%d pools judged, %v; want 1800", judged, err)
	}
	f, err := s.Fleet(t.Context())
	if err != nil || f.Pools != 1800 || f.ByHealth[Critical] != 1800 || f.Nodes != 18_000 || f.FreeSeats != 1800*90 {
		t.Errorf("fleet %+v, %v", f, err)
	}
}
