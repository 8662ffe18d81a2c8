package alert

import (
	"context"
	"fmt"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/shared/wire"
)

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

// Every alert is held against every silence that has not ended.
func TestSilencesAreBounded(t *testing.T) {
	f := newFleet(t)
	f.exec(`INSERT INTO alert_silence (starts_at, ends_at, reason, author, created_at)
		SELECT $1, $1::timestamptz + interval '1 hour', 'many', 'user_1', $1 FROM generate_series(1, $2)`, f.time, mostSilences)
	one := NewSilence{Ends: f.time.Add(time.Hour), Reason: "one more"}
	if _, err := f.Silence(t.Context(), operator, one); !fault.Has(err, fault.StateNotAllowed) {
		t.Errorf("got %v", err)
	}
	f.exec("UPDATE alert_silence SET ends_at = $1 WHERE silence_no = 1", f.time)
	if _, err := f.Silence(t.Context(), operator, one); err != nil {
		t.Errorf("after one ended: %v", err)
	}
}
