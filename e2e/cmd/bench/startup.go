package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"slices"
	"time"
)

// Shape and target of the start-up figure.
const (
	startups   = 5
	maxStartup = time.Second
)

// startupFigure is how long a coordinator takes from its start, on a database
// that a fleet filled, until it accepts connections of nodes and of the API.
func startupFigure(ctx context.Context, o options, s *stage, who []node) (figure, error) {
	log.Print("start-up ...")
	var took []time.Duration
	for range startups {
		if err := s.stop(ctx); err != nil {
			return figure{}, err
		}
		began := time.Now()
		c, err := s.Again()
		if err != nil {
			return figure{}, err
		}
		s.Coordinator = c
		for _, addr := range []string{s.MQTT, s.HTTP} {
			if err := s.accepts(ctx, addr); err != nil {
				return figure{}, err
			}
		}
		took = append(took, time.Since(began))
		if err := s.AwaitReady(ctx); err != nil {
			return figure{}, err
		}
	}
	slices.Sort(took)
	median, longest := took[startups/2], took[startups-1]
	return figure{
		Name:      fmt.Sprintf("start-up on a database of %s nodes, to the first accepted connections, MQTT and API", thousands(float64(len(who)))),
		Measured:  fmt.Sprintf("%.0f ms in the median of %d, %.0f ms at most", ms(median), startups, ms(longest)),
		Reference: "-",
		Target:    "<= 1 s",
		Met:       judged(median <= maxStartup),
		Command:   scaleCommand(o),
	}, nil
}

// accepts waits for a connection to be accepted.
func (s *stage) accepts(ctx context.Context, addr string) error {
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.Exited():
			return fmt.Errorf("the coordinator ended:\n%s", s.Output())
		case <-time.After(time.Millisecond):
		}
	}
}
