package main

import (
	"os"
	"path/filepath"
	"testing"

	"lucid.internal/coordinator"
)

// TestFleetOfMakeRunIsFound: by the flag or the setting of its data folder, and
// never when a file of settings is named.
func TestFleetOfMakeRunIsFound(t *testing.T) {
	dev, empty := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dev, devFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		environment string
		settings    settings
		want        coordinator.Profile
	}{
		"flag":            {"", settings{Data: dev}, coordinator.ProfileDev},
		"environment":     {dev, settings{}, coordinator.ProfileDev},
		"the flag wins":   {dev, settings{Data: empty}, coordinator.ProfileServe},
		"no dev there":    {empty, settings{}, coordinator.ProfileServe},
		"neither":         {"", settings{}, coordinator.ProfileServe},
		"a file is named": {dev, settings{File: "coordinator.toml"}, coordinator.ProfileServe},
	} {
		t.Setenv("LUCID_DATA_DIR", c.environment)
		s := c.settings
		if got := s.findDev(coordinator.ProfileServe); got != c.want {
			t.Errorf("%s: profile %v, want %v", name, got, c.want)
		}
		if found := filepath.Base(s.File) == devFile; found != (c.want == coordinator.ProfileDev) {
			t.Errorf("%s: settings of %q", name, s.File)
		}
	}
}
