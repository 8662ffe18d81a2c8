package pool_test

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/pool"
)

// scaling gives a pool its policy: 2 to 6 nodes, cooldown 5 minutes.
func (s *stage) scaling(id string) {
	s.t.Helper()
	s.exec("INSERT INTO node_state (node_no, status, from_at) SELECT node_no, status, $1 FROM node ON CONFLICT DO NOTHING", s.now)
	_, err := s.Update(s.t.Context(), byCLI, id, nil, pool.Patch{AutoScaling: &pool.AutoScaling{
		Enabled: true, TargetCPUPercent: 70,
		Policy: pool.ScalingPolicy{ScaleUpThreshold: 80, ScaleDownThreshold: 30, MinNodes: 2, MaxNodes: 6, CooldownMinutes: 5},
	}})
	if err != nil {
		s.t.Fatal(err)
	}
}

// busy lets every node of the stage have told of the last minute.
func (s *stage) busy(cpuPercent float64) {
	s.t.Helper()
	s.exec(`CREATE TABLE IF NOT EXISTS sample_1m_all PARTITION OF sample_1m DEFAULT`)
	s.exec(`INSERT INTO sample_1m (node_no, at, newest_at, samples, cpu_usage_percent_avg, memory_used_bytes_last, memory_total_bytes_last,
			disk_used_bytes_last, disk_total_bytes_last)
		SELECT node_no, $1, $1, 6, $2, 100, 400, 1000, 8000 FROM node`, s.now, cpuPercent)
}

// decided is what stands on record, newest first, as text.
func (s *stage) decided(id string) (list []string) {
	s.t.Helper()
	all, _, err := s.Scalings(s.t.Context(), id, 100, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range all {
		text := fmt.Sprintf("%s %s %d to %d, %s", d.Decision.Action, d.Decision.Reason, d.Before, d.After, inputs(d.Inputs))
		if d.CheckedInputs != nil {
			text += fmt.Sprintf("; last by %d at work, %s", d.CheckedInputs.Working, inputs(*d.CheckedInputs))
		}
		list = append(list, text)
	}
	return list
}

func inputs(in pool.Inputs) string {
	cpu := "?"
	if in.CPUPercent != nil {
		cpu = fmt.Sprint(math.Round(*in.CPUPercent))
	}
	scaled := ""
	if in.LastScaledAt != nil {
		scaled = in.LastScaledAt.Format(", scaled at 15:04")
	}
	return fmt.Sprintf("%s %% of %d, %d on standby%s", cpu, in.Measured, in.Standby, scaled)
}

func TestPolicyScalesAPool(t *testing.T) {
	s := newStage(t)
	s.filled("pool_a", 10, 1, 8)
	s.filled("pool_quiet", 10, 9, 10) // has no policy
	s.scaling("pool_a")
	step := func(cpu float64, want ...string) {
		t.Helper()
		s.busy(cpu)
		s.check(pool.Keeper{})
		got := s.decided("pool_a")
		if got = got[:min(len(want), len(got))]; !reflect.DeepEqual(got, want) {
			t.Errorf("after CPU of %v %% decided\n%q, want\n%q", cpu, got, want)
		}
	}
	step(50, "down above_most 8 to 6, 50 % of 8, 0 on standby")
	step(50, "hold within_thresholds 6 to 6, 50 % of 6, 2 on standby, scaled at 12:01")
	s.now = s.now.Add(5 * time.Minute)
	step(10, "down cpu_low 6 to 2, 10 % of 6, 2 on standby, scaled at 12:01")
	step(95, "hold within_thresholds 2 to 2, 53 % of 2, 6 on standby, scaled at 12:08") // the mean of five minutes
	s.now = s.now.Add(4 * time.Minute)
	step(96, "up cpu_high 2 to 3, 96 % of 2, 6 on standby, scaled at 12:08")
	s.now = s.now.Add(time.Minute)
	step(100, "hold cooldown 3 to 3, 98 % of 3, 5 on standby, scaled at 12:14")
	step(100, "hold cooldown 3 to 3, 98 % of 3, 5 on standby, scaled at 12:14; last by 3 at work, 99 % of 3, 5 on standby, scaled at 12:14", "up cpu_high 2 to 3, 96 % of 2, 6 on standby, scaled at 12:08") // once on record
	s.now = s.now.Add(time.Hour)
	s.check(pool.Keeper{})
	if got := s.decided("pool_a")[0]; got != "hold not_measured 3 to 3, ? % of 0, 5 on standby, scaled at 12:14" {
		t.Errorf("without samples: %s", got)
	}

	all, _, err := s.Scalings(t.Context(), "pool_a", 2, 0)
	if err != nil || len(all) != 2 {
		t.Fatalf("%v %v", all, err)
	}
	held := all[1]
	if !held.CheckedAt.After(held.At) || held.Actor != "system" || held.Inputs.Policy.Policy.CooldownMinutes != 5 || held.Inputs.Policy.Places != 10 {
		t.Errorf("a hold is recorded as %+v", held)
	}
	older, _, err := s.Scalings(t.Context(), "pool_a", 1, held.No)
	if up := older[0]; err != nil || up.Decision.Target != 3 || len(up.Activated) != 1 || len(up.Parked) != 0 || up.Note != "policy: cpu_high" {
		t.Errorf("the one before is %+v %v", older, err)
	}
	if n := s.count("SELECT count(*) FROM node WHERE status = 'starting'"); n != 1 {
		t.Errorf("%d nodes are starting, want the one activated", n)
	}
	if n := s.count("SELECT count(*) FROM pool_scaling s JOIN pool p USING (pool_no) WHERE p.pool_id = 'pool_quiet'"); n != 0 {
		t.Errorf("%d decisions about a pool without a policy", n)
	}
	if n := s.count("SELECT count(*) FROM audit_entry WHERE action = 'pool.scale' AND actor = 'system'"); n != 3 {
		t.Errorf("%d scalings in the audit log, want 3", n)
	}
	if n := s.count("SELECT count(*) FROM event_outbox WHERE body ->> 'reason' = 'policy: cpu_low' AND (body ->> 'working_count')::integer = 2"); n != 1 {
		t.Errorf("%d events of the pool that has shrunk, want 1", n)
	}
	s.now = s.now.Add(91 * 24 * time.Hour)
	s.exec("UPDATE pool SET auto_scaling = '{}'")
	s.check(pool.Keeper{})
	if got := s.decided("pool_a"); len(got) != 0 {
		t.Errorf("after 91 days still on record: %q", got)
	}
}

// A hold is one decision for as long as its reason holds. What it was made by at
// first stays, and what it was last made by stands beside it.
func TestHoldKeepsItsFirstAndItsNewestInputs(t *testing.T) {
	s := newStage(t)
	s.filled("pool_a", 10, 1, 4)
	s.scaling("pool_a")
	look := func(cpu float64, want string) {
		t.Helper()
		s.busy(cpu)
		s.check(pool.Keeper{})
		if got := s.decided("pool_a"); !reflect.DeepEqual(got, []string{want}) {
			t.Errorf("decided %q, want %q", got, want)
		}
		s.now = s.now.Add(10 * time.Minute) // the mean is over five
	}
	look(50, "hold within_thresholds 4 to 4, 50 % of 4, 0 on standby")
	look(60, "hold within_thresholds 4 to 4, 50 % of 4, 0 on standby; last by 4 at work, 60 % of 4, 0 on standby")
	s.exec("UPDATE node SET status = 'maintenance' WHERE node_id = 'node_4'")
	look(70, "hold within_thresholds 4 to 4, 50 % of 4, 0 on standby; last by 3 at work, 70 % of 3, 0 on standby")
	if _, err := s.Update(t.Context(), byCLI, "pool_a", nil, pool.Patch{MaxNodes: new(8)}); err != nil {
		t.Fatal(err)
	}
	look(40, "hold within_thresholds 4 to 4, 50 % of 4, 0 on standby; last by 3 at work, 40 % of 3, 0 on standby")
	d, _, err := s.Scalings(t.Context(), "pool_a", 1, 0)
	if err != nil || d[0].Inputs.Policy.Places != 10 || d[0].CheckedInputs.Policy.Places != 8 {
		t.Errorf("by the settings %+v, and last %+v, %v", d[0].Inputs.Policy, d[0].CheckedInputs.Policy, err)
	}
}

// What an operator asks for is on record as well, and starts the cooldown.
func TestScalingByHandStartsTheCooldown(t *testing.T) {
	s := newStage(t)
	s.filled("pool_a", 10, 1, 6)
	s.scaling("pool_a")
	if _, err := s.Scale(t.Context(), byCLI, "pool_a", 4, "a test"); err != nil {
		t.Fatal(err)
	}
	s.busy(5)
	s.check(pool.Keeper{})
	want := []string{"hold cooldown 4 to 4, 5 % of 4, 2 on standby, scaled at 12:00", "down requested 6 to 4, ? % of 0, 0 on standby"}
	if got := s.decided("pool_a"); !reflect.DeepEqual(got, want) {
		t.Errorf("decided %q, want %q", got, want)
	}
	if all, _, err := s.Scalings(t.Context(), "pool_a", 1, 2); err != nil || all[0].Note != "a test" || all[0].Actor != "cli" {
		t.Errorf("by hand: %+v %v", all, err)
	}
	if _, _, err := s.Scalings(t.Context(), "pool_none", 1, 0); !fault.Has(err, fault.PoolNotFound) {
		t.Errorf("of no pool: %v", err)
	}
}

// One pool that cannot be scaled does not keep the others from it.
func TestScalingGoesOnAfterAFailure(t *testing.T) {
	s := newStage(t)
	for i, id := range []string{"pool_a", "pool_b"} {
		s.filled(id, 10, 10*i+1, 10*i+8)
		s.scaling(id)
	}
	s.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$`)
	s.exec(`CREATE TRIGGER refuse BEFORE INSERT ON pool_scaling FOR EACH ROW WHEN (NEW.pool_no = 1) EXECUTE FUNCTION refuse()`)
	if err := s.AutoScale(t.Context()); err == nil {
		t.Error("a failure is not told")
	}
	if a, b := s.decided("pool_a"), s.decided("pool_b"); len(a) != 0 || len(b) != 1 {
		t.Errorf("decided %q and %q", a, b)
	}
	if n := s.count("SELECT count(*) FROM node WHERE status = 'inactive'"); n != 2 {
		t.Errorf("%d nodes are parked, want the two of pool_b", n)
	}
}

func TestUsageOfPoolsAndFleet(t *testing.T) {
	s := newStage(t)
	s.filled("pool_a", 10, 1, 3)
	s.busy(40)
	s.exec("UPDATE node SET status = 'inactive' WHERE node_id = 'node_3'") // does not work for the pool
	s.exec("DELETE FROM sample_1m WHERE node_no = 2")                      // has told nothing
	s.check(pool.Keeper{})
	p, err := s.Get(t.Context(), "pool_a")
	if err != nil || p.Usage == nil {
		t.Fatal(p.Usage, err)
	}
	f, err := s.Fleet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		got      pool.Usage
		measured int
	}{{"pool", *p.Usage, 1}, {"fleet", f.Usage, 2}} {
		u, n := c.got, int64(c.measured)
		if !u.At.Equal(s.now) || u.Measured != c.measured || *u.CPUPercent != 40 || *u.MemoryUsedBytes != 100*n ||
			*u.MemoryTotalBytes != 400*n || *u.DiskUsedBytes != 1000*n || *u.DiskTotalBytes != 8000*n {
			t.Errorf("usage of the %s: %+v", c.name, u)
		}
	}
	s.now = s.now.Add(time.Hour)
	s.check(pool.Keeper{})
	if p, err := s.Get(t.Context(), "pool_a"); err != nil || p.Usage.Measured != 0 || p.Usage.CPUPercent != nil || p.Usage.DiskTotalBytes != nil {
		t.Errorf("usage of silent nodes: %+v %v", p.Usage, err)
	}
}

// Whoever has written a row that refers to a node, as a verdict does before it
// writes the node's score, goes on to the node itself. Scaling has locked it by
// then and must not wait in turn.
func TestScalingDoesNotWaitForWhoRefersToANode(t *testing.T) {
	s := newStage(t)
	s.filled("pool_a", 10, 1, 3)
	s.scaling("pool_a")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	verdict, err := s.db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer verdict.Rollback(t.Context())
	if _, err := verdict.Exec(ctx, "SELECT FROM node WHERE node_id = 'node_3' FOR KEY SHARE"); err != nil { // as a foreign key does
		t.Fatal(err)
	}
	if done, err := s.Scale(ctx, byCLI, "pool_a", 2, "quiet"); err != nil || !slices.Equal(done.Parked, []string{"node_3"}) {
		t.Errorf("%+v, %v", done, err)
	}
}

// A machine may say what it likes, up to 2^63-1: no other pool's health and
// scaling, nor the fleet's summary, may fail by it.
func TestUsageBeyondAllBounds(t *testing.T) {
	s := newStage(t)
	s.filled("pool_a", 10, 1, 2)
	s.busy(40)
	s.exec("UPDATE sample_1m SET memory_total_bytes_last = 9223372036854775807 WHERE node_no = 1")
	s.check(pool.Keeper{})
	p, err := s.Get(t.Context(), "pool_a")
	if err != nil || p.Usage == nil {
		t.Fatal(p.Usage, err)
	}
	f, err := s.Fleet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []pool.Usage{*p.Usage, f.Usage} {
		if *u.MemoryTotalBytes != math.MaxInt64 || *u.MemoryUsedBytes != 200 {
			t.Errorf("%d of %d bytes of memory", *u.MemoryUsedBytes, *u.MemoryTotalBytes)
		}
	}
}
