package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"lucid.internal/e2e/harness"
)

const maxPlanMs = 1000

// planned is what the coordinator's benchmarks of a full batch report, in ms.
type planned struct{ plan, read float64 }

// measurePayouts runs the payout room's own benchmarks: a plan of 1,000 payouts,
// and a read of the same rows without any rule.
func measurePayouts(ctx context.Context, _ options, _ harness.Binaries, _ string) ([]figure, error) {
	root, err := harness.Repository()
	if err != nil {
		return nil, err
	}
	args := []string{"test", "./internal/payout", "-run", "^$", "-bench", "^Benchmark(Plan|Read)OfThousand$", "-benchtime", "50x"}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(root, "coordinator")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go %s in %s: %w\n%s", strings.Join(args, " "), cmd.Dir, err, out)
	}
	p, err := parsePlanned(string(out))
	return []figure{p.figure()}, err
}

func (p planned) figure() figure {
	return figure{
		Name:      "plan of 1,000 payouts",
		Measured:  fmt.Sprintf("%.1f ms (%.0f x the reference)", p.plan, p.plan/p.read),
		Reference: fmt.Sprintf("reading their nodes and balances: %.1f ms", p.read),
		Target:    fmt.Sprintf("< %d ms", maxPlanMs),
		Met:       judged(p.plan < maxPlanMs),
		Command:   "go run ./cmd/bench -only payouts",
	}
}

// parsePlanned takes the figures out of what go test prints.
func parsePlanned(text string) (p planned, err error) {
	for line := range strings.Lines(text) {
		switch name, by := parseFigures(line); name {
		case "BenchmarkPlanOfThousand":
			p.plan = by["ns/op"] / 1e6
		case "BenchmarkReadOfThousand":
			p.read = by["ns/op"] / 1e6
		}
	}
	if p.plan <= 0 || p.read <= 0 {
		return planned{}, errors.New("no figures of both benchmarks in\n" + text)
	}
	return p, nil
}
