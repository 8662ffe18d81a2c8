package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lucid.internal/e2e/harness"
)

// TestAgentOnARM runs the agent as it is built for Raspberry Pis, every
// instruction of it emulated: doctor, then enrolment, samples and a proof
// with a coordinator.
func TestAgentOnARM(t *testing.T) {
	if os.Getenv("TEST_LONG") == "" {
		t.Skip("builds for two more processors and emulates them: TEST_LONG=1 runs it")
	}
	for name, c := range map[string]struct {
		emulator string
		goarch   string
		environ  []string
	}{
		"arm64": {"qemu-aarch64-static", "arm64", nil},
		"armv6": {"qemu-arm-static -cpu arm1176", "arm", []string{"GOARM=6"}}, // the first Pi's processor: knows no ARMv7
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(strings.Fields(c.emulator)[0]); err != nil {
				t.Skipf("%s is missing: sh scripts/setup.sh --long installs it", c.emulator)
			}
			dir := dataDir(t)
			program := filepath.Join(dir, "lucid-agent.bin")
			if err := harness.BuildAgent(t.Context(), program, append(c.environ, "GOARCH="+c.goarch)...); err != nil {
				t.Fatal(err)
			}
			agent := filepath.Join(dir, "lucid-agent")
			if err := os.WriteFile(agent, []byte("#!/bin/sh\nexec "+c.emulator+" "+program+" \"$@\"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(within(t, patience), agent, "version").CombinedOutput()
			if want := " linux/" + c.goarch + " go"; err != nil || !strings.Contains(string(out), want) {
				t.Fatalf("version: %v\n%s, want %q", err, out, want)
			}
			out, err = exec.CommandContext(within(t, patience), agent, "doctor", "--state-dir", dir).CombinedOutput()
			if exit, ran := err.(*exec.ExitError); !ran || exit.ExitCode() != 1 {
				t.Fatalf("doctor on a machine that is not enrolled: %v\n%s", err, out)
			}
			with := binaries
			with.Agent = agent
			l := startWith(t, with, harness.Options{Agent: true, Args: []string{"--poot-interval", "5s"}})
			for _, line := range []string{`node .* online`, `sample .* memory`, `proof .* valid`} {
				if _, err := l.AwaitLine(within(t, patience), line); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
