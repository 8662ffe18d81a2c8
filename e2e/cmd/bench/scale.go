package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"path/filepath"
	"sync"
	"time"

	"lucid.internal/e2e/harness"
)

// Shape of the figures that depend on how many nodes there are.
const (
	manyNodes     = 10_000
	baselineNodes = 100
	baselineWatch = 30 * time.Second
)

// Targets.
const (
	maxBaselineRSS     = 80 << 20
	maxBaselinePercent = 2.0
)

// growing are the numbers of nodes from which it shows that a cost is linear.
func growing() []int { return []int{1000, 5000, manyNodes} }

// measureScale is what depends on how many nodes there are: connections that
// are idle, and a hundred usual ones, in memory; how long an acknowledgement
// takes; how ingest grows from 1,000 nodes to 10,000; starting anew.
func measureScale(ctx context.Context, o options, binaries harness.Binaries, dir string) (figures []figure, err error) {
	s, err := openStage(ctx, binaries, filepath.Join(dir, "scale"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	few, err := enrolMany(ctx, s.Coordinator, baselineNodes)
	if err != nil {
		return nil, err
	}
	if err := s.restart(ctx); err != nil {
		return nil, err
	}
	f, err := baselineFigure(ctx, s, few)
	if err != nil {
		return nil, err
	}
	figures = append(figures, f)
	log.Printf("enrolling %d nodes ...", manyNodes)
	many, err := enrolMany(ctx, s.Coordinator, manyNodes)
	if err != nil {
		return nil, err
	}
	for _, measure := range []func(context.Context, options, *stage, []node) (figure, error){
		idlePlainFigure, idleTLSFigure, latencyFigure, growthFigure, paceFigure, startupFigure,
	} {
		if err := s.restart(ctx); err != nil {
			return nil, err
		}
		f, err := measure(ctx, o, s, many)
		if err != nil {
			return nil, err
		}
		figures = append(figures, f)
	}
	return figures, s.stop(ctx)
}

func scaleCommand(o options) string {
	return fmt.Sprintf("go run ./cmd/bench -only scale -duration %s", o.duration)
}

// trusting does not ask whose certificate it is: the server is our own child.
func trusting() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// baselineFigure is a small fleet that does what agents do: it greets, and sends a
// message of six samples a minute, each node at its own moment, over TLS.
func baselineFigure(ctx context.Context, s *stage, who []node) (figure, error) {
	log.Printf("baseline with %d nodes ...", len(who))
	l := load{addr: s.MQTT, tls: trusting(), credentials: who, greets: true, samples: 6}
	var before, after harness.Footprint
	_, err := l.runPaced(ctx, time.Minute, warmUp, baselineWatch, func() (err error) {
		before = after
		after, err = harness.Look(s.PID())
		return err
	})
	if err != nil {
		return figure{}, err
	}
	u := harness.Between(before, after)
	return figure{
		Name:      fmt.Sprintf("coordinator with %d nodes over TLS, each with its will, subscriptions, status and inventory, and six samples a minute, watched for %s", len(who), baselineWatch),
		Measured:  u.String(),
		Reference: "-",
		Target:    "<= 80 MiB resident, < 2 % of a core",
		Met:       judged(u.RSS <= maxBaselineRSS && u.CPUPercent < maxBaselinePercent),
		Command:   scaleCommand(options{duration: baselineWatch}),
	}, nil
}

func closeAll(clients []*client) {
	var all sync.WaitGroup
	for _, c := range clients {
		if c != nil {
			all.Go(func() { _ = c.conn.Close() })
		}
	}
	all.Wait()
}
