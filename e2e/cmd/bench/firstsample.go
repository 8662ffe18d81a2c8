package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"slices"
	"time"
)

// firstSampleFigure is how long an enrolled agent takes from its start until
// its status file tells of the first recorded sample, rates and all.
func firstSampleFigure(ctx context.Context, o options, binary, dir string) (figure, error) {
	log.Print("agent, start to first sample ...")
	var took []time.Duration
	for range startups {
		d, err := startToFirstSample(ctx, binary, dir)
		if err != nil {
			return figure{}, err
		}
		took = append(took, d)
	}
	slices.Sort(took)
	median, longest := took[startups/2], took[startups-1]
	return figure{
		Name:      "agent, start to its first sample",
		Measured:  fmt.Sprintf("%.0f ms in the median of %d, %.0f ms at most", ms(median), startups, ms(longest)),
		Reference: "-",
		Target:    "<= 1 s",
		Met:       judged(median <= maxStartup),
		Command:   agentCommand(o),
	}, nil
}

func startToFirstSample(ctx context.Context, binary, dir string) (time.Duration, error) {
	if err := os.RemoveAll(statusFile(dir)); err != nil { // of the run before
		return 0, err
	}
	cmd := agentCmd(binary, dir)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer end(cmd)
	for {
		var status struct {
			Samples int `json:"samples_taken"`
		}
		b, err := os.ReadFile(statusFile(dir))
		if err == nil && json.Unmarshal(b, &status) == nil && status.Samples > 0 {
			return time.Since(began), nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("the agent took no sample: %w", ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}
