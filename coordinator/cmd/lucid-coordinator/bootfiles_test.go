package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/goccy/go-yaml"
)

const bootFiles = "../../../firmware-config/"

// TestFirstRunLeavesAnInstallerAndThisBootAsItWas runs firstrun.sh, as
// Raspberry Pi OS Bookworm does once, on a folder in the place of its root.
func TestFirstRunLeavesAnInstallerAndThisBootAsItWas(t *testing.T) {
	root := t.TempDir()
	script, err := os.ReadFile(bootFiles + "bookworm/firstrun.sh")
	if err != nil {
		t.Fatal(err)
	}
	const line = "console=tty1 root=PARTUUID=1-02 rootwait"
	// What the script's own head says that an owner appends.
	_, appended, _ := strings.Cut(string(script), "cmdline.txt:\n#   ")
	appended, _, found := strings.Cut(appended, "\n")
	if !found || !strings.HasPrefix(appended, "systemd.run=/boot/firmware/firstrun.sh ") {
		t.Fatalf("firstrun.sh says to append %q", appended)
	}
	for name, content := range map[string]string{
		"boot/firmware/firstrun.sh": string(script), "boot/firmware/lucid-archive-keyring.gpg": "key",
		"boot/firmware/cmdline.txt": line + " " + appended + "\n", "boot/firmware/lucid/enroll.toml": "token",
		"etc/apt/sources.list.d/debian.list": "", "etc/systemd/system/other.service": "",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.CommandContext(t.Context(), "sh", filepath.Join(root, "boot/firmware/firstrun.sh"))
	run.Env = append(os.Environ(), "ROOT="+root)
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := []string{
		"boot/firmware/cmdline.txt", "boot/firmware/lucid/enroll.toml", "boot/firmware/lucid-archive-keyring.gpg",
		"etc/apt/keyrings/lucid.gpg", "etc/apt/sources.list.d/debian.list", "etc/apt/sources.list.d/lucid.list",
		"etc/systemd/system/lucid-install.service", "etc/systemd/system/multi-user.target.wants/lucid-install.service",
		"etc/systemd/system/other.service",
	}
	if got := filesUnder(t, root); !slices.Equal(got, want) {
		t.Errorf("afterwards there are\n%v, want\n%v", got, want)
	}
	for name, want := range map[string]string{
		"boot/firmware/cmdline.txt": line + "\n", "etc/apt/keyrings/lucid.gpg": "key",
		"etc/apt/sources.list.d/lucid.list": "deb [signed-by=/etc/apt/keyrings/lucid.gpg] https://REPOSITORY.example stable main\n",
	} {
		if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q (%v), want %q", name, got, err, want)
		}
	}
	unit, err := os.ReadFile(filepath.Join(root, "etc/systemd/system/multi-user.target.wants/lucid-install.service"))
	if err != nil || !strings.Contains(string(unit), "\nExecStart=/usr/bin/apt-get install -y lucid-agent\n") {
		t.Errorf("the unit that the next start wants: %v\n%s", err, unit)
	}
}

func filesUnder(t *testing.T, root string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found = append(found, strings.TrimPrefix(path, root+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestBootFilesAreWhatTheirReadersExpect parses the files that Raspberry Pi
// OS reads: with the lines that wait behind a sign for an owner, too.
func TestBootFilesAreWhatTheirReadersExpect(t *testing.T) {
	type object = map[string]any
	wlan := object{"ssid": "NETWORK", "password": "PASSWORD", "password_encrypted": false, "country": "DE"}
	source := object{"lucid": object{"source": "deb [signed-by=$KEY_FILE] https://REPOSITORY.example stable main", "key": "REPOSITORY_KEY\n"}}
	eth0 := object{"eth0": object{"dhcp4": true, "optional": true}}
	wlan0 := object{"wlan0": object{"dhcp4": true, "optional": true, "regulatory-domain": "DE", "access-points": object{"NETWORK": object{"password": "PASSWORD"}}}}
	asTOML := func(b []byte, v any) error { return toml.Unmarshal(b, v) }
	asYAML := func(b []byte, v any) error { return yaml.Unmarshal(b, v) }
	for _, c := range []struct {
		file   string
		first  string // what the first line must be
		parse  func([]byte, any) error
		signed bool // the lines behind a sign are read as well
		want   object
	}{
		{"bookworm/custom.toml", "", asTOML, false, object{"config_version": int64(1), "system": object{"hostname": "NODE_NAME"}}},
		{"bookworm/custom.toml", "", asTOML, true, object{"config_version": int64(1), "system": object{"hostname": "NODE_NAME"}, "wlan": wlan}},
		{"cloud-init/user-data", "#cloud-config\n", asYAML, false, object{
			"hostname": "NODE_NAME", "apt": object{"sources": source}, "package_update": true, "packages": []any{"lucid-agent"}}},
		{"cloud-init/network-config", "", asYAML, false, object{"network": object{"version": uint64(2), "ethernets": eth0}}},
		{"cloud-init/network-config", "", asYAML, true, object{"network": object{"version": uint64(2), "ethernets": eth0, "wifis": wlan0}}},
	} {
		content, err := os.ReadFile(bootFiles + c.file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(content)
		if !strings.HasPrefix(text, c.first) {
			t.Errorf("%s begins with %.20q, want %q", c.file, text, c.first)
		}
		if c.signed {
			text = withoutSigns(text)
		}
		var got object
		if err := c.parse([]byte(text), &got); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s (signed lines: %t) is\n%#v (%v), want\n%#v", c.file, c.signed, got, err, c.want)
		}
	}
}

// withoutSigns takes the sign of the lines that are settings; a comment has a
// blank behind it, but for a YAML's indentation, which is two at least.
func withoutSigns(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if rest, found := strings.CutPrefix(line, "#"); found && (!strings.HasPrefix(rest, " ") || strings.HasPrefix(rest, "  ")) {
			lines[i] = rest
		}
	}
	return strings.Join(lines, "\n")
}
