package api

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Nothing that an operation asks may be missing: it would be found out by the
// first request that needs it.
func TestWhatTheAPIStandsOnIsRequiredByName(t *testing.T) {
	var want []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		want = append(want, field.Name)
		if field.Name == "EnrolFile" { // what follows has a default
			break
		}
	}
	if got := (Config{}).lacking(); !slices.Equal(got, want) {
		t.Errorf("an empty Config lacks %v, want %v", got, want)
	}
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "lacks Access, Nodes") {
		t.Errorf("made of nothing: %v", err)
	}
}
