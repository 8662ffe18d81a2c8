package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"lucid.internal/coordinator"
)

// linesWaiting bounds the lines that a slow terminal has not taken yet; what
// comes beyond is not shown.
const linesWaiting = 1024

// lines prints what happens in the fleet, one line a sample, proof and earning.
// Whoever reports never waits for the terminal.
type lines struct {
	fleet *coordinator.Foundation
	queue chan line
}

type line struct {
	at                 time.Time
	nodeID, kind, text string
}

// newLines prints to out until ctx ends.
func newLines(ctx context.Context, out io.Writer, f *coordinator.Foundation) *lines {
	l := &lines{fleet: f, queue: make(chan line, linesWaiting)}
	go l.run(ctx, out)
	return l
}

func (l *lines) print(nodeID, kind, format string, args ...any) {
	select {
	case l.queue <- line{time.Now(), nodeID, kind, fmt.Sprintf(format, args...)}:
	default:
	}
}

func (l *lines) run(ctx context.Context, out io.Writer) {
	names := make(map[string]string) // node id -> name
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-l.queue:
			if names[n.nodeID] == "" {
				names[n.nodeID] = l.name(ctx, n.nodeID)
			}
			fmt.Fprintf(out, "%s  %-8s %-14s %s\n", n.at.Format(time.TimeOnly), n.kind, names[n.nodeID], n.text)
		}
	}
}

func (l *lines) name(ctx context.Context, nodeID string) string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	n, err := l.fleet.Nodes.Get(ctx, nodeID)
	if err != nil {
		return nodeID
	}
	return n.Name
}
