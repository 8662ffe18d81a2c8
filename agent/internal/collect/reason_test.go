package collect

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"lucid.internal/shared/wire"
)

// told are the reasons, by their key in a sample's absent, of figures that no
// key names itself.
var told = map[string][]string{
	"pressure":         {"cpu.pressure_percent", "memory.pressure_percent", "memory.stalled_percent", "disk.pressure_percent", "disk.stalled_percent"},
	"disk.rates":       {"disk.read_iops", "disk.write_iops", "disk.read_throughput_mbps", "disk.write_throughput_mbps"},
	"disk.health":      {"disk.filesystems.errors_count", "disk.filesystems.lifetime_write_bytes"},
	"network.links":    {"network.interfaces.speed_mbps", "network.interfaces.carrier_changes", "network.interfaces.signal_dbm", "network.interfaces.quality"},
	"network.wireless": {"network.interfaces.signal_dbm", "network.interfaces.quality"},
	"gpu.memory":       {"gpu.memory_used_bytes", "gpu.memory_total_bytes"},
	"throttle.bits":    {"throttle.capped", "throttle.throttled", "throttle.soft_limit"},
	"board.supply":     {"board.input_volts", "board.power_watts"},
	"fan":              {"board.fan_rpm"},
	"firmware":         {"gpu.frequency_mhz", "gpu.memory_total_bytes", "board.input_volts", "board.power_watts"},
}

// wantReasons: each figure that is null has its reason, under its own name,
// its subject's, or one of told.
func wantReasons(t *testing.T, s wire.Sample) {
	t.Helper()
	reasons := slices.Sorted(maps.Keys(s.Absent))
	for _, null := range nullsOf(reflect.ValueOf(s), "") {
		if !slices.ContainsFunc(reasons, func(key string) bool {
			return null == key || strings.HasPrefix(null, key+".") || slices.Contains(told[key], null)
		}) {
			t.Errorf("%s is null, and none of the reasons is its: %q", null, s.Absent)
		}
	}
}

// nullsOf are the names of what is null in a message.
func nullsOf(v reflect.Value, prefix string) (names []string) {
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		name = prefix + name
		switch f := v.Field(i); {
		case name == "absent" || name == "update_announced":
		case name == "board" && f.IsNil(): // its figures have reasons of their own
			f = reflect.New(f.Type().Elem())
			names = append(names, nullsOf(f.Elem(), "board.")...)
		case f.Kind() == reflect.Pointer && f.IsNil(), f.Kind() == reflect.Slice && f.IsNil():
			names = append(names, name)
		case f.Kind() == reflect.Pointer && f.Elem().Kind() == reflect.Struct:
			names = append(names, nullsOf(f.Elem(), name+".")...)
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
			for i := range f.Len() {
				names = append(names, nullsOf(f.Index(i), name+".")...)
			}
		}
	}
	return names
}
