package fleet

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"lucid.internal/e2e/harness"
	"lucid.internal/shared/wire"
)

// Config of a Fleet. API, Nodes and Duration are required.
type Config struct {
	API       API
	File      harness.EnrollFile // EnrolmentKey is checked when it is there; the token is not used
	Pools     []string           // that the nodes of a kind join in turns; none leaves it to the coordinator
	PlainAddr string             // MQTT without TLS; "" speaks TLS with the addresses of the enrolment

	Nodes    int
	Cheats   map[Kind]int // how many of Nodes cheat, and how
	Model    string       // one of Models that all are who cheat about none; "" draws
	Faults   Faults
	Seed     uint64        // of series, faults and cheats: the same seed is the same fleet
	Backlog  time.Duration // sampled before the first connection, as after an outage
	Duration time.Duration // from the last connection on

	SampleInterval  time.Duration // default 10 s
	PublishInterval time.Duration // default 60 s
	Recording       []wire.Sample // replayed by every node instead of a random walk
	EnrolAtOnce     int           // requests under way; default 8
	ConnectRate     float64       // connections begun a second; default 200
	Solvers         int           // puzzles solved at once; default 1

	Progress func(Progress) // called every five seconds
}

// Faults that befall nodes. Rates are a node's own, a minute; shares lie in 0..1.
type Faults struct {
	Churn      float64 // restarts of an agent, a quarter of them of the whole machine
	Cuts       float64 // connections that break, with no goodbye
	Duplicates float64 // share of messages that are sent twice
	Delays     float64 // share of messages that are held back
	ClockSkew  float64 // share of nodes whose clock is wrong

	Away    time.Duration // mean time without a connection after a cut or a restart; default 5 s
	Delay   time.Duration // longest delay; default 20 s
	MaxSkew time.Duration // farthest a wrong clock is off, either way; default 30 min
}

func (c *Config) setDefaults() {
	c.SampleInterval = defaultTo(c.SampleInterval, 10*time.Second)
	c.PublishInterval = defaultTo(c.PublishInterval, max(time.Minute, c.SampleInterval))
	c.EnrolAtOnce = defaultTo(c.EnrolAtOnce, 8)
	c.ConnectRate = defaultTo(c.ConnectRate, 200)
	c.Solvers = defaultTo(c.Solvers, 1)
	c.Faults.Away = defaultTo(c.Faults.Away, 5*time.Second)
	c.Faults.Delay = defaultTo(c.Faults.Delay, 20*time.Second)
	c.Faults.MaxSkew = defaultTo(c.Faults.MaxSkew, 30*time.Minute)
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
}

func defaultTo[T time.Duration | int | float64](value, otherwise T) T {
	if value <= 0 {
		return otherwise
	}
	return value
}

// Check tells what is wrong with the fleet itself, before there is a coordinator.
func (c Config) Check() error {
	c.setDefaults()
	return c.validate()
}

func (c *Config) validate() error {
	switch {
	case c.Nodes < 1:
		return errors.New("a fleet has at least one node")
	case c.Duration <= 0:
		return errors.New("a duration is above 0")
	case c.Backlog < 0:
		return errors.New("a backlog is not below 0")
	case c.PublishInterval < c.SampleInterval, c.PublishInterval/c.SampleInterval > wire.MaxSamplesPerMessage:
		return fmt.Errorf("a message holds 1 to %d samples: publish interval %s does not fit sample interval %s",
			wire.MaxSamplesPerMessage, c.PublishInterval, c.SampleInterval)
	case c.Model != "" && !slices.Contains(Models(), c.Model):
		return fmt.Errorf("no model is called %q; there are %s", c.Model, strings.Join(Models(), ", "))
	}
	cheats := 0
	for kind, count := range c.Cheats {
		if !kind.known() || kind == Honest {
			return fmt.Errorf("no cheat is called %q; there are\n%s", kind, Kinds())
		}
		if count < 0 {
			return fmt.Errorf("%d nodes cannot cheat", count)
		}
		cheats += count
	}
	if cheats > c.Nodes {
		return fmt.Errorf("%d cheats among %d nodes", cheats, c.Nodes)
	}
	return c.Faults.validate()
}

func (f *Faults) validate() error {
	for name, share := range map[string]float64{"duplicates": f.Duplicates, "delays": f.Delays, "clock skew": f.ClockSkew} {
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("%s %v is not a share from 0 to 1", name, share)
		}
	}
	for name, rate := range map[string]float64{"churn": f.Churn, "cuts": f.Cuts} {
		if !(rate >= 0) || math.IsInf(rate, 1) {
			return fmt.Errorf("%s %v is not a rate", name, rate)
		}
	}
	return nil
}
