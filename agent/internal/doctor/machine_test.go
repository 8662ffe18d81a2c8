package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lucid.internal/agent/internal/coordtest"
)

// lay makes the files of a machine.
func lay(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func expect(t *testing.T, f Finding, level Level, found string) {
	t.Helper()
	if f.Level != level || !strings.Contains(f.Found, found) {
		t.Errorf("%+v, want %s with %q", f, level, found)
	}
	if grave := f.Level == Warning || f.Level == Problem; grave && f.Remedy == "" {
		t.Errorf("%+v does not say what to do", f)
	}
}

func TestFiles(t *testing.T) {
	const throttled = "sys/devices/platform/soc/soc:firmware/get_throttled"
	power := func(m machine) Finding { return m.power(t.Context()) }
	errorsOf := func(m machine) Finding { return m.diskErrors(t.Context()) }
	life := func(m machine) Finding { return m.diskLife(t.Context()) }
	control := func(m machine) Finding { return m.memoryControl(t.Context()) }
	firmware := func(m machine) Finding { return m.firmware(t.Context()) }
	for name, c := range map[string]struct {
		files map[string]string
		look  func(machine) Finding
		level Level
		found string
	}{
		"power, not a Pi":            {nil, power, Unknown, "no Raspberry Pi"},
		"power, well":                {map[string]string{throttled: "0\n"}, power, OK, "no under-voltage"},
		"power, under-voltage now":   {map[string]string{throttled: "50005\n"}, power, Problem, "now: under-voltage, throttling"},
		"power, once":                {map[string]string{throttled: "0x10000\n"}, power, Warning, "since it started: under-voltage"},
		"power, nonsense":            {map[string]string{throttled: "hot\n"}, power, Unknown, `"hot"`},
		"errors, none counted":       {nil, errorsOf, Unknown, "counts"},
		"errors, none":               {map[string]string{"sys/fs/ext4/mmcblk0p2/errors_count": "0\n", "proc/mounts": "/dev/mmcblk0p2 / ext4 rw,noatime 0 0\n"}, errorsOf, OK, "no filesystem"},
		"errors, some":               {map[string]string{"sys/fs/ext4/mmcblk0p2/errors_count": "7\n"}, errorsOf, Problem, "mmcblk0p2 noted 7"},
		"errors, read-only":          {map[string]string{"proc/mounts": "/dev/mmcblk0p2 / ext4 ro,noatime 0 0\n"}, errorsOf, Problem, "read-only"},
		"errors, overlay is meant":   {map[string]string{"sys/fs/ext4/a/errors_count": "0", "proc/mounts": "overlay / overlay ro 0 0\n"}, errorsOf, OK, ""},
		"life, an SD card":           {nil, life, Unknown, "SD cards"},
		"life, young":                {map[string]string{"sys/block/mmcblk0/device/life_time": "0x01 0x02\n"}, life, OK, "20 %"},
		"life, old":                  {map[string]string{"sys/block/mmcblk0/device/life_time": "0x09 0x01\n"}, life, Warning, "90 %"},
		"life, over":                 {map[string]string{"sys/block/mmcblk0/device/life_time": "0x0b 0x01\n"}, life, Problem, "beyond"},
		"memory, version 1":          {nil, control, Unknown, "version 2"},
		"memory, off as on a Pi":     {map[string]string{"sys/fs/cgroup/cgroup.controllers": "cpuset cpu io pids\n"}, control, Warning, "does not limit"},
		"memory, on":                 {map[string]string{"sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n"}, control, OK, ""},
		"firmware, not a Pi":         {nil, firmware, Unknown, "no Raspberry Pi"},
		"firmware, an older kernel":  {map[string]string{"proc/device-tree/model": "Raspberry Pi 4 Model B\x00"}, firmware, Warning, "no /dev/vcio_gencmd"},
		"firmware, one that answers": {map[string]string{"proc/device-tree/model": "Raspberry Pi 5\x00", "dev/vcio_gencmd": ""}, firmware, OK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, c.look(machine{Config{Root: lay(t, c.files)}}), c.level, c.found)
		})
	}
}

func TestClock(t *testing.T) {
	for name, c := range map[string]struct {
		now          time.Time
		synchronised bool
		err          error
		level        Level
		found        string
	}{
		"without a battery":    {time.Unix(0, 0), false, nil, Problem, "1970-01-01"},
		"synchronised":         {time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), true, nil, OK, "2026-12-01"},
		"not synchronised":     {time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), false, nil, Warning, "not synchronised"},
		"the kernel is silent": {time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), false, errors.New("denied"), Unknown, "denied"},
	} {
		t.Run(name, func(t *testing.T) {
			m := machine{Config{Now: func() time.Time { return c.now }, Clock: func() (bool, error) { return c.synchronised, c.err }}}
			expect(t, m.clock(t.Context()), c.level, c.found)
		})
	}
	if _, err := ClockSynchronised(); err != nil {
		t.Errorf("this kernel does not tell: %v", err)
	}
}

func TestFolderAndCertificate(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	ca := coordtest.NewAuthority(t).PEM // ends in a day
	m := machine{Config{Folder: folder, CAPEM: ca, Now: time.Now}}
	expect(t, m.folder(t.Context()), Problem, "is not there")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	expect(t, m.folder(t.Context()), Problem, "open to others")
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	expect(t, m.folder(t.Context()), OK, "identity")
	expect(t, m.certificate(t.Context()), Warning, "ends on")
	m.Now = func() time.Time { return time.Now().Add(48 * time.Hour) }
	expect(t, m.certificate(t.Context()), Problem, "ended on")
	m.Now = func() time.Time { return time.Now().Add(-100 * 24 * time.Hour) }
	expect(t, m.certificate(t.Context()), OK, "good until")
	m.CAPEM = "-----BEGIN NONSENSE-----"
	expect(t, m.certificate(t.Context()), Problem, "cannot be read")
	m.CAPEM = ""
	expect(t, m.certificate(t.Context()), Unknown, "enrolment")
	expect(t, m.folder(t.Context()), Problem, "not enrolled")
	if f := m.diskSpace(t.Context()); !strings.Contains(f.Found, "MiB free") {
		t.Errorf("%+v", f)
	}
}

// TestACheckThatHangs: the others are told, in their order.
func TestACheckThatHangs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	defer close(release)
	cancel()
	f := check{"dead disk", func(context.Context) Finding { <-release; return ok("") }}.within(ctx)
	if f.Check != "dead disk" || f.Level != Unknown {
		t.Errorf("%+v, want unknown", f)
	}
	findings := Examine(t.Context(), Config{Root: t.TempDir(), Folder: t.TempDir()})
	if len(findings) != 9 || findings[0].Check != "clock" || findings[8].Check != "memory control" {
		t.Errorf("%+v", findings)
	}
}
