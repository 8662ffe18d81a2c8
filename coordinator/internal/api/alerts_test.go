package api

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/span"
)

// watch lets the leader's look at alerts happen once.
func (w *world) watch() {
	w.t.Helper()
	store := alert.NewStore(alert.Config{
		Pool: w.db, Now: w.now,
		FaultWindows: func(context.Context, db.Tx, time.Time, time.Time) ([]span.Interval, error) { return nil, nil },
	})
	if err := alert.NewWatch(store).RunOnce(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// offline makes a node that left a while ago.
func (w *world) offline(name, poolID string, ago time.Duration) string {
	w.t.Helper()
	n := w.enrol(name, poolID)
	_, err := w.db.Exec(w.t.Context(), `INSERT INTO node_presence VALUES ($1, $2::timestamptz - interval '1 hour', $2)`, n.No, w.now().Add(-ago))
	if err != nil {
		w.t.Fatal(err)
	}
	return n.ID
}

func (w *world) ok(method, path, body string, status int, into any) {
	w.t.Helper()
	a := w.send(method, path, body, as(w.keys[access.Operator]))
	if a.StatusCode != status {
		w.t.Fatalf("%s %s: %d %s", method, path, a.StatusCode, a.body)
	}
	if into != nil {
		w.decode(a.body, into)
	}
}

func TestAlertsAreShown(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_home", 0)
	long, short := w.offline("long-gone", "pool_home", time.Hour), w.offline("just-gone", "", 6*time.Minute)
	w.watch()
	nodeAlerts := "/api/v1/nodes/" + long + "/resources/alerts"

	var one alertListBody
	w.get(nodeAlerts, &one)
	if len(one.Alerts) != 1 || one.Alerts[0].Kind != "offline" || one.Alerts[0].Severity != "critical" || one.Alerts[0].Value != 3600 || one.Alerts[0].Unit != "seconds" ||
		*one.Alerts[0].PoolID != "pool_home" || one.Alerts[0].Summary != "offline for 1h0m0s" || one.Alerts[0].NodeName != "long-gone" {
		t.Errorf("%+v", one)
	}
	for query, want := range map[string]int{
		"": 2, "?severity=critical": 1, "?severity=warning": 1, "?pool_id=pool_home": 1, "?node_id=" + short: 1, "?state=pending": 0, "?kind=cpu": 0,
		"?silenced=true": 0, "?silenced=false&active_only=true": 2, "?limit=1": 2,
	} {
		var list alertListBody
		w.get("/api/v1/alerts"+query, &list)
		if *list.Pagination.Total != want {
			t.Errorf("%q gives %d, want %d", query, *list.Pagination.Total, want)
		}
	}
	var status nodeStatusBody
	w.get("/api/v1/nodes/"+long+"/status", &status)
	if len(status.Alerts) != 1 || status.Alerts[0].Severity != "critical" || status.Alerts[0].State != "firing" {
		t.Errorf("status shows %+v", status.Alerts)
	}
	var fleet fleetBody
	w.get("/api/v1/fleet/summary", &fleet)
	if fleet.Alerts != (fleetAlertsBody{Warning: 1, Critical: 1}) {
		t.Errorf("the fleet shows %+v", fleet.Alerts)
	}

	if _, err := w.db.Exec(t.Context(), `UPDATE node SET online = true`); err != nil {
		t.Fatal(err)
	}
	w.advance(time.Minute)
	w.watch()
	w.get(nodeAlerts, &one)
	if len(one.Alerts) != 1 || one.Alerts[0].State != "resolved" || one.Alerts[0].ResolvedAt == nil {
		t.Errorf("after its end: %+v", one)
	}
	w.get(nodeAlerts+"?active_only=true", &one)
	if len(one.Alerts) != 0 {
		t.Errorf("still active: %+v", one)
	}
}

func TestThresholdsByScope(t *testing.T) {
	w := newWorld(t)
	w.createPool("pool_home", 0)
	n := w.enrol("attic-pi", "pool_home")
	ofNode, ofPool := "/api/v1/nodes/"+n.ID+"/resources/thresholds", "/api/v1/nodes/pools/pool_home/thresholds"
	var got thresholdsAnswer
	w.get(ofNode, &got)
	if len(got.Thresholds) != len(alert.Kinds()) || got.Thresholds[alert.Temperature].Source != "default" || *got.Thresholds[alert.Temperature].Warning != 75 {
		t.Errorf("at first: %+v", got)
	}
	for kind, unit := range map[alert.Kind]string{
		alert.CPU: "percent", alert.Memory: "percent", alert.Disk: "percent", alert.Temperature: "celsius", alert.Throttled: "flag", alert.UnderVoltage: "flag",
		alert.Offline: "seconds", alert.ClockSkew: "seconds", alert.ProofFailures: "count", alert.SDErrors: "count",
	} {
		if got := got.Thresholds[kind].Unit; got != unit {
			t.Errorf("%s is in %q, want %q", kind, got, unit)
		}
	}
	w.ok(http.MethodPost, "/api/v1/alerts/thresholds", `{"thresholds": {"cpu": {"warning": 70}, "disk": {"enabled": false}}}`, http.StatusOK, nil)
	w.ok(http.MethodPost, ofPool, `{"thresholds": {"cpu": {"warning": 60, "warning_for_seconds": 60, "critical": 80, "hysteresis": 1}}}`, http.StatusOK, nil)
	w.ok(http.MethodPost, ofNode, `{"thresholds": {"memory": {"critical": 99}}}`, http.StatusOK, &got)
	cpu, memory, disk := got.Thresholds[alert.CPU], got.Thresholds[alert.Memory], got.Thresholds[alert.Disk]
	if cpu.Source != "pool" || *cpu.Warning != 60 || *cpu.WarningForSeconds != 60 || *cpu.CriticalForSeconds != 600 || cpu.Hysteresis != 1 {
		t.Errorf("cpu: %+v", cpu)
	}
	if memory.Source != "node" || memory.Warning != nil || *memory.Critical != 99 || memory.Hysteresis != 5 {
		t.Errorf("memory: %+v", memory)
	}
	if disk.Source != "fleet" || disk.Enabled {
		t.Errorf("disk: %+v", disk)
	}
	w.ok(http.MethodDelete, ofPool+"/cpu", "", http.StatusNoContent, nil)
	w.get(ofNode, &got)
	if cpu := got.Thresholds[alert.CPU]; cpu.Source != "fleet" || *cpu.Warning != 70 {
		t.Errorf("cpu after the pool's is gone: %+v", cpu)
	}
	operator := as(w.keys[access.Operator])
	w.wantError(w.send(http.MethodDelete, ofPool+"/cpu", "", operator), 404, "LUCID_ERR_4901")
	w.wantError(w.send(http.MethodPost, ofPool, `{"thresholds": {}}`, operator), 422, "LUCID_ERR_1002")
	w.wantError(w.send(http.MethodPost, ofPool, `{"thresholds": {"noise": {"warning": 1}}}`, operator), 422, "LUCID_ERR_1002")
	if d := w.wantError(w.send(http.MethodPost, ofPool, `{"thresholds": {"cpu": {"warning": 90, "critical": 80}}}`, operator), 422, "LUCID_ERR_1002"); d.Details[0].Name != "thresholds.cpu.critical" {
		t.Errorf("%+v", d.Details)
	}
	w.wantError(w.send(http.MethodPost, ofPool, `{"thresholds": {"cpu": {"warning": 90}}}`, as(w.keys[access.Viewer])), 403, "LUCID_ERR_2003")
	w.wantError(w.send(http.MethodGet, "/api/v1/nodes/pools/pool_none/thresholds", "", operator), 404, "LUCID_ERR_4101")
	if n := w.auditCount("threshold."); n != 4 {
		t.Errorf("%d changes in the audit log, want 4", n)
	}
}

func (w *world) auditCount(prefix string) (n int) {
	w.t.Helper()
	if err := w.db.QueryRow(w.t.Context(), "SELECT count(*) FROM audit_entry WHERE action LIKE $1 || '%'", prefix).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func TestSilences(t *testing.T) {
	w := newWorld(t)
	id := w.offline("attic-pi", "", time.Hour)
	w.watch()
	body := w.body(map[string]any{"node_id": id, "ends_at": w.now().Add(time.Hour), "reason": "moving the rack"})
	var made silenceBody
	w.ok(http.MethodPost, "/api/v1/alerts/silences", body, http.StatusCreated, &made)
	if !strings.HasPrefix(made.Author, "key_") || *made.NodeID != id || made.PoolID != nil || made.Kind != nil || !made.StartsAt.Equal(w.now()) {
		t.Errorf("%+v", made)
	}
	var list alertListBody
	w.get("/api/v1/alerts?silenced=true", &list)
	if len(list.Alerts) != 1 || !list.Alerts[0].Silenced || *list.Alerts[0].SilenceReason != "moving the rack" {
		t.Errorf("%+v", list)
	}
	w.ok(http.MethodDelete, "/api/v1/alerts/silences/"+made.SilenceID, "", http.StatusNoContent, nil)
	w.ok(http.MethodDelete, "/api/v1/alerts/silences/"+made.SilenceID, "", http.StatusNoContent, nil)
	var silences silenceListBody
	w.get("/api/v1/alerts/silences?active_only=true", &silences)
	if len(silences.Silences) != 0 {
		t.Errorf("%+v", silences)
	}
	w.get("/api/v1/alerts/silences", &silences)
	if len(silences.Silences) != 1 || !silences.Silences[0].EndsAt.Equal(w.now()) {
		t.Errorf("%+v", silences)
	}
	w.get("/api/v1/alerts?silenced=true", &list)
	if len(list.Alerts) != 0 {
		t.Errorf("still silenced: %+v", list)
	}
	if n := w.auditCount("silence."); n != 3 { // it was ended twice
		t.Errorf("%d changes in the audit log, want 3", n)
	}
	operator := as(w.keys[access.Operator])
	w.wantError(w.send(http.MethodDelete, "/api/v1/alerts/silences/silence_99", "", operator), 404, "LUCID_ERR_4901")
	w.wantError(w.send(http.MethodPost, "/api/v1/alerts/silences", `{"ends_at": "2020-01-01T00:00:00Z", "reason": "late"}`, operator), 422, "LUCID_ERR_1002")
}
