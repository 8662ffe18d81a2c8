package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lucid.internal/e2e/harness"
)

// enrolSteps are the calls by which the one-shot changes a disk or reaches the
// coordinator: a power cut is tried at the first, second, ... of each in a thread,
// which is how strace counts. (TestCrashAtEveryStep of the agent's package
// identity counts what it does to the disk, whatever the threads.)
var enrolSteps = []string{"mkdirat", "openat", "write", "fsync", "renameat", "unlinkat", "connect"}

// TestEnrolmentFromABootPartition provisions a fleet, lays each device's folder
// on a FAT image, and enrols from a copy of it as lucid-enroll does, with the
// process killed at each step and started again. (The kernels of most test
// machines cannot mount an image, hence the copies.)
func TestEnrolmentFromABootPartition(t *testing.T) {
	for _, program := range []string{"mformat", "mcopy", "strace"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("NOT TESTED: %s is missing; sh scripts/setup.sh --long installs it", program)
		}
	}
	l := start(t, harness.Options{})
	const devices = 120
	dir := t.TempDir()
	fleet, out := filepath.Join(dir, "fleet.csv"), filepath.Join(dir, "out")
	text := "name\n"
	for n := range devices {
		text += fmt.Sprintf("boot-%02d\n", n)
	}
	if err := os.WriteFile(fleet, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Run(t.Context(), "provision", "--data", l.Data, "--fleet", fleet, "--out", out); err != nil {
		t.Fatal(err)
	}
	enrolled := 0
	for _, step := range enrolSteps {
		cuts := 0
		for cut := true; cut && enrolled < devices; enrolled++ {
			b := layCard(t, filepath.Join(out, fmt.Sprintf("boot-%02d", enrolled)))
			if cut = b.enrolCutAt(step, cuts+1); cut {
				cuts++
			}
			b.enrol() // the Pi starts again
			b.wantEnrolled()
		}
		t.Logf("cut at %d calls of %s", cuts, step)
		if cuts == 0 {
			t.Errorf("never cut at %s", step)
		}
	}
	if enrolled == devices {
		t.Errorf("%d devices were too few to try every step", devices)
	}
	var list struct {
		Nodes []struct {
			Name string `json:"name"`
		} `json:"nodes"`
	}
	if err := l.GetJSON(t.Context(), "/api/v1/nodes/?limit=100", &list); err != nil || len(list.Nodes) != enrolled {
		t.Errorf("%d nodes for %d devices: %v", len(list.Nodes), enrolled, err)
	}
}

// TestEnrolmentFromABootPartitionIsTriedAgain holds lucid-enroll to what the program
// ends with: systemd tries again after a crash of it, for a Pi without a screen
// has nobody else to do that, and not with a file that is wrong.
func TestEnrolmentFromABootPartitionIsTriedAgain(t *testing.T) {
	unit, err := os.ReadFile("../systemd/lucid-enroll.service")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(unit), "\nRestartPreventExitStatus=")
	list, _, _ = strings.Cut(list, "\n")
	boot := t.TempDir()
	if err := os.Mkdir(filepath.Join(boot, "lucid"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(boot, "lucid", "enroll.toml"), []byte("token = \"t\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		shell, says string
		again       bool
	}{
		{`exec "$@"`, "wrong enrolment file: ", false},
		{`ulimit -v 100000; exec "$@"`, "fatal error: ", true}, // memory runs out
	} {
		args := append([]string{"-c", c.shell, "sh"}, (&card{t: t, state: t.TempDir()}).arguments(boot)...)
		out, err := exec.CommandContext(within(t, patience), "sh", args...).CombinedOutput()
		ended, failed := errors.AsType[*exec.ExitError](err)
		if !failed || !strings.Contains(string(out), c.says) {
			t.Fatalf("%s: %v, want %s\n%s", c.shell, err, c.says, out)
		}
		if again := !slices.Contains(strings.Fields(list), fmt.Sprint(ended.ExitCode())); again != c.again {
			t.Errorf("%s: exit status %d, tried again: %t", c.says, ended.ExitCode(), again)
		}
	}
}

// card is a Pi's boot partition as an image, and the Pi's own disk.
type card struct {
	t            *testing.T
	image, state string
}

// layCard makes an image with what a provisioned folder holds.
func layCard(t *testing.T, folder string) *card {
	t.Helper()
	dir := t.TempDir()
	c := &card{t: t, image: filepath.Join(dir, "boot.img"), state: filepath.Join(dir, "state")}
	c.run("mformat", "-C", "-i", c.image, "-T", "8192", "::")
	c.run("mcopy", "-i", c.image, "-s", filepath.Join(folder, "lucid"), "::")
	return c
}

func (c *card) run(program string, args ...string) {
	c.t.Helper()
	if out, err := exec.CommandContext(c.t.Context(), program, args...).CombinedOutput(); err != nil {
		c.t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
}

// mounted runs do with the partition's files in a folder, and puts them back on
// the image: what is gone from the folder is gone from the card.
func (c *card) mounted(do func(boot string)) {
	c.t.Helper()
	boot := c.t.TempDir()
	c.run("mcopy", "-i", c.image, "-s", "::lucid", boot)
	do(boot)
	c.run("mdeltree", "-i", c.image, "::lucid")
	c.run("mcopy", "-i", c.image, "-s", filepath.Join(boot, "lucid"), "::")
}

func (c *card) arguments(boot string) []string {
	return []string{binaries.Agent, "enroll", "--boot", boot, "--state-dir", c.state}
}

// enrolCutAt kills the one-shot at its n-th call of that kind, if it gets there.
func (c *card) enrolCutAt(step string, n int) (cut bool) {
	c.t.Helper()
	c.mounted(func(boot string) {
		args := append([]string{"-f", "-qq", "-o", os.DevNull, "-e", "trace=" + step, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", step, n), "-E", "GOMAXPROCS=1"},
			c.arguments(boot)...)
		out, err := exec.CommandContext(within(c.t, patience), "strace", args...).CombinedOutput()
		exit, ended := err.(*exec.ExitError)
		if cut = ended && !exit.Success(); err != nil && !cut {
			c.t.Fatalf("strace: %v\n%s", err, out)
		}
		if cut && strings.Contains(string(out), "lucid-agent enroll:") {
			c.t.Fatalf("it was not killed, but failed: %s", out)
		}
	})
	return cut
}

func (c *card) enrol() {
	c.t.Helper()
	c.mounted(func(boot string) {
		args := c.arguments(boot)
		if out, err := exec.CommandContext(within(c.t, patience), args[0], args[1:]...).CombinedOutput(); err != nil {
			c.t.Fatalf("after the cut: %v\n%s", err, out)
		}
	})
}

// wantEnrolled: the token has left the card, and the owner reads how it went.
func (c *card) wantEnrolled() {
	c.t.Helper()
	c.mounted(func(boot string) {
		if _, err := os.Stat(filepath.Join(boot, "lucid", "enroll.toml")); !os.IsNotExist(err) {
			c.t.Errorf("the token is still on the card: %v", err)
		}
		status, err := os.ReadFile(filepath.Join(boot, "lucid", "enroll.status"))
		if err != nil || !regexp.MustCompile(`^enrolled as node_[0-9a-z]+: nothing is left to do here, and the agent proves itself once it runs\n$`).Match(status) {
			c.t.Errorf("enroll.status says %q, %v", status, err)
		}
	})
}
