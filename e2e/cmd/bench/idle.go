package main

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"lucid.internal/e2e/harness"
)

const (
	// idleFor is how long a connection has been silent when it counts as idle:
	// Go looks for garbage at least every two minutes, and then gives back what
	// ten thousand logins at once left behind.
	idleFor = 150 * time.Second

	maxIdlePlain = 30 << 10 // bytes a connection
	maxIdleTLS   = 60 << 10
)

func idlePlainFigure(ctx context.Context, o options, s *stage, who []node) (figure, error) {
	i := idle{how: "without TLS", load: load{addr: s.plain, credentials: who, greets: true}, sizes: growing()}
	return i.figure(ctx, o, s, maxIdlePlain)
}

func idleTLSFigure(ctx context.Context, o options, s *stage, who []node) (figure, error) {
	i := idle{how: "over TLS", load: load{addr: s.MQTT, tls: trusting(), credentials: who, greets: true}, sizes: []int{len(who)}}
	return i.figure(ctx, o, s, maxIdleTLS)
}

// idle is a fleet that grows from size to size and is silent at each.
type idle struct {
	how   string
	load  load
	sizes []int // rising; the last is everybody
}

// resident is what a process with a number of connections holds.
type resident struct {
	nodes int
	harness.Footprint
}

// over is how much more that is than before, in bytes a connection.
func (r resident) over(before harness.Footprint) uint64 {
	return (r.RSS - min(before.RSS, r.RSS)) / uint64(r.nodes)
}

// figure compares the process at each size with itself before.
func (i idle) figure(ctx context.Context, o options, s *stage, most uint64) (figure, error) {
	before, err := harness.Look(s.PID())
	if err != nil {
		return figure{}, err
	}
	held, err := i.measure(ctx, s)
	if err != nil {
		return figure{}, err
	}
	all := held[len(held)-1]
	return figure{
		Name:      fmt.Sprintf("%d connected nodes, each with its will, subscriptions, status and inventory, %s, idle for %s", all.nodes, i.how, idleFor),
		Measured:  residents(held, before),
		Reference: fmt.Sprintf("the same process with none: %s", harness.MiB(before.RSS)),
		Target:    fmt.Sprintf("<= %d KiB a connection", most>>10),
		Met:       judged(all.over(before) <= most),
		Command:   scaleCommand(o),
	}, nil
}

// residents says what everybody takes, and what fewer did on the way there.
func residents(held []resident, before harness.Footprint) string {
	kib := func(r resident) string { return fmt.Sprintf("%.1f KiB", float64(r.over(before))/1024) }
	all := held[len(held)-1]
	text := fmt.Sprintf("%s resident a connection (%s in all, %s at most)", kib(all), harness.MiB(all.RSS), harness.MiB(all.Peak))
	var fewer []string
	for _, r := range held[:len(held)-1] {
		fewer = append(fewer, fmt.Sprintf("%s of %s nodes (%s in all)", kib(r), thousands(float64(r.nodes)), harness.MiB(r.RSS)))
	}
	if len(fewer) == 0 {
		return text
	}
	return text + "; on the way there " + strings.Join(fewer, ", ")
}

// measure connects more and more of them, and looks at the process once it has been
// left in peace with each number.
func (i idle) measure(ctx context.Context, s *stage) (held []resident, err error) {
	var clients []*client
	defer func() { closeAll(clients) }()
	for _, nodes := range i.sizes {
		log.Printf("%d idle connections %s ...", nodes, i.how)
		l := i.load
		l.credentials = l.credentials[len(clients):nodes]
		more, err := l.connect(ctx)
		clients = append(clients, more...)
		if err == nil {
			err = pass(ctx, nil, idleFor)
		}
		if err != nil {
			return nil, err
		}
		r := resident{nodes: nodes}
		if r.Footprint, err = harness.Look(s.PID()); err != nil {
			return nil, err
		}
		held = append(held, r)
	}
	return held, nil
}
