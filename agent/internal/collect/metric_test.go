package collect

import (
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"lucid.internal/shared/wire"
)

var update = flag.Bool("update", false, "write docs/metrics.md instead of comparing it")

const metricsPage = "../../../docs/metrics.md"

func TestMetricsPageIsCurrent(t *testing.T) {
	if *update {
		if err := os.WriteFile(metricsPage, []byte(MetricsPage()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != MetricsPage() {
		t.Errorf("%s is not what the code says; run: make generate", metricsPage)
	}
}

// TestEveryFigureIsAMetric: a figure that is added to the message is explained.
func TestEveryFigureIsAMetric(t *testing.T) {
	var named []string
	for _, m := range Metrics() {
		named = append(named, m.Name)
		if m.Unit == "" || m.Source == "" || m.Null == "" {
			t.Errorf("%s is not explained in full: %+v", m.Name, m)
		}
	}
	if sent := figuresOf(reflect.TypeFor[wire.Sample](), ""); !slices.Equal(named, sent) {
		t.Errorf("explained %v\nsent      %v", named, sent)
	}
}

// figuresOf are the names of what a message's type holds, in order.
func figuresOf(t reflect.Type, prefix string) (names []string) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		of := t.Field(i).Type
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		switch {
		case prefix == "" && of.Kind() != reflect.Struct: // seq, at_ms, absent
		case of.Kind() == reflect.Struct:
			names = append(names, figuresOf(of, prefix+name+".")...)
		case of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct:
			names = append(names, figuresOf(of.Elem(), prefix+name+"[].")...)
		default:
			names = append(names, prefix+name)
		}
	}
	return names
}
