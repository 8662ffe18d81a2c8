package wire

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func goodConfig() *Config {
	return &Config{
		V: 1, ConfigID: strings.Repeat("ab", 16), Version: 1, IssuedMs: 1000, ExpiresMs: 61000, SampleIntervalMs: 5000, PublishIntervalMs: 30000,
		Update: &Update{Version: "1.4.0~rc1", Ring: "canary", Window: "22:00-04:00"}, MAC: make([]byte, 32),
	}
}

func TestDecodeConfig(t *testing.T) {
	if c, err := DecodeConfig(encoded(t, goodConfig())); err != nil || c.Update.Ring != "canary" {
		t.Fatalf("%+v, %v", c, err)
	}
	for want, change := range map[string]func(*Config){
		"protocol version 2":           func(c *Config) { c.V = 2 },
		"config_id is not":             func(c *Config) { c.ConfigID = "AB" },
		"mac has 31 bytes":             func(c *Config) { c.MAC = c.MAC[1:] },
		"version numbers":              func(c *Config) { c.Version = 0 },
		"is above 9007199254740992":    func(c *Config) { c.Version = MaxVersion + 1 },
		"valid from 1000 to 1000":      func(c *Config) { c.ExpiresMs = 1000 },
		"valid from 1000 to 259200100": func(c *Config) { c.ExpiresMs = 2592001001 },
		"valid from -1 to":             func(c *Config) { c.IssuedMs = -1 },
		"update.version":               func(c *Config) { c.Update.Version = "rm -rf /" },
		"update.ring":                  func(c *Config) { c.Update.Ring = "" },
		"update.window":                func(c *Config) { c.Update.Window = "25:00-26:00" },
	} {
		c := goodConfig()
		change(c)
		if _, err := DecodeConfig(encoded(t, c)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
}

// FuzzCheckUpdate compares what is checked by hand with what it means.
func FuzzCheckUpdate(f *testing.F) {
	version := regexp.MustCompile(`^(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){2}([-+~][0-9A-Za-z][0-9A-Za-z.+~-]{0,31})?$`)
	ring := regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)
	window := regexp.MustCompile(`^(([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9])?$`)
	for _, s := range []string{"1.4.0", "1.4.0~rc1", "1.04.0", "02:00-02:00", "-1", "", "canary", "Canary", "_a", "22:00-04:00", "2:00-04:00", "24:00-04:00", "02:60-04:00",
		"02:00-04:00-", "02:00.5-04:00", "+2:00-04:00", "ä", "a\xff", "a\n", strings.Repeat("a", 32), strings.Repeat("a", 33), strings.Repeat("9", 64), strings.Repeat("9", 65)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for field, c := range map[string]struct {
			update *Update
			want   bool
		}{
			"version": {&Update{Version: s, Ring: "stable"}, version.MatchString(s)},
			"ring":    {&Update{Version: "1.0.0", Ring: s}, ring.MatchString(s)},
			"window":  {&Update{Version: "1.0.0", Ring: "stable", Window: s}, window.MatchString(s) && (s == "" || s[:5] != s[6:])},
		} {
			if err := c.update.Check(); (err == nil) != c.want {
				t.Errorf("%s %q: %v, want it right: %v", field, s, err, c.want)
			}
		}
	})
}

func TestAnnouncedVersionIsOne(t *testing.T) {
	for version, good := range map[string]bool{
		"1.4.0": true, "0.0.1": true, "1.5.0-rc.1": true, "1.5.0~rc1": true, "2026.11.22+build7": true,
		"banana": false, "1": false, "1.4": false, "1.4.0.1": false, "v1.4.0": false, "01.4.0": false, "1.4.0-": false, "": false, "1.4.0 ": false,
	} {
		if err := (&Update{Version: version, Ring: "stable"}).Check(); (err == nil) != good {
			t.Errorf("%q: %v", version, err)
		}
	}
	for window, good := range map[string]bool{"": true, "23:00-01:00": true, "2-4": false, "02:00-02:00": false, "24:00-01:00": false} {
		if err := (&Update{Version: "1.4.0", Ring: "stable", Window: window}).Check(); (err == nil) != good {
			t.Errorf("window %q: %v", window, err)
		}
	}
}

func TestCheckIntervals(t *testing.T) {
	for name, c := range map[string]struct {
		sample, publish time.Duration
		wrong           []string
	}{
		"the defaults":    {10 * time.Second, time.Minute, nil},
		"the bounds":      {time.Second, 256 * time.Second, nil},
		"too often":       {time.Millisecond, time.Second, []string{"sample_interval", "publish_interval"}},
		"never":           {0, 0, []string{"sample_interval"}},
		"backwards":       {-time.Second, -time.Minute, []string{"sample_interval", "publish_interval"}},
		"too seldom":      {time.Minute, 2 * time.Hour, []string{"publish_interval"}},
		"the wrong order": {time.Minute, time.Second, []string{"publish_interval"}},
		"too many":        {time.Second, 257 * time.Second, []string{"publish_interval"}},
	} {
		var wrong []string
		for _, f := range CheckIntervals(c.sample, c.publish) {
			wrong = append(wrong, f.Name)
		}
		if !slices.Equal(wrong, c.wrong) {
			t.Errorf("%s: %v is wrong, want %v", name, wrong, c.wrong)
		}
	}
	absurd := Config{SampleIntervalMs: 1 << 62, PublishIntervalMs: -1 << 62}
	if sample, publish := absurd.Intervals(); sample <= MaxPublishInterval || publish >= 0 {
		t.Errorf("absurd intervals became %s and %s", sample, publish)
	}
}

func FuzzDecodeConfig(f *testing.F) {
	seed(f, goodConfig())
	f.Fuzz(func(t *testing.T, payload []byte) { fuzzDecoder(t, payload, DecodeConfig) })
}
