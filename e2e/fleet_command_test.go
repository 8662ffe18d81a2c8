package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lucid.internal/e2e/fleet"
	"lucid.internal/e2e/harness"
)

// TestFleetCommand runs the simulator as a person does, over TLS, and ends it
// early by Ctrl-C: it still compares. Then it is told to compare with another
// database, in which everything is missing, and fails; as it does where its nodes
// reach nobody.
func TestFleetCommand(t *testing.T) {
	l := start(t, harness.Options{Env: []string{"LUCID_POOT_DIFFICULTY=4"}})
	binary := filepath.Join(dataDir(t), "lucid-fleet")
	if err := harness.BuildTool(within(t, patience), "./cmd/fleet", binary); err != nil {
		t.Fatal(err)
	}
	url, err := l.Database().URL()
	if err != nil {
		t.Fatal(err)
	}
	report, err := l.runFleet(binary, url)
	if err != nil {
		t.Fatal(err)
	}
	total := report.Total()
	if total.Acked == 0 || total.Missing+total.Twice != 0 || report.Delayed == 0 || report.PeakConnections < 6 || report.Connections < 7 || len(report.Groups) != 2 {
		t.Errorf("%+v of %+v", total, report)
	}
	const empty = "CREATE DATABASE elsewhere TEMPLATE template0"
	if err := l.Database().Exec(within(t, patience), empty); err != nil {
		t.Fatal(err)
	}
	elsewhere := strings.Replace(url, "/lucid?", "/elsewhere?", 1)
	if _, err := l.Run(within(t, patience), "migrate", "--data", dataDir(t), "--database-url", elsewhere); err != nil {
		t.Fatal(err)
	}
	report, err = l.runFleet(binary, elsewhere)
	exit, failed := errors.AsType[*exec.ExitError](err)
	if !failed || exit.ExitCode() != 1 {
		t.Fatalf("everything is missing, and it ended with %v", err)
	}
	if total := report.Total(); total.Missing == 0 || total.Missing != total.Acked {
		t.Errorf("of %d acknowledged samples %d are said to be missing", total.Acked, total.Missing)
	}
	nobody, err := harness.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	out, err := l.fleetCommand(binary, url, "--plain", nobody, "--duration", "200ms").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no sample was acknowledged") || !strings.Contains(string(out), "of 6 nodes at most 0 were connected") {
		t.Errorf("its nodes reached nobody, and it ended with %v:\n%s", err, out)
	}
}

// fleetCommand is the command with a fleet of six, and more flags.
func (l *lab) fleetCommand(binary, database string, more ...string) *exec.Cmd {
	l.t.Helper()
	file, err := l.NewToken(within(l.t, patience), "")
	if err != nil {
		l.t.Fatal(err)
	}
	key, err := os.ReadFile(l.AdminKeyFile())
	if err != nil {
		l.t.Fatal(err)
	}
	flags := []string{"--api", l.URL(), "--token", strings.TrimSpace(string(key)), "--enrolment-key", file.EnrolmentKey, "--database", database,
		"--nodes", "6", "--cheat", "clone=1", "--sample-interval", "100ms", "--publish-interval", "200ms"}
	return exec.CommandContext(within(l.t, patience), binary, append(flags, more...)...)
}

// runFleet runs the command until samples of each of its nodes were stored, the
// clone's two machines counted as two, then sends it a Ctrl-C.
func (l *lab) runFleet(binary, database string) (*fleet.Report, error) {
	l.t.Helper()
	cmd := l.fleetCommand(binary, database, "--json", "--duration", "1h", "--delays", "1", "--max-delay", "300ms")
	var out, progress bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &progress
	const runs = "SELECT count(DISTINCT run_no) FROM sample"
	before := l.count(runs)
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	defer func() { // when a wait below failed the test
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	l.await(within(l.t, patience), "samples of everybody", func(ctx context.Context) error {
		n := l.count(runs)
		return unless(n >= before+7, "of %d runs, of %d before", n, before)
	})
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		l.t.Fatal(err)
	}
	ended := cmd.Wait()
	report := new(fleet.Report)
	if err := json.Unmarshal(out.Bytes(), report); err != nil {
		l.t.Fatalf("%v, %v:\n%s\n%s", ended, err, &out, &progress)
	}
	return report, ended
}
