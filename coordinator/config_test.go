package coordinator

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/ledger"
)

const databaseEnv = "LUCID_DATABASE_URL=postgres://lucid:pw@db/lucid"

// formatConfig is every value as text, to compare two configurations.
func formatConfig(c *Config) string {
	var b strings.Builder
	for _, s := range settings() {
		fmt.Fprintf(&b, "%s=%s\n", s.key(), formatValue(reflect.ValueOf(c).Elem().FieldByIndex(s.index).Interface()))
	}
	return b.String()
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustLoad(t *testing.T, profile Profile, file string, environ []string, overrides ...Override) (Config, Origins) {
	t.Helper()
	c, origins, err := Load(profile, file, environ, overrides)
	if err != nil {
		t.Fatal(err)
	}
	return c, origins
}

func TestEverySettingIsDescribedOnce(t *testing.T) {
	keys, envs := map[string]bool{}, map[string]bool{}
	for _, s := range settings() {
		if s.name == "" || s.help == "" || !strings.HasPrefix(s.env, "LUCID_") {
			t.Errorf("%s: incomplete tags", s.key())
		}
		if keys[s.key()] || envs[s.env] {
			t.Errorf("%s or %s is named twice", s.key(), s.env)
		}
		keys[s.key()], envs[s.env] = true, true
	}
	if !keys["data_dir"] || !keys["retention.1h"] {
		t.Errorf("the first or the last setting of the struct is missing in %v", keys)
	}
}

func TestDefaults(t *testing.T) {
	const day = 24 * time.Hour
	serve, _ := mustLoad(t, ProfileServe, "", []string{databaseEnv})
	dev, _ := mustLoad(t, ProfileDev, "", nil)
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"serve API", serve.API.Addr(), "0.0.0.0:8095"},
		{"dev API", dev.API.Addr(), "127.0.0.1:8095"},
		{"serve TLS", serve.API.TLS, TLSOwn},
		{"dev TLS", dev.API.TLS, TLSOff},
		{"serve MQTT", serve.MQTT.Addr, ":8883"},
		{"dev MQTT", dev.MQTT.Addr, "127.0.0.1:8883"},
		{"serve epoch", serve.Epoch.Length, time.Hour},
		{"dev epoch", dev.Epoch.Length, time.Minute},
		{"dev grace", dev.Epoch.Grace, 3 * time.Second},
		{"serve interval", serve.Poot.Interval, 300 * time.Second},
		{"dev interval", dev.Poot.Interval, 10 * time.Second},
		{"serve rates", [3]int{serve.API.RateAnonymous, serve.API.RateUser, serve.API.RateService}, [3]int{100, 1_000, 10_000}},
		{"dev rates", [3]int{dev.API.RateAnonymous, dev.API.RateUser, dev.API.RateService}, [3]int{}},
		{"confirmation", serve.Node.CommandTimeout, time.Minute},
		{"health of pools", serve.Pool.HealthInterval, time.Minute},
		{"serve vetting", serve.Vetting, VettingConfig{Challenges: 100, Days: 7}},
		{"serve nodes of a healthy pool", serve.Pool.MinNodes, 3},
		{"dev nodes of a healthy pool", dev.Pool.MinNodes, 1},
		{"dev health of pools", dev.Pool.HealthInterval, 10 * time.Second},
		{"dev vetting", dev.Vetting, VettingConfig{Challenges: 3}},
		{"threshold", serve.Payout.Threshold, ledger.USDT(10)},
		{"most", dev.Payout.Max, ledger.USDT(10_000)},
		{"fee", serve.Payout.FeePercent, BasisPoints(100)},
		{"retention", serve.Retention, RetentionConfig{7 * day, 30 * day, 180 * day, 180 * day, 730 * day}},
		{"serve database", serve.Database.ConnString(), "postgres://lucid:pw@db/lucid"},
		{"dev database", dev.Database.ConnString(), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestLayers(t *testing.T) {
	file := writeFile(t, "lucid.toml", `
data_dir = "/file"

[poot]
interval = 100     # a bare integer: seconds
validity = "40s"

[api]
trusted_proxies = ["10.0.0.1", "192.168.0.0/16"]
host = "10.1.1.1"
tls = "off"
`)
	c, origins := mustLoad(t, ProfileServe, file,
		[]string{databaseEnv, "LUCID_POOT_CALCULATION_INTERVAL=200", "LUCID_DATA_DIR=/environment"},
		Override{"poot.interval", "1m30s", "--poot-interval"})
	for _, check := range []struct {
		key, got, want, origin string
	}{
		{"poot.interval", c.Poot.Interval.String(), "1m30s", "flag --poot-interval"},
		{"data_dir", c.DataDir, "/environment", "environment LUCID_DATA_DIR"},
		{"poot.validity", c.Poot.Validity.String(), "40s", file + ":6"},
		{"api.trusted_proxies", fmt.Sprint(c.API.TrustedProxies), "[10.0.0.1/32 192.168.0.0/16]", file + ":9"},
		{"api.port", fmt.Sprint(c.API.Port), "8095", "default"},
	} {
		if check.got != check.want || origins.ByKey[check.key].String() != check.origin {
			t.Errorf("%s = %s from %s, want %s from %s", check.key, check.got, origins.ByKey[check.key], check.want, check.origin)
		}
	}
}

func TestAPIAddrOverrides(t *testing.T) {
	load := func(profile Profile, addr string) (Config, error) {
		overrides, err := APIAddrOverrides("--http", addr)
		if err != nil {
			return Config{}, err
		}
		c, _, err := Load(profile, "", []string{"LUCID_DATABASE_URL=postgres://db/lucid"}, overrides)
		return c, err
	}
	for addr, want := range map[string]string{
		"[::1]:9000": "", "localhost:9000": "",
		"localhost": `api.host (flag --http): "localhost" is not host:port, as 127.0.0.1:8095`, "9000": `"9000" is not host:port`,
		":9000":            `api.tls (default): "off" needs a loopback address, as 127.0.0.1, in api.host (it is "", flag --http)`,
		"localhost:eighty": `api.port (flag --http): "eighty" is not a whole number`,
	} {
		c, err := load(ProfileDev, addr)
		if want == "" && (err != nil || c.API.Addr() != addr) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %s, %v; want %q", addr, c.API.Addr(), err, want)
		}
	}
	if c, err := load(ProfileServe, ":9000"); err != nil || c.API.Addr() != ":9000" {
		t.Errorf("over TLS on every address: %s, %v", c.API.Addr(), err)
	}
}

func TestDefaultsFollowWhatWasChosen(t *testing.T) {
	c, origins := mustLoad(t, ProfileDev, "", nil, Override{"poot.interval", "2s", "--poot-interval"})
	if c.Poot.Deadline != time.Second {
		t.Errorf("deadline %s", c.Poot.Deadline)
	}
	if got := origins.ByKey["poot.deadline"].String(); got != "default (half of poot.interval)" {
		t.Errorf("origin %q", got)
	}
	c, _ = mustLoad(t, ProfileDev, "", []string{"LUCID_POOT_CHALLENGE_DEADLINE=30s", "LUCID_POOT_CALCULATION_INTERVAL=60s"})
	if c.Poot.Validity != 30*time.Second {
		t.Errorf("validity %s, want the deadline's", c.Poot.Validity)
	}
}

func TestSecretFiles(t *testing.T) {
	key := strings.Repeat("ab", 32)
	file := writeFile(t, "key", key+"\n")
	c, origins := mustLoad(t, ProfileDev, "", []string{"LUCID_MASTER_KEY_FILE=" + file})
	got, err := c.MasterKeys()
	if err != nil || len(got) != 1 || got[0][0] != 0xab || got[0][31] != 0xab {
		t.Errorf("master key not read: %v", err)
	}
	if o := origins.ByKey["master_key"].String(); o != "environment LUCID_MASTER_KEY_FILE" {
		t.Errorf("origin %q", o)
	}
	_, _, err = Load(ProfileDev, "", []string{"LUCID_MASTER_KEY=" + key, "LUCID_MASTER_KEY_FILE=" + file}, nil)
	if err == nil || !strings.Contains(err.Error(), "LUCID_MASTER_KEY is set too") {
		t.Errorf("both set: %v", err)
	}
	_, _, err = Load(ProfileDev, "", []string{"LUCID_MASTER_KEY_FILE=" + file + ".none"}, nil)
	if err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("missing file: %v", err)
	}
}

func TestWarnings(t *testing.T) {
	_, origins := mustLoad(t, ProfileDev, "", []string{"LUCID_REDIS_URL=r", "LUCID_MONGODB_URL=m", "LUCID_DATA_DRI=x", "HOME=/", "LUCID_API_KEY_FILE=k", "LUCID_URL=u"})
	if len(origins.Warnings) != 3 {
		t.Fatalf("warnings %q, want 3", origins.Warnings)
	}
	for i, want := range []string{"LUCID_DATA_DRI is ignored: no setting", "LUCID_MONGODB_URL is ignored: Postgres", "LUCID_REDIS_URL is ignored: a bounded cache"} {
		if !strings.HasPrefix(origins.Warnings[i], want) {
			t.Errorf("warning %q, want %q...", origins.Warnings[i], want)
		}
	}
}

func TestEveryFaultAtOnce(t *testing.T) {
	file := writeFile(t, "bad.toml", `
[poot]
interval = "soon"
puzzles = 0
[payout]
threshold_usdt = 10.5
fee_percent = "1.234"
[nonsense]
x = 1
[api]
prot = 1
`)
	_, _, err := Load(ProfileServe, file, []string{"LUCID_LOG_LEVEL=loud", "LUCID_NODE_API_PORT=99999"},
		[]Override{{"epoch.grace", "2h", "--grace"}})
	faults, ok := errors.AsType[Faults](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	want := []string{
		`api.port (environment LUCID_NODE_API_PORT): 99999 is not in 0..65535`,
		`api.prot (` + file + `:11): no such setting`,
		`database.url (default): is needed: set LUCID_DATABASE_URL, or LUCID_DATABASE_NAME with libpq's variables; all commands but serve find that of make run with LUCID_DATA_DIR=.lucid`,
		`epoch.grace (flag --grace): 2h0m0s is not from 0 up to epoch.length (1h0m0s)`,
		`log.level (environment LUCID_LOG_LEVEL): "loud" is not DEBUG, INFO, WARN or ERROR`,
		`nonsense (` + file + `:8): no such setting`,
		`payout.fee_percent (` + file + `:7): "1.234" is not a percentage from 0 to 100 with at most two decimals`,
		`payout.threshold_usdt (` + file + `:6): write a number with decimals in quotes, so that it stays exact`,
		`poot.interval (` + file + `:3): "soon" is not a duration like 90s, 5m or 1h30m, nor a number of seconds`,
		`poot.puzzles (` + file + `:4): 0 is not in 1..64`,
	}
	got := make([]string, len(faults))
	for i := range faults {
		got[i] = faults[i].String()
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("faults:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if text := err.Error(); strings.Count(text, "\n") != len(want) || !strings.HasPrefix(text, "settings: 10 wrong:") {
		t.Errorf("text %q", text)
	}
}

func TestTrustedProxiesParse(t *testing.T) {
	c, _ := mustLoad(t, ProfileDev, "", []string{"LUCID_TRUSTED_PROXIES=10.1.2.3/8, ::1"})
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	if !slices.Equal(c.API.TrustedProxies, want) {
		t.Errorf("proxies %v, want %v", c.API.TrustedProxies, want)
	}
}
