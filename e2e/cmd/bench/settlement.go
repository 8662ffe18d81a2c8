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

// settledPools is how many pools of 100 nodes each are settled: that time grows
// as they do shows beside each other.
var settledPools = []int{100, 1_000, 10_000}

const (
	maxSettlement = 3 // times the reference
	// maxSettlementGrowth is how much more memory than the step before, a tenth
	// of its nodes, the last one may take: what is bounded does not grow along.
	maxSettlementGrowth = 2
)

// settled is what the coordinator's BenchmarkSettlement reports.
type settled struct {
	nodes                              int
	rate, rows, rowRate, times, memory float64
	before                             float64 // memory of the step before, where it has to be bounded by it; else 0
}

// measureSettlement runs the epoch room's own benchmark: enrolling a million
// nodes and waiting an hour for their epoch would measure something else.
func measureSettlement(ctx context.Context, _ options, _ harness.Binaries, _ string) ([]figure, error) {
	root, err := harness.Repository()
	if err != nil {
		return nil, err
	}
	var all []figure
	var last settled
	for i, pools := range settledPools {
		s, err := settlePools(ctx, filepath.Join(root, "coordinator"), pools)
		if err != nil {
			return nil, err
		}
		if i == len(settledPools)-1 {
			s.before = last.memory
		}
		last = s
		all = append(all, s.figure())
	}
	return all, nil
}

// settlePools runs the benchmark with as many pools.
func settlePools(ctx context.Context, dir string, pools int) (settled, error) {
	args := []string{"test", "./internal/epoch", "-run", "^$", "-bench", "^BenchmarkSettlement$", "-benchtime", "1x", "-timeout", "2h",
		"-settled-pools", strconv.Itoa(pools)}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return settled{}, fmt.Errorf("go %s in %s: %w\n%s", strings.Join(args, " "), cmd.Dir, err, out)
	}
	s, err := parseSettlement(string(out))
	s.nodes = 100 * pools
	return s, err
}

func (s settled) figure() figure {
	target, met := fmt.Sprintf("<= %d x the reference; sums exact to the micro-USDT", maxSettlement), s.times <= maxSettlement
	if s.before > 0 {
		target += fmt.Sprintf("; <= %d x the memory of a tenth of the nodes", maxSettlementGrowth)
		met = met && s.memory <= maxSettlementGrowth*s.before
	}
	return figure{
		Name:      fmt.Sprintf("epoch settlement of %s nodes in %s pools", thousands(float64(s.nodes)), thousands(float64(s.nodes/100))),
		Measured:  fmt.Sprintf("%.1f s, %s nodes/s, %.0f MB (%.1f x the reference)", float64(s.nodes)/s.rate, thousands(s.rate), s.memory, s.times),
		Reference: fmt.Sprintf("INSERT ... SELECT of the %s rows that it wrote: %.1f s", thousands(s.rows), s.rows/s.rowRate),
		Target:    target,
		Met:       judged(met), // with a wrong sum there is no figure
		Command:   "go run ./cmd/bench -only settlement",
	}
}

// parseSettlement takes the figures out of what go test prints.
func parseSettlement(text string) (settled, error) {
	for line := range strings.Lines(text) {
		if name, by := parseFigures(line); name == "BenchmarkSettlement" {
			s := settled{rate: by["nodes/s"], rows: by["rows"], rowRate: by["reference-rows/s"], times: by["x-of-INSERT-SELECT"], memory: by["MB"]}
			if s.rate > 0 && s.rows > 0 && s.rowRate > 0 && s.times > 0 && s.memory > 0 {
				return s, nil
			}
		}
	}
	return settled{}, errors.New("no figures of BenchmarkSettlement in\n" + text)
}
