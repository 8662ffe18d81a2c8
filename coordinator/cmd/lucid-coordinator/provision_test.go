package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProvisionWritesAFolderADevice(t *testing.T) {
	s := newShell(t)
	dir := t.TempDir()
	fleet, out := filepath.Join(dir, "fleet.csv"), filepath.Join(dir, "out")
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("fleet.csv", "name,payout_address\nattic-pi,TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ\ncellar-pi,\n")
	s.run("", "provision", "--fleet", fleet, "--out", out, "--files", "../../../firmware-config/cloud-init")
	for name, want := range map[string]string{
		"attic-pi/lucid/enroll.toml":  `payout_address = "TGJLczAS8upV2Wab9AhrWTMeTQWmhVEeLZ"`,
		"cellar-pi/lucid/enroll.toml": `token = "enroll_`,
		"attic-pi/user-data":          "hostname: attic-pi\n",
		"cellar-pi/user-data":         "hostname: cellar-pi\n",
	} {
		info, err := os.Stat(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(out, name))
		if err != nil || !strings.Contains(string(text), want) || info.Mode().Perm() != 0o600 {
			t.Errorf("%s (%s) lacks %q: %v\n%s", name, info.Mode(), want, err, text)
		}
	}
	tokens := s.read("SELECT count(*)::text FROM enrolment_token")
	for name, args := range map[string][]string{
		"folders that are there": {"--out", out},
		"a file with faults":     {"--out", filepath.Join(dir, "new")},
	} {
		if name == "a file with faults" {
			put("fleet.csv", "name,colour\nx,red\n")
		}
		if code := run(append([]string{"provision", "--fleet", fleet}, args...)); code == 0 {
			t.Errorf("%s: exit code 0", name)
		}
	}
	if now := s.read("SELECT count(*)::text FROM enrolment_token"); now != tokens {
		t.Errorf("what failed made tokens: %s became %s", tokens, now)
	}
}
