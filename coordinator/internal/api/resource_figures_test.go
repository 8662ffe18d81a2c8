package api

import (
	"encoding/json"
	"testing"
	"time"

	"lucid.internal/shared/wire"
)

// full is a sample in which the machine tells all that rollups keep of memory, disk
// and GPU, each figure a multiple of n.
func full(at time.Time, n float64) wire.Sample {
	of := func(times float64) *float64 { return new(times * n) }
	bytes := func(times float64) uint64 { return uint64(times * n) }
	return wire.Sample{
		Seq: 1, AtMs: at.UnixMilli(),
		Memory: &wire.Memory{
			TotalBytes: bytes(8), UsedBytes: bytes(1), FreeBytes: bytes(2), AvailableBytes: bytes(7), CachedBytes: bytes(5),
			SwapTotalBytes: bytes(4), SwapUsedBytes: bytes(3), PressurePercent: of(0.5),
		},
		Disk: &wire.Disk{
			TotalBytes: bytes(9), UsedBytes: bytes(6), FreeBytes: bytes(3), ReadIOPS: of(1), WriteIOPS: of(2),
			ReadThroughputMBps: of(0.25), WriteThroughputMBps: of(0.125), PressurePercent: of(0.75), Filesystems: []wire.Filesystem{},
		},
		GPU: &wire.GPU{
			UsagePercent: of(1.5), FrequencyMHz: of(25), MemoryUsedBytes: new(bytes(2)), MemoryTotalBytes: new(bytes(8)), TemperatureCelsius: of(2.5),
		},
	}
}

// figured is a node that told of 10 and then of 20 in the minute from 11:50.
func figured(t *testing.T) (w *world, path string) {
	w = newWorld(t)
	n := w.enrol("gaming-pi", "")
	for i, times := range []float64{10, 20} {
		w.ingest(n, full(w.now().Add(-10*time.Minute+time.Duration(10*i)*time.Second), times))
	}
	if err := w.Samples.RunOnceRollup(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w, "/api/v1/nodes/" + n.ID + "/resources"
}

// figuresOf are what figured's samples give in any bucket that holds them both.
func figuresOf() map[string]object {
	last := func(v string) object { return stats("", "", "", v) }
	return map[string]object{
		"memory": {
			"used_bytes": stats("10", "15", "20", "20"), "available_bytes": stats("70", "105", "140", "140"),
			"swap_used_bytes": stats("30", "45", "60", "60"), "pressure_percent": stats("5", "7.5", "10", "10"),
			"total_bytes": last("160"), "free_bytes": last("40"), "cached_bytes": last("100"), "swap_total_bytes": last("80"),
		},
		"disk": {
			"used_bytes": stats("60", "90", "120", "120"), "read_iops": stats("10", "15", "20", "20"), "write_iops": stats("20", "30", "40", "40"),
			"read_throughput_mbps": stats("2.5", "3.75", "5", "5"), "write_throughput_mbps": stats("1.25", "1.875", "2.5", "2.5"),
			"pressure_percent": stats("7.5", "11.25", "15", "15"), "total_bytes": last("180"), "free_bytes": last("60"),
		},
		"gpu": {
			"usage_percent": stats("15", "22.5", "30", "30"), "frequency_mhz": stats("250", "375", "500", "500"),
			"memory_used_bytes": stats("20", "30", "40", "40"), "temperature_celsius": stats("25", "37.5", "50", "50"), "memory_total_bytes": last("160"),
		},
	}
}

// Every kind of figures, at every granularity, over a span that is asked for: one
// bucket holds the samples, and all others are gaps.
func TestMetricsOfEachTypeAtEachGranularity(t *testing.T) {
	w, path := figured(t)
	const span = "&start_time=2026-05-04T10:00:00Z&end_time=2026-05-04T12:00:00Z"
	for granularity, want := range map[string]struct {
		points int
		begins string // the bucket of both samples
	}{
		"1m": {120, "2026-05-04T11:50:00Z"}, "5m": {24, "2026-05-04T11:50:00Z"}, "15m": {8, "2026-05-04T11:45:00Z"}, "1h": {2, "2026-05-04T11:00:00Z"},
	} {
		for metricType, figures := range figuresOf() {
			t.Run(metricType+" at "+granularity, func(t *testing.T) {
				var got object
				w.get(path+"/metrics?metric_type="+metricType+"&granularity="+granularity+span, &got)
				points := got["data_points"].([]any)
				if got["metric_type"] != metricType || got["granularity"] != granularity || len(points) != want.points {
					t.Fatalf("%d points of %v at %v, want %d", len(points), got["metric_type"], got["granularity"], want.points)
				}
				for _, p := range points {
					point, expected := p.(object), object{"samples": json.Number("0"), "figures": nil}
					if point["timestamp"] == want.begins {
						expected = object{"samples": json.Number("2"), "figures": figures}
					}
					expected["timestamp"] = point["timestamp"]
					wantObject(t, point, expected)
				}
			})
		}
	}
}

// A machine that tells of its GPU: the figures stand in each answer that has room
// for them, as the newest sample has them, and over the hour.
func TestGPUFigures(t *testing.T) {
	w, path := figured(t)
	newest := object{
		"usage_percent": json.Number("30"), "frequency_mhz": json.Number("500"), "memory_used_bytes": json.Number("40"),
		"memory_total_bytes": json.Number("160"), "temperature_celsius": json.Number("50"),
	}
	for _, where := range []string{"", "/gpu"} {
		var got object
		w.get(path+where+"?time_range=1h", &got)
		wantObject(t, got["gpu"].(object), newest)
		wantObject(t, got["range"].(object)["figures"].(object)["gpu"].(object), figuresOf()["gpu"])
	}
	var summary object
	if w.get(path+"/summary", &summary); summary["gpu_usage_percent"] != json.Number("30") {
		t.Errorf("the summary tells of %v %%", summary["gpu_usage_percent"])
	}
}
