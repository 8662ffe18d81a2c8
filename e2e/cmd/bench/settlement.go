package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"lucid.internal/e2e/harness"
)

const (
	settledPools  = 10_000 // of 100 nodes each
	maxSettlement = 3      // times the reference
)

// settled is what the coordinator's BenchmarkSettlement reports.
type settled struct{ rate, rows, rowRate, times float64 }

// measureSettlement runs the epoch room's own benchmark: enrolling a million
// nodes and waiting an hour for their epoch would measure something else.
func measureSettlement(ctx context.Context, _ options, _ harness.Binaries, _ string) ([]figure, error) {
	root, err := harness.Repository()
	if err != nil {
		return nil, err
	}
	args := []string{"test", "./internal/epoch", "-run", "^$", "-bench", "^BenchmarkSettlement$", "-benchtime", "1x", "-timeout", "2h",
		"-settled-pools", strconv.Itoa(settledPools)}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(root, "coordinator")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go %s in %s: %w\n%s", strings.Join(args, " "), cmd.Dir, err, out)
	}
	s, err := parseSettlement(string(out))
	if err != nil {
		return nil, err
	}
	return []figure{s.figure()}, nil
}

func (s settled) figure() figure {
	const nodes = 100 * settledPools
	return figure{
		Name:      fmt.Sprintf("epoch settlement of %s nodes in %s pools", thousands(nodes), thousands(settledPools)),
		Measured:  fmt.Sprintf("%.0f s, %s nodes/s (%.1f x the reference)", nodes/s.rate, thousands(s.rate), s.times),
		Reference: fmt.Sprintf("INSERT ... SELECT of the %s rows that it wrote: %.0f s", thousands(s.rows), s.rows/s.rowRate),
		Target:    fmt.Sprintf("<= %d x the reference; sums exact to the micro-USDT", maxSettlement),
		Met:       judged(s.times <= maxSettlement), // with a wrong sum there is no figure
		Command:   "go run ./cmd/bench -only settlement",
	}
}

// parseSettlement takes the figures out of what go test prints.
func parseSettlement(text string) (settled, error) {
	for line := range strings.Lines(text) {
		if name, by := parseFigures(line); name == "BenchmarkSettlement" {
			s := settled{by["nodes/s"], by["rows"], by["reference-rows/s"], by["x-of-INSERT-SELECT"]}
			if s.rate > 0 && s.rows > 0 && s.rowRate > 0 && s.times > 0 {
				return s, nil
			}
		}
	}
	return settled{}, errors.New("no figures of BenchmarkSettlement in\n" + text)
}
