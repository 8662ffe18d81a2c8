package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"lucid.internal/e2e/harness"
)

// unenroll is the command on the machine of an agent, maybe under another
// program.
func (a *agentProcess) unenroll(ctx context.Context, under ...string) (said string, code int) {
	a.t.Helper()
	args := append(under, binaries.Agent, "unenroll", "--state-dir", a.dir+"/state")
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Env = harness.Environ()
	out, err := command.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		a.t.Fatal(err)
	}
	return string(out), command.ProcessState.ExitCode()
}

func (a *agentProcess) wantUnenrolled(ctx context.Context, want string, wantCode int, under ...string) {
	a.t.Helper()
	if said, code := a.unenroll(ctx, under...); code != wantCode || !strings.Contains(said, want) {
		a.t.Fatalf("unenroll ends with %d and says %q, want %d and %q", code, said, wantCode, want)
	}
}

func (a *agentProcess) wantEnrolled(want bool) {
	a.t.Helper()
	if _, err := os.Stat(a.dir + "/state/identity.json"); (err == nil) != want {
		a.t.Fatalf("the identity: %v", err)
	}
}

// wantEnded is an agent that ends by itself, with the code at which systemd does
// not start it again, and says once why and what to do.
func (a *agentProcess) wantEnded() {
	a.t.Helper()
	giveUp := time.AfterFunc(patience, func() { _ = a.cmd.Process.Kill() })
	defer giveUp.Stop()
	_ = a.cmd.Wait() // its exit code is looked at
	said := a.log.String()
	if code := a.cmd.ProcessState.ExitCode(); code != 4 || strings.Count(said, "is no longer this machine's node, its agent ends") != 1 ||
		!strings.Contains(said, "run: lucid-agent enroll --file enroll.toml") {
		a.t.Fatalf("the agent ends with %d, want 4, and says:\n%s", code, said)
	}
}

// TestMachineGivesItsNodeUp tells a coordinator that is down, one that is up
// while the agent runs, with the process killed between its answer and the
// removal, sees the agent end by itself, and enrols the machine again.
func TestMachineGivesItsNodeUp(t *testing.T) {
	// Nobody earns: who has, and names no payout address, is not let go.
	l := start(t, harness.Options{Data: dataDir(t), Args: []string{"--poot-interval", "2s", "--reward", "0"}})
	ctx := within(t, manyWaits)
	a := l.agent(ctx, "pool_default")
	l.awaitProof(ctx, 1)

	l.Kill()
	a.wantUnenrolled(ctx, "the identity is still here: run it again", 1)
	a.wantEnrolled(true)
	l.restart()
	l.awaitProof(ctx, 1)

	if _, err := exec.LookPath("strace"); err != nil {
		t.Log("NOT TESTED: a kill between answer and removal, because strace is missing; sh scripts/setup.sh --long installs it")
	} else {
		a.wantUnenrolled(ctx, "", -1, "strace", "-f", "-qq", "-o", os.DevNull, "-e", "trace=unlinkat", "-e", "inject=unlinkat:signal=KILL:when=1")
		a.wantEnrolled(true)
		if n := l.count("SELECT count(*) FROM node WHERE deleted_at IS NULL"); n != 0 {
			t.Fatalf("%d nodes after it was told", n)
		}
	}
	a.wantUnenrolled(ctx, " is given up", 0)
	a.wantEnrolled(false)
	a.wantUnenrolled(ctx, "nothing to give up", 0)
	l.await(ctx, "the connection of the agent that still runs to be closed", func(ctx context.Context) error {
		n, err := l.Database().Int64(ctx, "SELECT count(*) FROM node WHERE online")
		return errors.Join(err, unless(n == 0, "it is online"))
	})
	for what, sql := range map[string]string{
		"living keys":   "SELECT count(*) FROM node_key WHERE retired_at IS NULL OR rotated",
		"living nodes":  "SELECT count(*) FROM node WHERE deleted_at IS NULL",
		"other actors":  "SELECT count(*) FROM audit_entry WHERE action = 'node.unenroll' AND actor <> 'device'",
		"other entries": "SELECT count(*) - 1 FROM audit_entry WHERE action = 'node.unenroll'",
	} {
		if n := l.count(sql); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}

	a.wantEnded()
	a.enrol(ctx, l, "--pool", "pool_default")
	a.start()
	l.awaitProof(ctx, 1)
	if n := l.count("SELECT count(*) FROM node"); n != 2 {
		t.Errorf("%d nodes, want the one given up and the new one", n)
	}
}
