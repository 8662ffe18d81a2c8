package main

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"
)

// ownPace is how often a node sends a sample here: ten times as often as agents
// take one, so that there is something to measure. It is measured for a minute,
// which has the rollups of one, after the first is over.
const (
	ownPace     = time.Second
	paceSettles = 70 * time.Second
	paceWatch   = time.Minute
	paceBegins  = 30 * time.Second // at most, until all are connected
)

// maxFurther is how much more a further node may cost in a large fleet than in
// a small one.
const maxFurther = 1.25

// paceFigure is what larger and larger fleets cost that send at their own pace.
// The costs of further nodes are compared, not averages: what a coordinator does
// without any node would make large fleets look cheap.
func paceFigure(ctx context.Context, o options, s *stage, who []node) (figure, error) {
	var fleets []paced
	for _, nodes := range []int{1000, 5000, manyNodes} {
		log.Printf("%d nodes at their own pace ...", nodes)
		f, err := measurePace(ctx, o, s, load{addr: s.plain, credentials: who[:nodes], samples: 1})
		if err != nil {
			return figure{}, err
		}
		fleets = append(fleets, f)
	}
	var measured, references []string
	for _, f := range fleets {
		measured = append(measured, fmt.Sprintf("%s nodes: %.0f %% of a core", thousands(float64(f.nodes)), f.percent))
		references = append(references, fmt.Sprintf("%.0f %%", f.alone))
	}
	small, large := further(fleets[0], fleets[1]), further(fleets[1], fleets[2])
	return figure{
		Name: fmt.Sprintf("growth of a fleet that sends at its own pace, each node a sample every %s", ownPace),
		Measured: fmt.Sprintf("%s, with Postgres and rollups, in the mean of a minute. A further node: %.0f µs a second up to %s, %.0f beyond",
			strings.Join(measured, "; "), small, thousands(float64(fleets[1].nodes)), large),
		Reference: "broker alone with an empty hook: " + strings.Join(references, ", "),
		Target:    fmt.Sprintf("linear: a further node costs at most %.0f %% more beyond", 100*(maxFurther-1)),
		Met:       judged(large <= maxFurther*small),
		Command:   scaleCommand(o),
	}, nil
}

// paced is what a fleet costs, in percent of a core.
type paced struct {
	nodes          int
	percent, alone float64
}

// further is what one more node costs between two fleets, in µs of processor
// time a second.
func further(small, large paced) float64 {
	return (large.percent - small.percent) * 1e4 / float64(large.nodes-small.nodes)
}

func measurePace(ctx context.Context, o options, s *stage, l load) (paced, error) {
	if err := awaitRollups(ctx, s); err != nil {
		return paced{}, err
	}
	if err := pass(ctx, nil, untilCalm(time.Now())); err != nil {
		return paced{}, err
	}
	var used meter
	if _, err := l.runPaced(ctx, ownPace, paceSettles, paceWatch, func() error { return used.read(s.Coordinator) }); err != nil {
		return paced{}, err
	}
	alone, err := atEmptyBroker(ctx, func(addr string, mark func() error) error {
		l.addr = addr
		_, err := l.runPaced(ctx, ownPace, warmUp, o.duration, mark)
		return err
	})
	return paced{
		nodes:   len(l.credentials),
		percent: share(used.used(), paceWatch),
		alone:   share(alone, o.duration),
	}, err
}

// untilCalm is how long to wait so that the minute that is measured has no end of
// five minutes, nor the rollups that follow it.
func untilCalm(now time.Time) time.Duration {
	const five, rollups = 5 * time.Minute, 20 * time.Second
	begins := now.Add(paceSettles).Sub(now.Add(paceSettles).Truncate(five))
	switch {
	case begins < rollups:
		return rollups - begins
	case begins > five-paceWatch-paceBegins:
		return five - begins + rollups
	}
	return 0
}

// share is processor time in percent of a core.
func share(used, of time.Duration) float64 { return 100 * used.Seconds() / of.Seconds() }
