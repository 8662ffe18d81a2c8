package main

import (
	"os"
	"strings"
	"testing"

	"lucid.internal/e2e/harness"
)

func TestBesidePipeline(t *testing.T) {
	for name, c := range map[string]struct {
		ours, theirs float64
		met          bool
		times        string
	}{
		"enough":     {90_000, 30_000, true, "(3.0 x the reference)"},
		"not enough": {89_000, 30_000, false, "(3.0 x the reference)"},
		"much more":  {213_000, 26_000, true, "(8.2 x the reference)"},
	} {
		f := besidePipeline(options{}, c.ours, stored{perSecond: c.theirs, rows: 1000}, nil)
		if f.Met == nil || *f.Met != c.met || !strings.Contains(f.Measured, c.times) || !strings.Contains(f.Reference, thousands(c.theirs)+" rows/s") {
			t.Errorf("%s: %+v", name, f)
		}
	}
	f := besidePipeline(options{}, 213_000, stored{}, harness.ErrNoMosquitto)
	if f.Met != nil || f.Reference != "none: "+harness.ErrNoMosquitto.Error() {
		t.Errorf("without Mosquitto: %+v", f)
	}
}

func TestTelegrafIsTheVersionThatIsNamed(t *testing.T) {
	module, err := os.ReadFile("../../../tools/telegraf/go.mod")
	if err != nil || !strings.Contains(string(module), telegrafModule+" "+telegrafVersion+"\n") {
		t.Errorf("%v, want %s %s in\n%s", err, telegrafModule, telegrafVersion, module)
	}
}
