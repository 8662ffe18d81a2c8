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

// measureProof runs the proof's own benchmark: what checking MAC and puzzles of a
// response takes, beside the HMACs that it cannot do without; and what the device
// key's signature adds, which nothing can stand beside.
func measureProof(ctx context.Context, _ options, _ harness.Binaries, _ string) ([]figure, error) {
	root, err := harness.Repository()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "./proof", "-run", "^$", "-bench", "^BenchmarkVerify$", "-cpu", "1")
	cmd.Dir = filepath.Join(root, "shared")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test in %s: %w\n%s", cmd.Dir, err, out)
	}
	v, err := parseVerify(string(out))
	if err != nil {
		return nil, err
	}
	const command = "go run ./cmd/bench -only proof"
	share := 100 * v.raw / v.check
	return []figure{{
		Name:      "proof verification, MAC and puzzles, k = 8, one core",
		Measured:  fmt.Sprintf("%s responses/s (%.0f %% of the reference)", thousands(1e9/v.check), share),
		Reference: fmt.Sprintf("raw HMAC-SHA256 of the same number and size of messages %s/s", thousands(1e9/v.raw)),
		Target:    fmt.Sprintf(">= %d %% of raw", minProofShare),
		Met:       judged(share >= minProofShare),
		Command:   command,
	}, {
		Name:      "proof verification, device-signature (Ed25519), one core",
		Measured:  fmt.Sprintf("%.0f µs a response, beside %.1f µs of MAC and puzzles: %s responses/s with all three", v.signature/1e3, v.check/1e3, thousands(1e9/(v.check+v.signature))),
		Reference: "the row above",
		Command:   command,
	}}, nil
}

// verification is nanoseconds for each part of a response's check.
type verification struct{ check, raw, signature float64 }

// parseVerify takes them out of what go test prints.
func parseVerify(text string) (v verification, err error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] != "ns/op" {
			continue
		}
		ns, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return v, err
		}
		switch {
		case strings.HasPrefix(fields[0], "BenchmarkVerify/response"):
			v.check = ns
		case strings.HasPrefix(fields[0], "BenchmarkVerify/raw-hmac"):
			v.raw = ns
		case strings.HasPrefix(fields[0], "BenchmarkVerify/device-signature"):
			v.signature = ns
		}
	}
	if v.check <= 0 || v.raw <= 0 || v.signature <= 0 {
		return v, errors.New("figures of BenchmarkVerify are missing in\n" + text)
	}
	return v, nil
}
