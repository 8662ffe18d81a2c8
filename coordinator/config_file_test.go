package coordinator

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestFileFaults(t *testing.T) {
	for _, c := range []struct{ name, content, want string }{
		{"syntax", "data_dir = \"a\"\n[api]\nport = = 1\n", "f.toml:3:"},
		{"key twice", "[api]\nport = 1\nport = 2\n", "f.toml:3:"},
		{"section as a value", "api = 5\n", "api (f.toml:1): is a table of settings"},
		{"section as an array", "[[api]]\nport = 1\n", "api (f.toml:1): is a table of settings"},
		{"value as a table", "[data_dir]\nx = 1\n", "data_dir (f.toml:1): a table is no value"},
		{"deeper than settings go", "[api.port]\nx = 1\n", "api.port (f.toml:1): a table is no value"},
		{"dotted", "api.port.x = 1\n", "api.port (f.toml): a table is no value"},
		{"quoted dots", "\"api.port\" = 1\n", "api.port (f.toml:1): no such setting"},
		{"unknown beside", "api.prot = 1\n", "api.prot (f.toml:1): no such setting"},
		{"list for a value", "[api]\nport = [1]\n", "api.port (f.toml:2): a list is no value"},
		{"list of numbers", "public_hosts = [1]\n", "item 1 of the list is not a string"},
		{"list item with a comma", "public_hosts = [\"a,b\"]\n", "item 1 of the list is not a string without commas"},
		{"bool", "data_dir = true\n", "data_dir (f.toml:1): true is no value"},
		{"date", "data_dir = 2026-01-01\n", "a date is no value"},
		{"no float for money", "[payout]\nmin_usdt = 1e0\n", "stays exact"},
		{"empty name", "\"\" = 1\n", "no such setting"},
		{"too long", strings.Repeat("#\n", maxFileBytes), "limit is 1048576"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLoader(ProfileDev)
			l.file("f.toml", c.content)
			if len(l.faults) != 1 || !strings.Contains(l.faults.Error(), c.want) {
				t.Errorf("%v; want %s", l.faults, c.want)
			}
		})
	}
	_, _, err := Load(ProfileDev, "/nowhere/lucid.toml", nil, nil)
	if err == nil || !strings.Contains(err.Error(), "/nowhere/lucid.toml: open") {
		t.Errorf("missing file: %v", err)
	}
}

func TestPrintHidesSecretsAndNamesOrigins(t *testing.T) {
	key := strings.Repeat("0f", 32)
	c, origins := mustLoad(t, ProfileServe, "", []string{
		"LUCID_DATABASE_URL=postgres://lucid:sesame@db:5432/lucid?password=sesame", "LUCID_MASTER_KEY=" + key})
	var b bytes.Buffer
	if err := c.Print(&b, origins); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	everyForm := out + fmt.Sprintf("%v %+v %#v %s", c, c, c, c.Database.URL)
	if strings.Contains(everyForm, "sesame") || strings.Contains(everyForm, key) {
		t.Errorf("a secret shows in:\n%s", everyForm)
	}
	for _, want := range []string{
		"# url = postgres://(hidden)@db:5432/lucid", "environment LUCID_DATABASE_URL",
		"# master_key = (hidden)", "[payout]", `threshold_usdt = "10"`, `interval   = "5m"`,
	} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
}

// FuzzFile: no text makes the loader panic; what it accepts can be printed,
// and the printed form loads to the same settings.
func FuzzFile(f *testing.F) {
	f.Add("data_dir = \"/x\"\n[api]\nport = 1\ntrusted_proxies = [\"10.0.0.0/8\"]\n")
	f.Add("public_hosts = [\"a.b\", \"::1\"]\n[payout]\nmin_usdt = \"0.000001\"\nfee_percent = \"0.5\"\n")
	f.Add("[poot]\ninterval = 90\n[log]\nlevel = \"debug\"\n[nonsense]\n")
	f.Add("data_dir = \"\"\"a\\u0007\n\\\"b\"\"\"\n")
	f.Fuzz(func(t *testing.T, content string) {
		load := func(content string) (*loader, error) {
			l := newLoader(ProfileDev)
			l.file("f.toml", content)
			l.adjust()
			l.check()
			if len(l.faults) > 0 {
				return l, l.faults
			}
			return l, nil
		}
		first, err := load(content)
		if err != nil {
			if faults, ok := errors.AsType[Faults](err); !ok || faults.Error() == "" {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		first.config.MasterKey, first.config.Database.URL = "", "" // never printed
		var printed bytes.Buffer
		if err := first.config.Print(&printed, first.origins); err != nil {
			t.Fatal(err)
		}
		second, err := load(printed.String())
		if err != nil {
			t.Fatalf("the printed form is refused: %v\n%s", err, &printed)
		}
		if a, b := formatConfig(&first.config), formatConfig(&second.config); a != b {
			t.Fatalf("printed form differs:\n%s\n%s", a, b)
		}
	})
}
