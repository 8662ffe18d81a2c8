package alert

import (
	"context"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/span"
)

func TestAlertFromSampleToEnd(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	f.cpu("node_a", 93)
	f.run()
	f.run() // the same sample again changes nothing
	f.want("pending", f.events(), "node_a pool_home cpu pending warning")
	if a := f.list(Filter{Active: true}); len(a) != 1 || a[0].State != Pending || a[0].FiredAt != nil || a[0].Value != 93 || a[0].Threshold != 90 {
		t.Errorf("%+v", a)
	}
	for range 10 {
		f.time = f.time.Add(time.Minute)
		f.cpu("node_a", 94)
		f.run()
	}
	f.want("firing", f.events()[1:], "node_a pool_home cpu firing warning")
	f.want("told", f.told, "node_a cpu firing warning")
	f.time = f.time.Add(time.Minute)
	f.cpu("node_a", 20)
	f.run()
	f.want("ended", f.events()[2:], "node_a pool_home cpu resolved warning")
	f.want("told", f.told[1:], "node_a cpu resolved warning")
	a := f.list(Filter{NodeID: "node_a"})
	if len(a) != 1 || a[0].State != Resolved || a[0].ResolvedAt == nil || !a[0].FiredAt.Equal(start.Add(10*time.Minute)) || !a[0].StartedAt.Equal(start) {
		t.Errorf("%+v", a)
	}
}

// What is remembered stands in the tables: a new Watch goes on where the old
// one was, and the silence of a node ends nothing.
func TestAlertSurvivesRestartAndGap(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	for range 11 {
		f.cpu("node_a", 93)
		f.watch = NewWatch(f.Store)
		f.run()
		f.time = f.time.Add(time.Minute)
	}
	f.want("after restarts", f.events(), "node_a pool_home cpu pending warning", "node_a pool_home cpu firing warning")
	f.watch = NewWatch(f.Store)
	f.after(48 * time.Hour)
	if a := f.list(Filter{State: Firing}); len(a) != 1 || !a[0].ObservedAt.Equal(start.Add(10*time.Minute)) {
		t.Errorf("after a gap: %+v", a)
	}
}

func TestShortBreachLeavesNothing(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	f.cpu("node_a", 93)
	f.run()
	f.time = f.time.Add(time.Minute)
	f.cpu("node_a", 10)
	f.run()
	f.want("events", f.events(), "node_a pool_home cpu pending warning", "node_a pool_home cpu dismissed warning")
	if a := f.list(Filter{}); len(a) != 0 || len(f.told) != 0 {
		t.Errorf("%+v, told %v", a, f.told)
	}
}

func TestOfflineAlert(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	f.node("node_parked")
	f.exec("UPDATE node SET status = 'inactive' WHERE node_id = 'node_parked'")
	f.leaves("node_a")
	f.leaves("node_parked")
	f.after(4 * time.Minute)
	f.want("soon after", f.events())
	f.after(2 * time.Minute)
	f.want("later", f.events(), "node_a pool_home offline firing warning")
	f.after(30 * time.Minute)
	f.want("much later", f.events()[1:], "node_a pool_home offline severity critical")
	f.exec("UPDATE node SET online = true WHERE node_id = 'node_a'")
	f.after(time.Minute)
	f.want("back", f.events()[2:], "node_a pool_home offline resolved critical")
}

// When our own side was down, nobody is offline for it until the way back has
// been long enough.
func TestOwnFaultIsNoOfflineAlert(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	f.leaves("node_a")
	f.faults = []span.Interval{{From: start, To: start.Add(time.Hour)}}
	f.after(time.Hour)
	f.after(15 * time.Minute)
	f.want("on the way back", f.events())
	f.after(5 * time.Minute)
	f.want("afterwards", f.events(), "node_a pool_home offline firing warning")
}

func TestFaultWindowsThatMayBeMissingHoldTheWatch(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	f.leaves("node_a")
	f.cfg.FaultWindows = func(context.Context, db.Tx, time.Time, time.Time) ([]span.Interval, error) {
		return nil, context.Canceled
	}
	f.time = f.time.Add(time.Hour)
	if err := f.watch.RunOnce(t.Context()); err == nil || len(f.events()) > 0 {
		t.Errorf("%v, %v", err, f.events())
	}
}

func TestProofFailuresAlert(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	verdict := func(result string) {
		t.Helper()
		f.time = f.time.Add(5 * time.Minute)
		f.verdict(result)
		f.run()
	}
	verdict("valid")
	verdict("missed")
	f.want("one", f.events())
	verdict("void") // says nothing of the node
	verdict("late")
	f.want("two", f.events(), "node_a pool_home proof_failures firing warning")
	for range 3 {
		verdict("invalid")
	}
	f.want("five", f.events()[1:], "node_a pool_home proof_failures severity critical")
	verdict("valid")
	f.want("well again", f.events()[2:], "node_a pool_home proof_failures resolved critical")
}

func TestNearestThresholdHolds(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	f.node("node_b")
	set := func(scope Scope, warning float64) {
		t.Helper()
		if err := f.SetThresholds(t.Context(), operator, scope, map[Kind]Threshold{CPU: {Enabled: true, Warning: &Level{Value: warning}}}); err != nil {
			t.Fatal(err)
		}
	}
	f.cpu("node_a", 50)
	f.cpu("node_b", 50)
	f.run()
	f.want("by default", f.events())
	set(Scope{}, 40) // also what was seen already is judged by it
	f.run()
	f.want("fleet", f.events(), "node_a pool_home cpu firing warning", "node_b pool_home cpu firing warning")
	set(Scope{PoolID: "pool_home"}, 60)
	set(Scope{NodeID: "node_b"}, 45)
	f.time = f.time.Add(time.Minute)
	f.cpu("node_a", 50)
	f.cpu("node_b", 50)
	f.run()
	f.want("pool and node", f.events()[2:], "node_a pool_home cpu resolved warning")
	settings, err := f.Settings(t.Context(), Scope{NodeID: "node_b"})
	if err != nil || len(settings) != len(Kinds()) || settings[0].Source != OfNode || settings[0].Warning.Value != 45 || settings[1].Source != ByDefault {
		t.Errorf("%+v %v", settings, err)
	}
	if settings, err = f.Settings(t.Context(), Scope{NodeID: "node_a"}); err != nil || settings[0].Source != OfPool {
		t.Errorf("%+v %v", settings, err)
	}
	if err := f.RemoveThreshold(t.Context(), operator, Scope{NodeID: "node_b"}, CPU); err != nil {
		t.Fatal(err)
	}
	if err := f.RemoveThreshold(t.Context(), operator, Scope{NodeID: "node_b"}, CPU); err == nil {
		t.Error("a threshold was removed twice")
	}
	f.after(time.Second)
	f.want("pool again", f.events()[3:])
	f.time = f.time.Add(time.Minute)
	f.cpu("node_b", 50)
	f.run()
	f.want("with a new sample", f.events()[3:], "node_b pool_home cpu resolved warning")
}

func TestSwitchedOffAndDeletedEndAlerts(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	f.node("node_b")
	for _, id := range []string{"node_a", "node_b"} {
		f.leaves(id)
	}
	f.after(10 * time.Minute)
	f.want("begun", f.events(), "node_a pool_home offline firing warning", "node_b pool_home offline firing warning")
	f.exec("UPDATE node SET deleted_at = $1, pool_no = NULL WHERE node_id = 'node_a'", f.time)
	if err := f.SetThresholds(t.Context(), operator, Scope{NodeID: "node_b"}, map[Kind]Threshold{Offline: {}}); err != nil {
		t.Fatal(err)
	}
	f.after(time.Minute)
	f.want("ended", f.events()[2:], "node_a  offline resolved warning", "node_b pool_home offline resolved warning")
	for _, a := range f.list(Filter{}) {
		if a.State != Resolved || a.EndReason == "" || a.Value != 600 {
			t.Errorf("%+v", a)
		}
	}
}

func TestUnreadableSampleStopsNoOtherNode(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	f.node("node_b")
	for range 30 {
		f.cpu("node_a", 99)
		f.cpu("node_b", 99)
		f.exec("UPDATE sample_latest l SET body = '[]' FROM node n WHERE n.node_no = l.node_no AND n.node_id = 'node_a'")
		f.after(time.Minute)
	}
	if open := f.list(Filter{}); len(open) != 1 || open[0].NodeID != "node_b" {
		t.Errorf("%+v", open)
	}
}
