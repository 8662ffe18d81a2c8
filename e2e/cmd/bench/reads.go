package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"lucid.internal/e2e/harness"
)

const (
	readRequests = "20000x" // of each read, and as many of the reference in turns with them

	minReadsPerSecond = 20_000
	minReadShare      = 50 // percent of SELECT 1
	maxReadP99Ms      = 10
)

// read is what the coordinator's BenchmarkLoad reports of one operation.
type read struct {
	name               string
	rate, share, p99Ms float64
}

// measureReads runs the coordinator's own benchmark of its API: SELECT 1
// through the same server needs an operation that the program does not have.
func measureReads(ctx context.Context, _ options, _ harness.Binaries, _ string) ([]figure, error) {
	root, err := harness.Repository()
	if err != nil {
		return nil, err
	}
	args := []string{"test", "./internal/api", "-run", "^$", "-bench", "^BenchmarkLoad$", "-benchtime", readRequests}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(root, "coordinator")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go %s in %s: %w\n%s", strings.Join(args, " "), cmd.Dir, err, out)
	}
	reads := parseReads(string(out))
	if len(reads) == 0 {
		return nil, fmt.Errorf("no figures in\n%s", out)
	}
	var figures []figure
	for _, r := range reads {
		figures = append(figures, r.figure())
	}
	return figures, nil
}

// figure judges the reads that targets were set for; the others stand beside them.
func (r read) figure() figure {
	f := figure{
		Name:      "API: " + r.name + ", 10,000 nodes, 64 connections",
		Measured:  fmt.Sprintf("%s requests/s, p99 %.1f ms", thousands(r.rate), r.p99Ms),
		Reference: fmt.Sprintf("%.0f %% of SELECT 1 through the same server, in turns", r.share),
		Target:    "-", Command: "go run ./cmd/bench -only reads",
	}
	if slices.Contains([]string{"nodes", "node", "status", "score", "resources"}, r.name) {
		f.Target = fmt.Sprintf(">= %s/s, >= %d %%, p99 < %d ms", thousands(minReadsPerSecond), minReadShare, maxReadP99Ms)
		f.Met = judged(r.rate >= minReadsPerSecond && r.share >= minReadShare && r.p99Ms < maxReadP99Ms)
	}
	return f
}

// parseReads takes the figures out of what go test prints.
func parseReads(text string) (reads []read) {
	for line := range strings.Lines(text) {
		name, by := parseFigures(line)
		name, is := strings.CutPrefix(name, "BenchmarkLoad/")
		if !is {
			continue
		}
		reads = append(reads, read{name, by["requests/s"], by["%-of-SELECT-1"], by["p99-ms"]})
	}
	return reads
}

// parseFigures reads a line of go test: which benchmark, without the number of
// cores behind it, and its figures by their unit.
func parseFigures(line string) (name string, by map[string]float64) {
	fields := strings.Fields(line)
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "Benchmark") {
		return "", nil
	}
	name = fields[0]
	if i := strings.LastIndexByte(name, '-'); i >= 0 {
		name = name[:i]
	}
	by = make(map[string]float64)
	for i := 2; i+1 < len(fields); i += 2 {
		value, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			break
		}
		by[fields[i+1]] = value
	}
	return name, by
}
