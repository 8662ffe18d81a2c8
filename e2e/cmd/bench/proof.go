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

const minProofShare = 60 // percent of raw HMAC

// measureProof runs the proof's own benchmark: what checking a response takes,
// beside the HMACs that it cannot do without.
func measureProof(ctx context.Context, _ options, _ harness.Binaries, _ string) ([]figure, error) {
	root, err := harness.Repository()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "./proof", "-run", "^$", "-bench", "^BenchmarkVerify$/^(response|raw-hmac)$", "-cpu", "1")
	cmd.Dir = filepath.Join(root, "shared")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test in %s: %w\n%s", cmd.Dir, err, out)
	}
	check, raw, err := parseVerify(string(out))
	if err != nil {
		return nil, err
	}
	share := 100 * raw / check
	return []figure{{
		Name:      "proof verification, k = 8, one core",
		Measured:  fmt.Sprintf("%s responses/s (%.0f %% of the reference)", thousands(1e9/check), share),
		Reference: fmt.Sprintf("raw HMAC-SHA256 of the same number and size of messages %s/s", thousands(1e9/raw)),
		Target:    fmt.Sprintf(">= %d %% of raw", minProofShare),
		Met:       judged(share >= minProofShare),
		Command:   "go run ./cmd/bench -only proof",
	}}, nil
}

// parseVerify takes the nanoseconds of both out of what go test prints.
func parseVerify(text string) (check, raw float64, err error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] != "ns/op" {
			continue
		}
		ns, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return 0, 0, err
		}
		switch {
		case strings.HasPrefix(fields[0], "BenchmarkVerify/response"):
			check = ns
		case strings.HasPrefix(fields[0], "BenchmarkVerify/raw-hmac"):
			raw = ns
		}
	}
	if check <= 0 || raw <= 0 {
		return 0, 0, errors.New("no figures of BenchmarkVerify in\n" + text)
	}
	return check, raw, nil
}
