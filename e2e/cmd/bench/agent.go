package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"lucid.internal/e2e/harness"
)

// Shape of the agent figure.
const (
	sampleEvery  = 10 * time.Second
	publishEvery = time.Minute
	settle       = 30 * time.Second // after the first acknowledged sample
	// challengeEvery is serve's mean gap: dev's would make the puzzles most of
	// the agent's work.
	challengeEvery = 300 * time.Second
)

// Targets of the agent.
const (
	maxResident   = 10 << 20
	maxCPUPercent = 0.1
	maxBinary     = 9_000_000
)

// measureAgent watches the agent and the reference at the same time, each on
// its own, at the same rhythm: one samples, the other is scraped.
func measureAgent(ctx context.Context, o options, binaries harness.Binaries, dir string) (figures []figure, err error) {
	c, err := harness.Start(harness.Options{
		Binaries: binaries, Data: filepath.Join(dir, "agent"), Args: []string{"--poot-interval", challengeEvery.String()},
	})
	if err != nil {
		return nil, err
	}
	defer c.Kill()
	if err := c.AwaitReady(ctx); err != nil {
		return nil, err
	}
	if err := enrolAgent(ctx, c, binaries.Agent, dir); err != nil {
		return nil, err
	}
	first, err := firstSampleFigure(ctx, o, binaries.Agent, dir)
	if err != nil {
		return nil, err
	}
	before, err := sampleCount(ctx, c)
	if err != nil {
		return nil, err
	}
	agent := agentCmd(binaries.Agent, dir)
	if err := agent.Start(); err != nil {
		return nil, err
	}
	defer os.Remove(statusFile(dir))
	defer end(agent)
	exporter, absent := startExporter(ctx, dir)
	if absent == nil {
		defer end(exporter.cmd)
	}
	log.Print("agent footprint: waiting for the first sample ...")
	if err := awaitSample(ctx, c, before); err != nil {
		return nil, err
	}
	if err := exporter.scrapeFor(ctx, settle); err != nil {
		return nil, err
	}
	log.Printf("agent footprint: watching for %s ...", o.watch)
	mine, other, err := watch(ctx, o, agent.Process.Pid, exporter)
	if err != nil {
		return nil, err
	}
	reference := fmt.Sprintf("none: %v", absent)
	if absent == nil {
		reference = "prometheus-node-exporter scraped every 10 s: " + other.String()
	}
	size, err := sizeFigure(o, binaries.Agent, exporter)
	if err != nil {
		return nil, err
	}
	return []figure{first, footprintFigure(o, mine, reference), size}, nil
}

func footprintFigure(o options, mine harness.Used, reference string) figure {
	return figure{
		Name:      fmt.Sprintf("agent, all collectors, TLS, sample every %s, publish every %s, challenged every %s, online", sampleEvery, publishEvery, challengeEvery),
		Measured:  mine.String(),
		Reference: reference,
		Target:    "resident <= 10 MiB, CPU <= 0.1 % of a core, 0 bytes written",
		Met:       judged(mine.RSS <= maxResident && mine.CPUPercent <= maxCPUPercent && mine.WriteBytes == 0),
		Command:   agentCommand(o),
	}
}

func sizeFigure(o options, path string, exporter *exporter) (figure, error) {
	binary, err := os.Stat(path)
	if err != nil {
		return figure{}, err
	}
	return figure{
		Name: "agent, stripped static binary", Measured: fmt.Sprintf("%.2f MB", float64(binary.Size())/1e6),
		Reference: exporter.size(), Target: "<= 9 MB", Met: judged(binary.Size() <= maxBinary), Command: agentCommand(o),
	}, nil
}

func watch(ctx context.Context, o options, pid int, exporter *exporter) (mine, other harness.Used, err error) {
	before, err := harness.Look(pid)
	otherBefore, err2 := exporter.look()
	if err := errors.Join(err, err2); err != nil {
		return mine, other, err
	}
	if err := exporter.scrapeFor(ctx, o.watch); err != nil {
		return mine, other, err
	}
	after, err := harness.Look(pid)
	otherAfter, err2 := exporter.look()
	if err := errors.Join(err, err2); err != nil {
		return mine, other, err
	}
	mine = harness.Between(before, after)
	if exporter != nil {
		other = harness.Between(otherBefore, otherAfter)
	}
	return mine, other, nil
}

// statusFile lies in memory, as under /run on a Pi.
func statusFile(dir string) string {
	return filepath.Join("/dev/shm", filepath.Base(dir)+"-status.json")
}

// enrolAgent enrols the agent as an owner does.
func enrolAgent(ctx context.Context, c *harness.Coordinator, binary, dir string) error {
	ticket, err := c.Run(ctx, "token", "create", "--data", c.Data, "--pool", "pool_default")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "enroll.toml")
	if err := os.WriteFile(file, []byte(ticket), 0o600); err != nil {
		return err
	}
	enroll := exec.CommandContext(ctx, binary, "enroll", "--file", file, "--state-dir", stateDir(dir))
	enroll.Env = harness.Environ()
	if out, err := enroll.CombinedOutput(); err != nil {
		return fmt.Errorf("lucid-agent enroll: %w\n%s", err, out)
	}
	return nil
}

func stateDir(dir string) string { return filepath.Join(dir, "agent-state") }

// agentCmd runs the agent that was enrolled.
func agentCmd(binary, dir string) *exec.Cmd {
	cmd := exec.Command(binary, "run", "--state-dir", stateDir(dir), "--status-file", statusFile(dir),
		"--sample-interval", sampleEvery.String(), "--publish-interval", publishEvery.String())
	cmd.Env = harness.Environ()
	cmd.Stderr = os.Stderr
	return cmd
}

func sampleCount(ctx context.Context, c *harness.Coordinator) (int64, error) {
	return c.Database().Int64(ctx, "SELECT count(*) FROM sample")
}

// awaitSample waits until there are more samples than before.
func awaitSample(ctx context.Context, c *harness.Coordinator, before int64) error {
	ctx, cancel := context.WithTimeout(ctx, 3*publishEvery)
	defer cancel()
	return harness.Until(ctx, "the agent's first sample", func(ctx context.Context) error {
		n, err := sampleCount(ctx, c)
		if err == nil && n == before {
			err = errors.New("none")
		}
		return err
	})
}

// end asks a process to go, and waits.
func end(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(os.Interrupt)
	timer := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Wait()
}

func agentCommand(o options) string {
	return fmt.Sprintf("go run ./cmd/bench -only agent -watch %s", o.watch)
}
