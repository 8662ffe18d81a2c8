package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/span"
	"lucid.internal/shared/wire"
)

// fleet is a database with nodes, a clock that the test moves, and what was
// handed over.
type fleet struct {
	*Store
	t      *testing.T
	db     *db.Pool
	watch  *Watch
	time   time.Time
	faults []span.Interval
	told   []string // node kind state severity
	refuse error    // of the next hand-over
}

func newFleet(t *testing.T) *fleet {
	f := &fleet{t: t, db: dbtest.New(t), time: start}
	f.Store = NewStore(Config{
		Pool: f.db, Now: func() time.Time { return f.time },
		FaultWindows: func(context.Context, db.Tx, time.Time, time.Time) ([]span.Interval, error) { return f.faults, nil },
		Tell: func(_ context.Context, _ db.Tx, alerts []Alert) error {
			if f.refuse != nil {
				return f.refuse
			}
			for _, a := range alerts {
				f.told = append(f.told, fmt.Sprintf("%s %s %s %s", a.NodeID, a.Kind, a.State, a.Severity))
			}
			return nil
		},
	})
	f.watch = NewWatch(f.Store)
	f.exec("INSERT INTO pool (pool_id, name) VALUES ('pool_home', 'home')")
	return f
}

func (f *fleet) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.db.Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatal(err)
	}
}

// node adds an active, online node in the pool.
func (f *fleet) node(id string) {
	f.t.Helper()
	f.exec(`INSERT INTO node (node_id, name, status, online, pool_no) VALUES ($1, $2, 'active', true, 1)`, id, id)
}

func (f *fleet) sample(id string, s wire.Sample) {
	f.t.Helper()
	s.AtMs = f.time.UnixMilli()
	f.receive(id, s)
}

// receive takes a sample with its own time in now.
func (f *fleet) receive(id string, s wire.Sample) {
	f.t.Helper()
	s.Seq = 1
	body, err := json.Marshal(s)
	if err != nil {
		f.t.Fatal(err)
	}
	f.exec(`INSERT INTO sample_latest (node_no, at, received_at, run_no, seq, body) SELECT node_no, $2, $2, 1, 1, $3 FROM node WHERE node_id = $1
		ON CONFLICT (node_no) DO UPDATE SET at = excluded.at, received_at = excluded.received_at, body = excluded.body`, id, f.time, body)
}

func (f *fleet) cpu(id string, percent float64) {
	f.sample(id, wire.Sample{CPU: &wire.CPU{UsagePercent: &percent}})
}

// leaves takes a node offline at the present time.
func (f *fleet) leaves(id string) {
	f.t.Helper()
	f.exec(`UPDATE node SET online = false WHERE node_id = $1`, id)
	f.exec(`INSERT INTO node_presence SELECT node_no, $2::timestamptz - interval '1 hour', $2 FROM node WHERE node_id = $1`, id, f.time)
}

// verdict judges the first node now.
func (f *fleet) verdict(result string) {
	f.t.Helper()
	f.exec(`INSERT INTO challenge (challenge_id, node_no, key_epoch, session_no, issued_at, deadline_at, expires_at, canonical, state)
		VALUES (gen_random_uuid(), 1, 1, 1, $1, $1::timestamptz + interval '1 s', $1::timestamptz + interval '2 s', '', 'judged')`, f.time)
	f.exec(`INSERT INTO verdict (challenge_id, node_no, at, result, rule_version)
		SELECT challenge_id, 1, $1, $2, 1 FROM challenge WHERE issued_at = $1`, f.time, result)
	f.exec(`INSERT INTO score (node_no, reputation_a, reputation_b, timely_a, timely_b, verdicts, score, confidence, factors, rule_version, calculated_at)
		VALUES (1, 0, 0, 0, 0, 1, 0, 0, '{}', 1, $1) ON CONFLICT (node_no) DO UPDATE SET calculated_at = excluded.calculated_at`, f.time)
}

func (f *fleet) run() {
	f.t.Helper()
	if err := f.watch.RunOnce(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// after lets time pass and looks again.
func (f *fleet) after(d time.Duration) {
	f.t.Helper()
	f.time = f.time.Add(d)
	f.run()
}

// events are the changes that were published, oldest first.
func (f *fleet) events() []string {
	f.t.Helper()
	rows, err := f.db.Query(f.t.Context(), `SELECT node_id || ' ' || pool_id || ' ' || (body ->> 'kind') || ' ' || (body ->> 'change') || ' ' || (body ->> 'severity')
		FROM event_outbox WHERE kind = 'alert' ORDER BY out_no`)
	if err != nil {
		f.t.Fatal(err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			f.t.Fatal(err)
		}
		list = append(list, text)
	}
	return list
}

func (f *fleet) list(filter Filter) []Alert {
	f.t.Helper()
	filter.Limit = 100
	alerts, total, err := f.List(f.t.Context(), filter)
	if err != nil || total != len(alerts) {
		f.t.Fatalf("%d of %d: %v", len(alerts), total, err)
	}
	return alerts
}

func (f *fleet) want(what string, got []string, want ...string) {
	f.t.Helper()
	if !slices.Equal(got, want) {
		f.t.Errorf("%s:\n%q, want\n%q", what, got, want)
	}
}

var operator = audit.By{Actor: "key_test"}

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

// A silenced alert is shown and not delivered; one that still fires when the
// silence ends is.
func TestSilence(t *testing.T) {
	f := newFleet(t)
	for _, id := range []string{"node_a", "node_b", "node_c"} {
		f.node(id)
		f.leaves(id)
	}
	quiet, err := f.Silence(t.Context(), operator, NewSilence{Scope: Scope{NodeID: "node_a"}, Kind: Offline, Ends: f.time.Add(time.Hour), Reason: "moving house"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Silence(t.Context(), operator, NewSilence{Scope: Scope{PoolID: "pool_home"}, Kind: CPU, Ends: f.time.Add(time.Hour), Reason: "load test"}); err != nil {
		t.Fatal(err)
	}
	f.exec("UPDATE node SET status = 'maintenance' WHERE node_id = 'node_c'")
	f.after(10 * time.Minute) // in maintenance a node need not be online
	f.want("told", f.told, "node_b offline firing warning")
	silenced := true
	if a := f.list(Filter{Silenced: &silenced}); len(a) != 1 || a[0].NodeID != "node_a" || a[0].SilenceReason != "moving house" {
		t.Errorf("%+v", a)
	}
	if c, err := f.Count(t.Context()); err != nil || c != (Counts{Warning: 1, Silenced: 1}) {
		t.Errorf("%+v %v", c, err)
	}
	if err := f.EndSilence(t.Context(), operator, quiet.ID()); err != nil {
		t.Fatal(err)
	}
	f.after(time.Second)
	f.want("after the silence", f.told[1:], "node_a offline firing warning")
	if list, total, err := f.Silences(t.Context(), true, 10, 0); err != nil || total != 1 || len(list) != 1 || list[0].Kind != CPU || list[0].Author != "key_test" {
		t.Errorf("%+v %d %v", list, total, err)
	}
	if _, total, _ := f.Silences(t.Context(), false, 10, 0); total != 2 {
		t.Errorf("%d silences in all", total)
	}
}

func TestMaintenanceIsSilent(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	f.exec("UPDATE node SET status = 'maintenance'")
	errorsCount := uint64(3)
	f.sample("node_a", wire.Sample{Disk: &wire.Disk{Filesystems: []wire.Filesystem{{Mount: "/", ErrorsCount: &errorsCount}}}})
	f.run()
	f.want("events", f.events(), "node_a pool_home sd_errors firing warning")
	f.want("told", f.told)
	f.exec("UPDATE node SET status = 'active'")
	f.after(time.Second)
	f.want("told when it ends", f.told, "node_a sd_errors firing warning")
}

// A node's own daily window silences it, where the node is, also over midnight.
func TestMaintenanceWindow(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	noon := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC) // 14:00 in Graz
	for _, c := range []struct {
		name, start, end, zone string
		silent                 bool
	}{
		{"holds noon", "11:00", "13:00", "", true},
		{"begins with noon", "12:00", "13:00", "", true},
		{"ends with noon", "11:00", "12:00", "", false},
		{"another time of day", "02:00", "04:00", "", false},
		{"over midnight, holds noon", "10:00", "03:00", "", true},
		{"over midnight, without noon", "22:00", "03:00", "", false},
		{"where the node is", "13:30", "14:30", "Europe/Vienna", true},
		{"not where the node is", "11:00", "13:00", "Europe/Vienna", false},
		{"a zone that the server does not know", "11:00", "13:00", "Mars/Olympus", true},
	} {
		f.exec(fmt.Sprintf(`UPDATE node SET configuration = '{"maintenance_window": {"start": %q, "end": %q}}',
			location = jsonb_strip_nulls(jsonb_build_object('timezone', NULLIF('%s', '')))`, c.start, c.end, c.zone))
		var by *string
		err := f.db.QueryRow(t.Context(), "SELECT alert_silenced_by(node_no, pool_no, status, 'cpu', $1) FROM node", noon).Scan(&by)
		if err != nil || (by != nil) != c.silent {
			t.Errorf("%s: silenced by %v, %v; want silent: %v", c.name, by, err, c.silent)
		}
	}
	f.exec("UPDATE node SET configuration = '{}'")
	var silent bool
	if err := f.db.QueryRow(t.Context(), "SELECT in_maintenance_window(node_no, $1) FROM node", noon).Scan(&silent); err != nil || silent {
		t.Errorf("without a window: %v, %v", silent, err)
	}
}

// The end of an alert that nobody was told of is not told.
func TestEndOfUntoldIsNotTold(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	f.leaves("node_a")
	if _, err := f.Silence(t.Context(), operator, NewSilence{Ends: f.time.Add(time.Hour), Reason: "all quiet"}); err != nil {
		t.Fatal(err)
	}
	f.after(10 * time.Minute)
	f.exec("UPDATE node SET online = true")
	f.after(time.Minute)
	f.after(2 * time.Hour)
	f.want("told", f.told)
}

func TestHandOverIsTriedAgain(t *testing.T) {
	f := newFleet(t)
	f.node("node_a")
	f.leaves("node_a")
	f.refuse = context.DeadlineExceeded
	f.time = f.time.Add(10 * time.Minute)
	if err := f.watch.RunOnce(t.Context()); err == nil {
		t.Error("the hand-over failed unseen")
	}
	f.refuse = nil
	f.after(time.Second)
	f.want("told", f.told, "node_a offline firing warning")
	f.want("events", f.events(), "node_a pool_home offline firing warning")
}

func TestSilenceIsChecked(t *testing.T) {
	f := newFleet(t)
	soon := f.time.Add(time.Hour)
	for name, n := range map[string]NewSilence{
		"no reason":       {Ends: soon},
		"over already":    {Starts: f.time.Add(-2 * time.Hour), Ends: f.time.Add(-time.Hour), Reason: "late"},
		"backwards":       {Starts: soon, Ends: soon.Add(-time.Minute), Reason: "odd"},
		"for ever":        {Ends: f.time.Add(2 * maxSilence), Reason: "tired"},
		"unknown kind":    {Kind: "noise", Ends: soon, Reason: "odd"},
		"two scopes":      {Scope: Scope{"node_a", "pool_home"}, Ends: soon, Reason: "odd"},
		"no such node":    {Scope: Scope{NodeID: "node_none"}, Ends: soon, Reason: "odd"},
		"no such pool":    {Scope: Scope{PoolID: "pool_none"}, Ends: soon, Reason: "odd"},
		"nothing at all ": {},
	} {
		if _, err := f.Silence(t.Context(), operator, n); err == nil {
			t.Errorf("%s: silence made", name)
		}
	}
	if err := f.EndSilence(t.Context(), operator, "silence_99"); err == nil {
		t.Error("an unknown silence ended")
	}
}
