package main

import (
	"context"
	"fmt"
	"log"
	"math"
	"strings"
	"time"
)

// maxGrowth is how much more a sample may cost with the most nodes than with
// the fewest, beyond what a message costs the broker alone: more connections
// use more of the processor's caches, whatever is done with what they send.
const maxGrowth = 1.25

// growthRounds is how often everything is measured. What else runs on the machine
// can only make it dearer, so the cheapest round counts.
const growthRounds = 2

// growthFigure is durable ingest with more and more nodes, each beside the
// broker alone with as many.
func growthFigure(ctx context.Context, o options, s *stage, who []node) (figure, error) {
	var measured, references []string
	var first, last growth
	for _, nodes := range growing() {
		log.Printf("durable ingest from %d nodes ...", nodes)
		g, err := cheapestGrowth(ctx, o, s, load{addr: s.plain, credentials: who[:nodes], samples: 1, window: 1})
		if err != nil {
			return figure{}, err
		}
		measured, references = append(measured, g.String()), append(references, fmt.Sprintf("%.1f µs", g.alone))
		if first.nodes == 0 {
			first = g
		}
		last = g
	}
	return figure{
		Name: "growth of durable ingest, one sample a message, one message on its way each, the cheapest of two rounds",
		Measured: fmt.Sprintf("%s. With %s nodes %.2f times as much as with %s, with the broker alone %.2f times",
			strings.Join(measured, "; "), thousands(float64(last.nodes)), last.cost()/first.cost(), thousands(float64(first.nodes)), last.alone/first.alone),
		Reference: "broker alone with an empty hook, a message: " + strings.Join(references, ", "),
		Target:    fmt.Sprintf("the cost of a sample grows at most %.0f %% more than that of a message at the broker alone", 100*(maxGrowth-1)),
		Met:       judged(last.cost()/first.cost() <= maxGrowth*last.alone/first.alone),
		Command:   scaleCommand(o),
	}, nil
}

// growth is what a sample costs with a number of nodes, in µs of processor time.
type growth struct {
	nodes                 int
	perSecond             float64 // samples
	coordinator, postgres float64 // until it is acknowledged
	rollup                float64 // both, until it is in its minute's rollup
	alone                 float64 // of the broker with an empty hook, a message
}

func (g growth) cost() float64 { return g.coordinator + g.postgres + g.rollup }

func (g growth) String() string {
	return fmt.Sprintf("%s nodes: %s samples/s (CPU a sample: coordinator %.1f µs, Postgres %.1f µs, rollup of its minute %.1f µs)",
		thousands(float64(g.nodes)), thousands(g.perSecond), g.coordinator, g.postgres, g.rollup)
}

// cheapestGrowth is the cheapest round, and the broker's cheapest.
func cheapestGrowth(ctx context.Context, o options, s *stage, l load) (growth, error) {
	var best growth
	alone := math.Inf(1)
	for round := range growthRounds {
		g, err := measureGrowth(ctx, o, s, l)
		if err != nil {
			return growth{}, err
		}
		_, broker, err := measureEmptyBroker(ctx, o, l)
		if err != nil {
			return growth{}, err
		}
		if round == 0 || g.cost() < best.cost() {
			best = g
		}
		alone = min(alone, broker)
	}
	best.alone = alone
	return best, nil
}

// measureGrowth lets everybody send as fast as they can, and waits for what
// they leave behind: else the next would pay for it.
func measureGrowth(ctx context.Context, o options, s *stage, l load) (growth, error) {
	if err := awaitMoment(ctx, s, o.duration); err != nil {
		return growth{}, err
	}
	var sending, after meter
	got, err := l.run(ctx, o.duration, func() error { return sending.read(s.Coordinator) })
	if err == nil {
		err = after.read(s.Coordinator)
	}
	if err == nil {
		err = awaitRollups(ctx, s)
	}
	if err == nil {
		err = after.read(s.Coordinator)
	}
	return growth{
		nodes: len(l.credentials), perSecond: got.PerSecond,
		coordinator: sending.micros(0, got.Measured), postgres: sending.micros(1, got.Measured),
		rollup: after.micros(0, got.Acked) + after.micros(1, got.Acked),
	}, err
}

// awaitMoment waits until nothing is left of what was sent before, and neither
// the end of a minute comes while samples are sent, if that can be, nor that of
// five minutes until those are rolled up.
func awaitMoment(ctx context.Context, s *stage, duration time.Duration) error {
	for {
		if err := awaitRollups(ctx, s); err != nil {
			return err
		}
		now := time.Now()
		if fits(now, warmUp+duration) {
			return nil
		}
		if err := pass(ctx, nil, time.Until(now.Truncate(time.Minute).Add(time.Minute+time.Second))); err != nil {
			return err
		}
	}
}

// fits tells whether what is sent from now on for so long is rolled up by the
// minute before longer buckets end, and its minute ends after it.
func fits(now time.Time, length time.Duration) bool {
	end := now.Add(length)
	over := end.Truncate(time.Minute).Add(time.Minute) // its last minute is
	return (length > time.Minute/2 || end.Truncate(time.Minute).Equal(now.Truncate(time.Minute))) &&
		(length > 3*time.Minute || over.Truncate(5*time.Minute).Equal(now.Truncate(5*time.Minute)))
}

// awaitRollups waits until every sample is in the rollup of its minute, and in
// the longer ones that are over.
func awaitRollups(ctx context.Context, s *stage) error {
	for {
		waiting, err := s.Database().Int64(ctx, `SELECT (EXISTS (SELECT FROM node_run WHERE last_seq > marked_seq)
			OR EXISTS (SELECT FROM sample_due WHERE seconds = 60 OR from_at < now() - seconds * interval '1 second'))::integer`)
		if err != nil || waiting == 0 {
			return err
		}
		if err := pass(ctx, nil, time.Second/2); err != nil {
			return err
		}
	}
}
