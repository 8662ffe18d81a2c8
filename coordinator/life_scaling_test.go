package coordinator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/pool"
	"lucid.internal/shared/wire"
)

// publishes hands in samples of a minute that is over, a second apart, and
// returns once they are acknowledged, which is once they are committed.
func (d *device) publishes(cpuPercent float64, minutesAgo, samples int) {
	d.t.Helper()
	m := wire.Metrics{V: wire.ProtocolVersion, Run: wire.NewRunID()}
	at := d.now().Add(-time.Duration(minutesAgo) * time.Minute).Truncate(time.Minute)
	for i := range samples {
		m.Samples = append(m.Samples, wire.Sample{
			Seq: uint64(i + 1), AtMs: at.Add(time.Duration(i) * time.Second).UnixMilli(),
			CPU: &wire.CPU{UsagePercent: &cpuPercent, Cores: 4, PerCore: []float64{}},
		})
	}
	d.must(done(d.client.Publish(wire.Topic(d.id, wire.ChannelMetrics), 1, false, d.encode(m))))
}

// scales lets the samples come into the rollups, and the policy decide by them:
// the leader's own loops look every few seconds.
func (l *life) scales() {
	l.t.Helper()
	l.must(l.samples.RunOnceRollup(l.t.Context()))
	l.must((&pool.Keeper{Store: l.Pools}).RunOnce(l.t.Context()))
}

// TestPoolScalesByTheSamplesOfItsNodes: by what devices tell over MQTT, and
// nothing else, a node is parked when both are idle. When the other one is busy it
// is woken, proves itself and works again.
func TestPoolScalesByTheSamplesOfItsNodes(t *testing.T) {
	l := newLife(t)
	var made struct {
		ID string `json:"pool_id"`
	}
	l.call(http.MethodPost, "/nodes/pools/", `{"name": "attic"}`, http.StatusCreated, &made)
	path := "/nodes/pools/" + made.ID
	var devices []*device
	for i, name := range []string{"first-pi", "second-pi"} {
		id, token := l.create(name)
		l.call(http.MethodPost, path+"/nodes", fmt.Sprintf(`{"node_id": %q, "priority": %d}`, id, 20-10*i), http.StatusOK, nil)
		d := l.enrol(token)
		l.await("starting", "enrolled")
		d.connect()
		l.await("active", "proven")
		devices = append(devices, d)
	}
	first, second := devices[0], devices[1]

	first.publishes(6, 3, 1)
	second.publishes(8, 3, 1)
	l.call(http.MethodPut, path, `{"auto_scaling": {"enabled": true, "policy": {"cooldown_minutes": 1, "min_nodes": 1}}}`, http.StatusOK, nil)
	l.scales()
	l.await("inactive", pool.Standby)

	// The cooldown passes: its beginning is put back, as the clock cannot be put on.
	if _, err := l.DB.Exec(t.Context(), "UPDATE pool_scaling SET at = at - interval '2 minutes'"); err != nil {
		t.Fatal(err)
	}
	first.publishes(96, 2, 59) // the mean is over five minutes: (6 + 59*96) / 60
	l.scales()
	l.await("starting", "activated by scaling")
	l.await("active", "proven")

	var page struct {
		Decisions []struct {
			Action        string
			Reason        string
			WorkingBefore int      `json:"working_before"`
			WorkingAfter  int      `json:"working_after"`
			Activated     []string `json:"activated"`
			Parked        []string `json:"parked"`
			Inputs        struct {
				CPU json.Number `json:"cpu_usage_percent"`
			}
		} `json:"decisions"`
	}
	l.call(http.MethodGet, path+"/scaling", "", http.StatusOK, &page)
	var got []string
	for _, d := range page.Decisions {
		if d.Action != string(pool.Hold) {
			got = append(got, fmt.Sprintf("%s by %s at %s %%: %d to %d, woke %v, parked %v", d.Action, d.Reason, d.Inputs.CPU, d.WorkingBefore, d.WorkingAfter, d.Activated, d.Parked))
		}
	}
	want := []string{
		fmt.Sprintf("up by cpu_high at 94.5 %%: 1 to 2, woke [%s], parked []", second.id),
		fmt.Sprintf("down by cpu_low at 7 %%: 2 to 1, woke [], parked [%s]", second.id),
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("decided %q, want %q", got, want)
	}
}
