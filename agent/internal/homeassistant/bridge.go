// Package homeassistant owns the way to an owner's own Home Assistant, by the
// owner's own MQTT broker: one device document, availability, and the state
// with each sample.
//
// It must never take anything from that broker, keep what could not be sent,
// or hold up whoever shows it a sample.
package homeassistant

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"lucid.internal/shared/wire"
)

// Config of a Bridge.
type Config struct {
	Settings
	NodeID  string // names device, entities and topics
	Name    string // of the device, for people
	Model   string
	Version string // of the agent

	MinBackoff, MaxBackoff time.Duration // 0: a second, five minutes
	Logger                 *slog.Logger  // default: discards
}

func (c *Config) topic(of string) string { return "lucid-agent/" + c.NodeID + "/" + of }

// Bridge shows samples in Home Assistant.
type Bridge struct {
	config  Config
	samples chan wire.Sample // the newest only
	seen    map[string]bool  // figures that had a value once; of Run's goroutine

	mu   sync.Mutex
	line string
}

// New makes a bridge of valid settings. It connects in Run.
func New(config Config) *Bridge {
	if config.MinBackoff == 0 {
		config.MinBackoff = time.Second
	}
	if config.MaxBackoff == 0 {
		config.MaxBackoff = 5 * time.Minute
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Bridge{config: config, samples: make(chan wire.Sample, 1), seen: make(map[string]bool), line: "connecting to " + config.Broker}
}

// Show hands over a sample and returns at once: one that was not sent yet
// gives way. One goroutine may call it.
func (b *Bridge) Show(s wire.Sample) {
	select {
	case <-b.samples:
	default:
	}
	b.samples <- s
}

// State says in a line how it stands, for the owner.
func (b *Bridge) State() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.line
}

func (b *Bridge) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.line = fmt.Sprintf(format, args...)
}

// Run shows samples until ctx ends, over one connection after the other. When
// it is switched off it takes the device out instead, and returns.
func (b *Bridge) Run(ctx context.Context) {
	do := b.serve
	if b.config.Off {
		do = func(ctx context.Context) (bool, error) { return false, Withdraw(ctx, b.config) }
	}
	ceiling := b.config.MinBackoff
	for {
		served, err := do(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			b.note("switched off: taken out of Home Assistant at %s", b.config.Broker)
			return
		case served:
			ceiling = b.config.MinBackoff
		}
		b.note("NOT CONNECTED to %s: %s", b.config.Broker, err)
		b.config.Logger.Warn("Home Assistant's broker is not reached", "broker", b.config.Broker, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(rand.N(ceiling) + 1):
			ceiling = min(2*ceiling, b.config.MaxBackoff)
		}
	}
}

// serve holds one connection until it is lost. It says whether it showed
// anything. Wherever ctx ends it, it says goodbye: the broker tells of nobody who
// leaves in order.
func (b *Bridge) serve(ctx context.Context) (served bool, err error) {
	c, err := connect(ctx, &b.config, true)
	if err != nil {
		return false, err
	}
	defer c.client.Disconnect(farewellMs)
	served, err = b.show(ctx, c)
	if ctx.Err() == nil {
		return served, err
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	return served, c.publish(last, b.config.topic("availability"), 1, true, []byte("offline"))
}

// show sends each sample until the connection is lost or ctx ends.
func (b *Bridge) show(ctx context.Context, c *connection) (served bool, err error) {
	if err := c.publish(ctx, b.config.topic("availability"), 1, true, []byte("online")); err != nil {
		return false, err
	}
	b.note("connected to %s", b.config.Broker)
	for announced := false; ; {
		select {
		case <-ctx.Done():
			return served, ctx.Err()
		case <-c.lost:
			return served, errors.New("connection lost")
		case s := <-b.samples:
			values := state(&s)
			if b.learn(values) || !announced {
				if err := c.publish(ctx, b.config.document(b.config.NodeID), 1, true, b.describe(b.seen)); err != nil {
					return served, err
				}
				announced = true
			}
			if err := c.publish(ctx, b.config.topic("state"), 0, false, encode(values)); err != nil {
				return served, err
			}
			served = true
		}
	}
}

// learn notes which figures this machine gives; true when there is a new one.
func (b *Bridge) learn(values map[string]any) (news bool) {
	for key, v := range values {
		if v != nil && !b.seen[key] {
			b.seen[key], news = true, true
		}
	}
	return news
}

// Withdraw takes the device out of Home Assistant: an empty retained message
// in place of each that was left with the broker.
func Withdraw(ctx context.Context, config Config) error {
	c, err := connect(ctx, &config, false)
	if err != nil {
		return err
	}
	defer c.client.Disconnect(farewellMs)
	return errors.Join(
		c.publish(ctx, config.document(config.NodeID), 1, true, nil),
		c.publish(ctx, config.topic("availability"), 1, true, nil))
}
