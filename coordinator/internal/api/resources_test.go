package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/wire"
)

// charted is a node with a sample at 11:50, 11:51 and 11:53, rolled up at noon.
func charted(t *testing.T) (*world, node.Node, string) {
	w := newWorld(t)
	n := w.enrol("attic-pi", "")
	for _, m := range []struct {
		minute int // before now
		usage  float64
	}{{10, 10}, {9, 20}, {7, 60.5}} { // in this order: what comes last is the newest
		w.ingest(n, wire.Sample{
			Seq: 1, AtMs: w.now().Add(-time.Duration(m.minute)*time.Minute + time.Second).UnixMilli(),
			CPU:      &wire.CPU{UsagePercent: &m.usage, Cores: 4, PerCore: []float64{}, PressurePercent: new(0.5)},
			Memory:   &wire.Memory{TotalBytes: 4 << 30, UsedBytes: 1 << 30, PressurePercent: new(1.5)},
			Disk:     &wire.Disk{TotalBytes: 1000, UsedBytes: 125, Filesystems: []wire.Filesystem{}, PressurePercent: new(2.5)},
			Network:  &wire.Network{TotalBytesIn: uint64(10-m.minute) * 7_500_000, Interfaces: []wire.Interface{}},
			Throttle: &wire.Throttle{UnderVoltage: new(m.minute == 9), Throttled: new(true)},
			Board:    &wire.Board{FanRPM: new(2500.0), InputVolts: new(5.125), PowerWatts: new(3.5)},
			Absent:   map[string]string{"gpu": "none"},
		})
	}
	if err := w.Samples.RunOnceRollup(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w, n, "/api/v1/nodes/" + n.ID + "/resources"
}

func stats(minimum, avg, maximum, last string) object {
	null := func(text string) any {
		if text == "" {
			return nil
		}
		return json.Number(text)
	}
	return object{"min": null(minimum), "avg": null(avg), "max": null(maximum), "last": null(last)}
}

func TestResourceMetrics(t *testing.T) {
	w, n, path := charted(t)
	var got object
	w.get(path+"/metrics?metric_type=cpu&granularity=1m&start_time=2026-05-04T11:51:30Z&end_time=2026-05-04T11:54:00Z", &got)
	points := got["data_points"].([]any)
	delete(got, "data_points")
	wantObject(t, got, object{
		"node_id": n.ID, "metric_type": "cpu", "granularity": "1m", "start_time": "2026-05-04T11:51:00Z", "end_time": "2026-05-04T11:54:00Z",
		"complete_until": "2026-05-04T12:00:00Z", "kept_since": "2026-04-04T12:00:00Z",
	})
	if len(points) != 3 {
		t.Fatalf("points %v", points)
	}
	first := points[0].(object)
	usage := first["figures"].(object)["usage_percent"]
	wantObject(t, object{"at": first["timestamp"], "samples": first["samples"], "usage": usage},
		object{"at": "2026-05-04T11:51:00Z", "samples": json.Number("1"), "usage": stats("20", "20", "20", "20")})
	wantObject(t, points[1].(object), object{"timestamp": "2026-05-04T11:52:00Z", "samples": json.Number("0"), "figures": nil})
	figures := points[2].(object)["figures"].(object)
	wantObject(t, object{"usage": figures["usage_percent"], "cores": figures["cores"], "frequency": figures["frequency_mhz"]}, object{
		"usage": stats("60.5", "60.5", "60.5", "60.5"), "cores": stats("", "", "", "4"), "frequency": stats("", "", "", ""),
	})

	got = nil
	w.get(path+"/metrics?metric_type=network", &got) // the last hour, by the minute
	points = got["data_points"].([]any)
	if got["granularity"] != "1m" || len(points) != 60 {
		t.Fatalf("%d points of %v", len(points), got["granularity"])
	}
	wantObject(t, points[51].(object)["figures"].(object)["in_mbps"].(object), stats("", "1", "", "")) // 7.5 MB in a minute
	wantObject(t, points[53].(object)["figures"].(object)["in_mbps"].(object), stats("", "", "", ""))  // after a gap

	for granularity, want := range map[string]struct {
		points int
		last   string // begins with all three samples
	}{"5m": {3, "2026-05-04T11:50:00Z"}, "15m": {2, "2026-05-04T11:45:00Z"}} {
		got = nil
		w.get(path+"/metrics?metric_type=cpu&start_time=2026-05-04T11:40:00Z&end_time=2026-05-04T11:54:00Z&granularity="+granularity, &got)
		points := got["data_points"].([]any)
		if len(points) != want.points {
			t.Fatalf("%s: points %v", granularity, points)
		}
		last := points[want.points-1].(object)
		wantObject(t, object{"at": last["timestamp"], "samples": last["samples"], "usage": last["figures"].(object)["usage_percent"]},
			object{"at": want.last, "samples": json.Number("3"), "usage": stats("10", "30.166666", "60.5", "60.5")})
	}

	got = nil
	w.get(path+"/metrics?metric_type=cpu&granularity=1h", &got) // the hour that has just ended
	if points = got["data_points"].([]any); len(points) != 1 || points[0].(object)["samples"] != json.Number("3") {
		t.Errorf("hours: %v", points)
	}
}

func TestResourceMetricsRefuses(t *testing.T) {
	w, _, path := charted(t)
	for query, field := range map[string]string{
		"":                                "metric_type",
		"metric_type=fan":                 "metric_type",
		"metric_type=cpu&granularity=2m":  "granularity",
		"metric_type=cpu&start_time=noon": "start_time",
		"metric_type=cpu&start_time=2026-05-05T00:00:00Z":                                      "start_time",
		"metric_type=cpu&start_time=1969-12-31T23:00:00Z":                                      "start_time",
		"metric_type=cpu&end_time=2026-05-04T10:00:00Z&start_time=2026-05-04T11:00:00Z":        "end_time",
		"metric_type=cpu&granularity=1m&start_time=2026-05-01T00:00:00Z":                       "granularity",
		"metric_type=cpu&start_time=2020-01-01T00:00:00Z":                                      "granularity",
		"metric_type=cpu&start_time=" + url.QueryEscape("9999-12-31T23:59:59-12:00"):           "start_time",
		"metric_type=cpu&end_time=9999-12-31T23:59:59Z&start_time=0000-01-01T00:00:00%2B12:00": "start_time",
	} {
		d := w.wantError(w.send(http.MethodGet, path+"/metrics?"+query, "", as(w.keys[access.Viewer])), http.StatusUnprocessableEntity, "LUCID_ERR_1002")
		if len(d.Details) != 1 || d.Details[0].Name != field {
			t.Errorf("%s: %v, want %s", query, d.Details, field)
		}
	}
	w.wantError(w.send(http.MethodGet, "/api/v1/nodes/node_none/resources/metrics?metric_type=cpu", "", as(w.keys[access.Viewer])),
		http.StatusNotFound, "LUCID_ERR_4001")
}

func TestResourceRange(t *testing.T) {
	w, _, path := charted(t)
	var got object
	w.get(path+"?time_range=1h", &got)
	over := got["range"].(object)
	figures := over["figures"].(object)
	delete(over, "figures")
	wantObject(t, over, object{
		"time_range": "1h", "granularity": "1m", "start_time": "2026-05-04T11:00:00Z", "end_time": "2026-05-04T12:00:00Z", "samples": json.Number("3"),
	})
	wantObject(t, figures["cpu"].(object)["usage_percent"].(object), stats("10", "30.166666", "60.5", "60.5"))
	wantObject(t, figures["network"].(object)["in_mbps"].(object), stats("1", "1", "1", ""))
	if len(figures) != 7 {
		t.Errorf("subjects %v", figures)
	}
	for subject, want := range map[string]map[string]object{
		"cpu": {"pressure_percent": stats("0.5", "0.5", "0.5", "0.5")}, "memory": {"pressure_percent": stats("1.5", "1.5", "1.5", "1.5")},
		"disk":     {"pressure_percent": stats("2.5", "2.5", "2.5", "2.5")},
		"throttle": {"under_voltage": stats("0", "0.33333334", "1", "0"), "throttled": stats("1", "1", "1", "1")}, // shares of the time
		"board": {"fan_rpm": stats("2500", "2500", "2500", "2500"), "input_volts": stats("5.125", "5.125", "5.125", "5.125"),
			"power_watts": stats("3.5", "3.5", "3.5", "3.5")},
	} {
		for field, stats := range want {
			wantObject(t, figures[subject].(object)[field].(object), stats)
		}
	}
	for timeRange, granularity := range map[string]string{"6h": "1m", "24h": "5m", "7d": "1h", "30d": "1h"} {
		got = nil
		w.get(path+"?time_range="+timeRange, &got)
		if over := got["range"].(object); over["granularity"] != granularity {
			t.Errorf("%s is made of %v, want %s", timeRange, over["granularity"], granularity)
		}
	}
}

func TestResourceSubjects(t *testing.T) {
	w, n, path := charted(t)
	for _, subject := range []string{"cpu", "memory", "disk", "network", "gpu"} {
		var got object
		w.get(path+"/"+subject+"?time_range=1h", &got)
		over := got["range"].(object)["figures"].(object)
		want := object{"node_id": n.ID, "timestamp": "2026-05-04T11:53:01Z", "received_at": "2026-05-04T12:00:00Z", subject: got[subject], "absent": nil, "range": got["range"]}
		if subject == "gpu" {
			want["absent"], want["gpu"] = "none", nil
		}
		wantObject(t, got, want)
		if len(over) != 1 || over[subject] == nil || (got[subject] == nil) != (subject == "gpu") {
			t.Errorf("%s: %v over %v", subject, got[subject], over)
		}
		got = nil
		if w.get(path+"/"+subject, &got); got["range"] != nil {
			t.Errorf("%s has a range that nobody asked for: %v", subject, got["range"])
		}
	}
}

func TestResourceSummary(t *testing.T) {
	w, n, path := charted(t)
	var got object
	w.get(path+"/summary", &got)
	hour, lastDay := got["last_hour"].(object), got["last_day"].(object)
	delete(got, "last_hour")
	delete(got, "last_day")
	wantObject(t, got, object{
		"node_id": n.ID, "timestamp": "2026-05-04T11:53:01Z", "received_at": "2026-05-04T12:00:00Z", "age_seconds": json.Number("419"),
		"cpu_usage_percent": json.Number("60.5"), "cpu_temperature_celsius": nil, "memory_used_percent": json.Number("25"),
		"swap_used_percent": nil, "disk_used_percent": json.Number("12.5"), "gpu_usage_percent": nil,
	})
	for _, over := range []object{hour, lastDay} {
		cpu := over["figures"].(object)["cpu"].(object)
		if len(cpu) != 2 || over["samples"] != json.Number("3") {
			t.Errorf("%v samples, cpu %v", over["samples"], cpu)
		}
	}
}
