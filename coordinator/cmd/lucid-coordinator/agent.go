package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Timing of the local agent.
const (
	agentRestart  = 2 * time.Second
	agentPatience = 6 * time.Second // to end by itself: it drains for five
	devSampling   = "2s"
)

// findAgent gives the agent's path; "" when none is wanted.
func findAgent(flag string) (string, error) {
	switch flag {
	case "none":
		return "", nil
	case "":
		self, err := os.Executable()
		if err != nil {
			return "", err
		}
		flag = filepath.Join(filepath.Dir(self), "lucid-agent")
	}
	if _, err := os.Stat(flag); err != nil {
		return "", fmt.Errorf("agent: %w; `make build` makes it, --agent none goes without", err)
	}
	return flag, nil
}

// localAgent runs an agent on this machine as a Pi would: enrolled by a file
// with a one-time token, then as a process of its own.
type localAgent struct {
	binary    string // "": no agent
	dir       string
	server    string // broker address, which may be another one than at enrolment
	log       *slog.Logger
	enrolFile func(ctx context.Context) (string, error)
}

// run enrols when needed and keeps the agent running until ctx ends. The error
// is one that another start would not mend.
func (a *localAgent) run(ctx context.Context) error {
	if a.binary == "" {
		<-ctx.Done()
		return nil
	}
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	output, err := os.OpenFile(filepath.Join(a.dir, "agent.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	defer output.Close()
	if err := a.enrol(ctx, output); err != nil {
		return err
	}
	for ctx.Err() == nil {
		err := a.command(ctx, output, "run", "--state-dir", a.state(), "--status-file", filepath.Join(a.dir, "status.json"),
			"--server", a.server, "--sample-interval", devSampling, "--publish-interval", devSampling).Run()
		if ctx.Err() != nil {
			return nil
		}
		a.log.Error("agent ended, starting it again", "error", err, "log", output.Name())
		fmt.Printf("The agent ended (%v) and is started again; see %s\n", err, output.Name())
		select {
		case <-ctx.Done():
		case <-time.After(agentRestart):
		}
	}
	return nil
}

func (a *localAgent) state() string { return filepath.Join(a.dir, "state") }

// enrol leaves an existing identity alone. The file with the token goes away
// once it is used.
func (a *localAgent) enrol(ctx context.Context, output *os.File) error {
	if _, err := os.Stat(filepath.Join(a.state(), "identity.json")); err == nil {
		return nil
	}
	file := filepath.Join(a.dir, "enroll.toml")
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		text, err := a.enrolFile(ctx)
		if err != nil {
			return fmt.Errorf("enrolment token: %w", err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return fmt.Errorf("agent: %w", err)
		}
	}
	enroll := a.command(ctx, nil, "enroll", "--file", file, "--state-dir", a.state())
	enroll.Stdout, enroll.Stderr = output, os.Stderr
	if err := enroll.Run(); err != nil {
		return fmt.Errorf("the agent could not enrol: %w; delete %s to try with a new token", err, file)
	}
	return os.Remove(file)
}

// command gets a SIGTERM when ctx ends, so that the agent says goodbye.
func (a *localAgent) command(ctx context.Context, output *os.File, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, a.binary, args...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = agentPatience
	// A Ctrl-C reaches the whole process group; the agent's turn comes by Cancel.
	// If this process is killed, the agent goes with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	return cmd
}
