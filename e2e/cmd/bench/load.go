package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"lucid.internal/e2e/packet"
	"lucid.internal/shared/wire"
)

// load is many nodes that each send a window of messages, wait until all of
// them are acknowledged, and send the next. The client shares the machine with
// what it measures, so every cycle of it counts against the figure.
type load struct {
	addr        string
	tls         *tls.Config // nil: without
	credentials []node
	greets      bool // as agents do: see greet
	samples     int  // in a message
	window      int  // messages on their way, per connection
}

const (
	warmUp     = 3 * time.Second
	dialAtOnce = 50
)

// result of a load.
type result struct {
	Began     time.Time // when the first message was sent
	PerSecond float64   // samples acknowledged a second, after the warm-up
	Measured  uint64    // samples acknowledged after the warm-up
	Acked     uint64    // samples acknowledged in all
}

// run connects everybody, then measures. mark is called where the measured
// time begins and where it ends.
func (l *load) run(ctx context.Context, duration time.Duration, mark func() error) (result, error) {
	clients, err := l.connect(ctx)
	defer closeAll(clients)
	if err != nil {
		return result{}, err
	}
	sending, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	var running sync.WaitGroup
	began := time.Now()
	for _, c := range clients {
		running.Go(func() {
			if err := c.send(sending, l.samples, l.window); err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	defer running.Wait()
	defer stop()
	if err := pass(ctx, failed, warmUp); err != nil {
		return result{}, err
	}
	if err := mark(); err != nil {
		return result{}, err
	}
	warm, before := time.Now(), total(clients)
	if err := pass(ctx, failed, duration); err != nil {
		return result{}, err
	}
	measured := total(clients) - before
	rate := float64(measured) / time.Since(warm).Seconds()
	if err := mark(); err != nil {
		return result{}, err
	}
	stop()
	running.Wait()
	return result{Began: began, PerSecond: rate, Measured: measured, Acked: total(clients)}, nil
}

// pass lets time go by, unless something fails.
func pass(ctx context.Context, failed <-chan error, d time.Duration) error {
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func total(clients []*client) (n uint64) {
	for _, c := range clients {
		n += c.acked.Load()
	}
	return n
}

func (l *load) connect(ctx context.Context) ([]*client, error) {
	clients := make([]*client, len(l.credentials))
	errs := make(chan error, len(clients))
	slots := make(chan struct{}, dialAtOnce)
	var running sync.WaitGroup
	for i, who := range l.credentials {
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			c, err := l.open(ctx, who)
			if err != nil {
				errs <- fmt.Errorf("%s: %w", who.ID, err)
				return
			}
			clients[i] = c
		})
	}
	running.Wait()
	close(errs)
	return clients, <-errs // the first, nil when there is none
}

func (l *load) open(ctx context.Context, who node) (*client, error) {
	if l.greets {
		return dialAsAgent(ctx, l.addr, l.tls, who)
	}
	return dial(ctx, l.addr, l.tls, who)
}

// client is one connection.
type client struct {
	conn  net.Conn
	run   wire.RunID
	topic string
	acked atomic.Uint64 // samples

	answers []byte
	acks    chan uint16 // which messages were acknowledged, of one that greets: see obey
}

func dial(ctx context.Context, addr string, config *tls.Config, who node) (*client, error) {
	conn, err := packet.DialTLS(ctx, addr, config, who.Login)
	return &client{conn: conn, run: wire.NewRunID(), topic: wire.Topic(who.ID, wire.ChannelMetrics)}, err
}

// send publishes window after window, each once all of the one before is
// acknowledged, until ctx ends.
func (c *client) send(ctx context.Context, samples, window int) error {
	text, err := newTemplate(c.run, samples)
	if err != nil {
		return err
	}
	// A whole run is shorter than this: one deadline spares one per message.
	if err := c.conn.SetDeadline(time.Now().Add(time.Hour)); err != nil {
		return err
	}
	var packets []byte
	seq := uint64(1)
	for ctx.Err() == nil {
		packets = packets[:0]
		for id := range window {
			packets = text.publish(packets, c.topic, uint16(id+1), seq, time.Now().UnixMilli())
			seq += uint64(samples)
		}
		if err := c.exchange(packets, window); err != nil {
			return err
		}
		c.acked.Add(uint64(window * samples))
	}
	return nil
}

// sendOne has the first node send a message and go.
func (l *load) sendOne(ctx context.Context) error {
	c, err := l.open(ctx, l.credentials[0])
	if err != nil {
		return err
	}
	defer c.conn.Close()
	text, err := newTemplate(c.run, l.samples)
	if err != nil {
		return err
	}
	return c.exchange(text.publish(nil, c.topic, 1, 1, time.Now().UnixMilli()), 1)
}

// exchange sends messages numbered from 1 and waits for their acknowledgements.
func (c *client) exchange(packets []byte, messages int) error {
	if _, err := c.conn.Write(packets); err != nil {
		return err
	}
	if c.acks != nil {
		return c.awaitAcks(messages)
	}
	if cap(c.answers) < 4*messages {
		c.answers = make([]byte, 4*messages)
	}
	answers := c.answers[:4*messages]
	if _, err := io.ReadFull(c.conn, answers); err != nil {
		return err
	}
	for id := range messages {
		a := answers[4*id:]
		if a[0] != 0x40 || a[1] != 2 || int(binary.BigEndian.Uint16(a[2:])) != id+1 {
			return fmt.Errorf("message %d was answered with % x", id+1, a[:4])
		}
	}
	return nil
}
