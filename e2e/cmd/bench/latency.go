package main

import (
	"context"
	"fmt"
	"log"
	"slices"
	"sync"
	"time"
)

// Shape and target of the latency figure.
const (
	latencyNodes = 1000
	latencyEvery = 100 * time.Millisecond // of each node: 10,000 samples/s in all
	maxLatency   = 50 * time.Millisecond
)

// latencyFigure is how long an acknowledgement takes at 10,000 samples/s. It is
// counted from the moment at which the message was due, so that waiting behind
// a slow one counts too.
func latencyFigure(ctx context.Context, o options, s *stage, who []node) (figure, error) {
	log.Print("latency at 10,000 samples/s ...")
	l := load{addr: s.plain, credentials: who[:latencyNodes], samples: 1}
	took, err := l.runPaced(ctx, latencyEvery, warmUp, o.duration, func() error { return nil })
	if err != nil {
		return figure{}, err
	}
	slices.Sort(took)
	at := func(share float64) time.Duration { return took[int(share*float64(len(took)-1))] }
	return figure{
		Name: fmt.Sprintf("acknowledgement after commit, %d nodes, 10,000 samples/s", latencyNodes),
		Measured: fmt.Sprintf("p50 %.1f ms, p99 %.1f ms, longest %.1f ms; %s samples/s acknowledged", ms(at(.5)), ms(at(.99)), ms(at(1)),
			thousands(float64(len(took))/o.duration.Seconds())),
		Reference: "-",
		Target:    "p99 <= 50 ms",
		Met:       judged(at(.99) <= maxLatency),
		Command:   scaleCommand(o),
	}, nil
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

// runPaced has every node send a message at its own moment of each interval,
// and gives how long the acknowledgements took after the warm-up. mark is
// called where the measured time begins and where it ends.
func (l *load) runPaced(ctx context.Context, interval, warmUp, duration time.Duration, mark func() error) (took []time.Duration, err error) {
	clients, err := l.connect(ctx)
	defer closeAll(clients)
	if err != nil {
		return nil, err
	}
	sending, stop := context.WithCancel(ctx)
	failed := make(chan error, len(clients))
	all := make([][]time.Duration, len(clients))
	began := time.Now()
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	for i, c := range clients {
		first := began.Add(interval * time.Duration(i) / time.Duration(len(clients)))
		running.Go(func() {
			var err error
			if all[i], err = c.sendPaced(sending, l.samples, first, interval, began.Add(warmUp)); err != nil {
				failed <- err
			}
		})
	}
	for _, d := range []time.Duration{warmUp, duration} {
		if err := pass(ctx, failed, d); err != nil {
			return nil, err
		}
		if err := mark(); err != nil {
			return nil, err
		}
	}
	stop()
	running.Wait()
	return slices.Concat(all...), nil
}

// sendPaced sends a message at first and after each interval until ctx ends,
// and gives how long those took that were due after since.
func (c *client) sendPaced(ctx context.Context, samples int, first time.Time, interval time.Duration, since time.Time) (took []time.Duration, err error) {
	text, err := newTemplate(c.run, samples)
	if err != nil {
		return nil, err
	}
	if err := c.conn.SetDeadline(time.Now().Add(time.Hour)); err != nil {
		return nil, err
	}
	var packets []byte
	timer := time.NewTimer(time.Until(first))
	defer timer.Stop()
	for seq, due := uint64(1), first; ; seq, due = seq+uint64(samples), due.Add(interval) {
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return took, nil
		case <-timer.C:
		}
		packets = text.publish(packets[:0], c.topic, 1, seq, time.Now().UnixMilli())
		if err := c.exchange(packets, 1); err != nil {
			return nil, err
		}
		if due.After(since) {
			took = append(took, time.Since(due))
		}
	}
}
