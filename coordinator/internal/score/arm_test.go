package score_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestYearOnARM64 computes the pinned year by instructions of an arm64, each of
// them emulated: integers are to give the same there to the last digit.
func TestYearOnARM64(t *testing.T) {
	if os.Getenv("TEST_LONG") == "" {
		t.Skip("builds for another processor and emulates it: TEST_LONG=1 runs it")
	}
	emulator, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		t.Skip("qemu-aarch64-static is missing: sh scripts/setup.sh --long installs it")
	}
	program := filepath.Join(t.TempDir(), "score.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, ".")
	build.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), emulator, program, "-test.run", "^TestYearHasTheSameScoresEverywhere$", "-test.v").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestYearHasTheSameScoresEverywhere") {
		t.Errorf("%v\n%s", err, out)
	}
}
