package score_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/db"
)

// storedYear names the database of a stored year to a test of another
// processor.
const storedYear = "LUCID_TEST_STORED_YEAR"

// TestYearOnARM64 computes the pinned year, and one that was stored here, by
// instructions of an arm64, each of them emulated: integers are to give the same
// there to the last digit.
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
	f := newFleet(t, nil)
	f.storeYear()
	run := exec.CommandContext(t.Context(), emulator, program, "-test.run", "^TestYearHasTheSameScoresEverywhere$|^TestStoredYearOfAnotherProcessor$", "-test.v")
	run.Env = append(os.Environ(), storedYear+"="+f.pool.Config().ConnString())
	out, err := run.CombinedOutput()
	for _, passed := range []string{"--- PASS: TestYearHasTheSameScoresEverywhere", "--- PASS: TestStoredYearOfAnotherProcessor"} {
		if err != nil || !strings.Contains(string(out), passed) {
			t.Fatalf("%v, no %q:\n%s", err, passed, out)
		}
	}
}

// TestStoredYearOfAnotherProcessor replays the year of a database that a test on
// another processor filled, and compares with the scores that were stored there.
func TestStoredYearOfAnotherProcessor(t *testing.T) {
	url := os.Getenv(storedYear)
	if url == "" {
		t.Skip("is run by TestYearOnARM64")
	}
	pool, err := db.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	f := fleetIn(t, pool, nil)
	f.replayStored(value[int32](f, "SELECT max(node_no) FROM verdict"))
}
