package pool_test

import (
	"fmt"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/pool"
)

var byCLI = audit.By{Actor: audit.CLI}

// stage is pools in a database of their own, with a clock that the test moves.
type stage struct {
	*pool.Store
	t   *testing.T
	db  *db.Pool
	now time.Time
}

func newStage(t *testing.T) *stage {
	s := &stage{t: t, db: dbtest.New(t), now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)}
	s.Store = pool.NewStore(s.db, func() time.Time { return s.now })
	return s
}

func (s *stage) exec(sql string, args ...any) {
	s.t.Helper()
	dbtest.Exec(s.t, s.db, sql, args...)
}

func (s *stage) count(sql string, args ...any) int {
	s.t.Helper()
	return dbtest.Value[int](s.t, s.db, sql, args...)
}

// filled makes a pool with the nodes node_FROM to node_TO, online and active.
func (s *stage) filled(id string, places, from, to int) {
	s.t.Helper()
	if _, err := s.Create(s.t.Context(), byCLI, pool.New{ID: id, Name: id, MaxNodes: places}); err != nil {
		s.t.Fatal(err)
	}
	s.exec(`INSERT INTO node (node_id, name, status, online, poot_score)
		SELECT 'node_' || i, 'pi-' || i, 'active', true, 900000000 FROM generate_series($1::integer, $2) i`, from, to)
	for i := from; i <= to; i++ {
		if err := s.Add(s.t.Context(), byCLI, id, fmt.Sprintf("node_%d", i), 0); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *stage) check(k pool.Keeper) {
	s.t.Helper()
	s.now = s.now.Add(time.Minute)
	k.Store, k.Logger = s.Store, slog.New(slog.DiscardHandler)
	if err := k.RunOnce(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) wantHealth(state pool.State, reasons []pool.Reason, since time.Time, online, expected int) {
	s.t.Helper()
	p, err := s.Get(s.t.Context(), "pool_a")
	if err != nil {
		s.t.Fatal(err)
	}
	h := p.Health
	if h == nil || h.State != state || !reflect.DeepEqual(h.Reasons, reasons) || !h.Since.Equal(since) || !h.CheckedAt.Equal(s.now) ||
		h.Online != online || h.Expected != expected {
		s.t.Errorf("health %+v at %s, want %s %v since %s, %d of %d online", h, s.now, state, reasons, since, online, expected)
	}
}

func TestHealthIsRecordedWhenItChanges(t *testing.T) {
	s := newStage(t)
	s.filled("pool_a", 10, 1, 5)
	s.check(pool.Keeper{})
	first := s.now
	s.wantHealth(pool.Healthy, []pool.Reason{}, first, 5, 5)
	s.exec("UPDATE node SET online = false WHERE node_id = 'node_1'")
	s.check(pool.Keeper{})
	s.wantHealth(pool.Healthy, []pool.Reason{}, first, 4, 5) // 80 %: other numbers, the same health
	s.exec("UPDATE node SET online = false WHERE node_id = 'node_2'")
	s.check(pool.Keeper{})
	s.wantHealth(pool.Degraded, []pool.Reason{pool.ManyOffline}, s.now, 3, 5)
	s.exec("UPDATE node SET status = 'maintenance' WHERE node_id IN ('node_1', 'node_2')")
	s.check(pool.Keeper{})
	s.wantHealth(pool.Healthy, []pool.Reason{}, s.now, 3, 3)
	s.exec("UPDATE node SET poot_score = 0")
	s.check(pool.Keeper{})
	last := s.now
	s.wantHealth(pool.Critical, []pool.Reason{pool.VeryLowScore}, last, 3, 3)
	s.check(pool.Keeper{})
	s.wantHealth(pool.Critical, []pool.Reason{pool.VeryLowScore}, last, 3, 3)

	if n := s.count("SELECT count(*) FROM pool_health"); n != 4 {
		t.Errorf("%d changes on record, want 4", n)
	}
	var told []string
	err := s.db.QueryRow(t.Context(), `SELECT array_agg(concat_ws(' ', body ->> 'health', body ->> 'health_reasons') ORDER BY out_no)
		FROM event_outbox WHERE pool_id = 'pool_a' AND body ->> 'change' = 'health'`).Scan(&told)
	want := []string{"healthy", `degraded ["many_offline"]`, "healthy", `critical ["very_low_score"]`}
	if err != nil || !reflect.DeepEqual(told, want) {
		t.Errorf("told %q %v, want %q", told, err, want)
	}

	s.now = s.now.Add(91 * 24 * time.Hour)
	s.check(pool.Keeper{})
	s.wantHealth(pool.Critical, []pool.Reason{pool.VeryLowScore}, last, 3, 3)
	if n := s.count("SELECT count(*) FROM pool_health"); n != 1 {
		t.Errorf("%d changes after 91 days, want only the newest", n)
	}
}

// Critical alerts of nodes that are online make a pool worse; silenced ones,
// warnings and those of nodes that are offline anyway do not.
func TestHealthKnowsAlerts(t *testing.T) {
	s := newStage(t)
	s.filled("pool_a", 10, 1, 5)
	alarm := func(node, severity string) {
		t.Helper()
		s.exec(`INSERT INTO alert (node_no, kind, state, severity, value, threshold, started_at, fired_at, observed_at)
			SELECT node_no, 'disk', 'firing', '` + severity + `', 99, 95, now(), now(), now() FROM node WHERE node_id = '` + node + `'`)
	}
	alarm("node_1", "critical")
	alarm("node_2", "warning")
	s.check(pool.Keeper{})
	s.wantHealth(pool.Degraded, []pool.Reason{pool.ManyAlerts}, s.now, 5, 5)
	s.exec(`INSERT INTO alert_silence (node_no, starts_at, ends_at, reason, author, created_at)
		SELECT node_no, '2000-01-01', '2100-01-01', 'cleaning up', 'user_1', now() FROM node WHERE node_id = 'node_1'`)
	s.check(pool.Keeper{})
	s.wantHealth(pool.Healthy, []pool.Reason{}, s.now, 5, 5)
	s.exec("UPDATE alert SET severity = 'critical'")
	alarm("node_3", "critical")
	alarm("node_4", "critical")
	s.check(pool.Keeper{})
	s.wantHealth(pool.Critical, []pool.Reason{pool.MostAlerts}, s.now, 5, 5)
}

func TestDeletedPoolsAreNotChecked(t *testing.T) {
	s := newStage(t)
	s.filled("pool_a", 10, 1, 0)
	if err := s.Delete(t.Context(), byCLI, "pool_a", nil); err != nil {
		t.Fatal(err)
	}
	s.check(pool.Keeper{})
	if n := s.count("SELECT count(*) FROM pool_health"); n != 0 {
		t.Errorf("%d checks of a deleted pool", n)
	}
}

func TestMovesAreAppliedByPolicyOnly(t *testing.T) {
	s := newStage(t)
	s.filled("pool_a", 20, 1, 20)
	s.filled("pool_b", 20, 21, 20)
	s.now = s.now.Add(2 * time.Hour)
	inB := func() int { return s.count("SELECT node_count FROM pool WHERE pool_id = 'pool_b'") }
	s.check(pool.Keeper{})
	if n := inB(); n != 0 {
		t.Errorf("%d nodes moved without a policy", n)
	}
	s.check(pool.Keeper{Balance: true})
	if n := inB(); n != 9 { // 11 to 9: what remains is less than a fifth fuller
		t.Errorf("%d nodes moved, want 9", n)
	}
	s.check(pool.Keeper{Balance: true})
	if n := inB(); n != 9 {
		t.Errorf("%d nodes after another check, want the same 9", n)
	}
	if n := s.count("SELECT count(*) FROM audit_entry WHERE action = 'pool.move_node' AND actor = 'system'"); n != 9 {
		t.Errorf("%d moves on record, want 9", n)
	}
	if n := s.count("SELECT count(*) FROM event_outbox WHERE body ->> 'reason' = 'fuller'"); n != 18 {
		t.Errorf("%d events of leaving and joining, want 18", n)
	}
}

func TestAssignmentFollowsTheRegion(t *testing.T) {
	s := newStage(t)
	for id, regions := range map[string][]string{"pool_de": {"DE"}, "pool_fr": {"FR"}, "pool_hesse": {"DE/Hesse"}} {
		wanted := pool.Wanted{Regions: regions}
		places := map[string]int{"pool_de": 10, "pool_fr": 100, "pool_hesse": 20}[id]
		if _, err := s.Create(t.Context(), byCLI, pool.New{ID: id, Name: id, MaxNodes: places, Wanted: wanted}); err != nil {
			t.Fatal(err)
		}
	}
	s.exec(`INSERT INTO node (node_id, name, status, location) VALUES
		('node_hesse', 'hesse', 'starting', '{"country": "DE", "region": "Hesse"}'),
		('node_berlin', 'berlin', 'starting', '{"country": "DE", "region": "Berlin"}'),
		('node_spain', 'spain', 'starting', '{"country": "ES"}'),
		('node_silent', 'silent', 'starting', '{}')`)
	for no, want := range []string{"pool_hesse", "pool_de", "", ""} {
		err := db.InTx(t.Context(), s.db, func(tx db.Tx) error { return pool.Assign(t.Context(), tx, int32(no+1), s.now) })
		if err != nil {
			t.Fatal(err)
		}
		var got string
		err = s.db.QueryRow(t.Context(), `SELECT COALESCE(p.pool_id, '') FROM node LEFT JOIN pool p USING (pool_no) WHERE node_no = $1`, no+1).Scan(&got)
		if err != nil || got != want {
			t.Errorf("node %d is in %q %v, want %q", no+1, got, err, want)
		}
	}
}
