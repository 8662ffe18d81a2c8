package api

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// unitless are the numbers whose names tell no unit, and why none is missing.
func unitless() map[string]string {
	const count, share, load = "a count", "a share of the time", "a number of processes"
	return map[string]string{
		"samples": count, "cores": count, "errors_count": count, "errors_in": count, "errors_out": count, "packets_in": count, "packets_out": count,
		"carrier_changes": count, "under_voltage_events": count, "under_voltage": share, "throttled": share,
		"load_average": load, "load_1m": load, "load_5m": load, "load_15m": load,
		"quality":  "of a radio link, in the driver's own scale",
		"per_core": "usage in percent as usage_percent is, of each core: the wire's name",
	}
}

// TestFiguresNameTheirUnits walks over every number that the answers about a node's
// resources can hold, by the document, and over every figure that is charted, by an
// answer.
func TestFiguresNameTheirUnits(t *testing.T) {
	unit := regexp.MustCompile(`(^|_)(bytes|percent|celsius|mhz|mbps|iops|seconds|rpm|volts|watts|dbm|per_second)(_in|_out)?$`)
	w, path := figured(t)
	names := w.numbers(t, "/resources")
	var got object
	w.get(path+"?time_range=1h", &got)
	for _, fields := range got["range"].(object)["figures"].(object) {
		for name := range fields.(object) {
			names[name] = true
		}
	}
	for name := range names {
		if unit.MatchString(name) == (unitless()[name] != "") {
			t.Errorf("%s names its unit, or is among those that have none: one of both", name)
		}
	}
	for name := range unitless() {
		if !names[name] {
			t.Errorf("%s is in no answer", name)
		}
	}
	if len(names) < 40 {
		t.Errorf("only %d names were found", len(names))
	}
}

// numbers are the names of all properties that hold a number, or some, in what is
// answered below the path.
func (w *world) numbers(t *testing.T, below string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for path, item := range w.parsed(t, "/openapi-3.0.json").Paths.Map() {
		_, rest, of := strings.Cut(path, below)
		if !of || item.Get == nil || rest == "/alerts" || rest == "/thresholds" { // whose numbers have their unit beside them
			continue
		}
		numbersIn("", item.Get.Responses.Status(200).Value.Content["application/json"].Schema.Value, found)
	}
	return found
}

func numbersIn(name string, s *openapi3.Schema, found map[string]bool) {
	if s.Type.Is("number") || s.Type.Is("integer") {
		found[name] = true
	}
	if s.Items != nil {
		numbersIn(name, s.Items.Value, found)
	}
	for _, of := range slices.Concat(s.AllOf, s.AnyOf, s.OneOf) {
		numbersIn(name, of.Value, found)
	}
	for property, of := range s.Properties {
		numbersIn(property, of.Value, found)
	}
}
