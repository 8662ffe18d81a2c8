package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"lucid.internal/shared/wire"
)

// credential is what one connection of the load logs in with.
type credential struct{ id, password string }

// load is many nodes that each send a message, wait for its acknowledgement,
// and send the next. It speaks MQTT 3.1.1 in a few bytes itself: the client
// shares the machine with what it measures, so every cycle of it counts
// against the figure.
type load struct {
	addr        string // without TLS
	credentials []credential
	samples     int // in a message
}

const (
	warmUp       = 3 * time.Second
	dialAtOnce   = 50
	replyTimeout = 30 * time.Second
)

// result of a load.
type result struct {
	PerSecond float64 // samples acknowledged a second, after the warm-up
	Acked     uint64  // samples acknowledged in all
}

// run connects everybody, then measures.
func (l *load) run(ctx context.Context, duration time.Duration) (result, error) {
	clients, err := l.connect(ctx)
	defer func() {
		for _, c := range clients {
			if c != nil {
				c.conn.Close()
			}
		}
	}()
	if err != nil {
		return result{}, err
	}
	sending, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	var running sync.WaitGroup
	for _, c := range clients {
		running.Go(func() {
			if err := c.send(sending, l.samples); err != nil {
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
	began, before := time.Now(), total(clients)
	if err := pass(ctx, failed, duration); err != nil {
		return result{}, err
	}
	rate := float64(total(clients)-before) / time.Since(began).Seconds()
	stop()
	running.Wait()
	return result{PerSecond: rate, Acked: total(clients)}, nil
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
			var err error
			if clients[i], err = dial(ctx, l.addr, who); err != nil {
				errs <- fmt.Errorf("%s: %w", who.id, err)
			}
		})
	}
	running.Wait()
	close(errs)
	return clients, <-errs // the first, nil when there is none
}

// client is one connection. Its fields are its goroutine's own, but for acked.
type client struct {
	conn   net.Conn
	topic  string
	acked  atomic.Uint64 // samples
	text   template
	packet []byte
}

func dial(ctx context.Context, addr string, who credential) (*client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, topic: wire.Topic(who.id, wire.ChannelMetrics)}
	if err = conn.SetDeadline(time.Now().Add(replyTimeout)); err == nil {
		_, err = conn.Write(connectPacket(who))
	}
	var answer [4]byte
	if err == nil {
		_, err = io.ReadFull(conn, answer[:])
	}
	if err == nil && answer != [4]byte{0x20, 2, 0, 0} {
		err = fmt.Errorf("CONNECT was answered with % x", answer)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// send publishes message after message, each once the one before is
// acknowledged, until ctx ends.
func (c *client) send(ctx context.Context, samples int) error {
	var err error
	if c.text, err = newTemplate(wire.NewRunID(), samples); err != nil {
		return err
	}
	// A whole run is shorter than this: one deadline spares one per message.
	if err := c.conn.SetDeadline(time.Now().Add(time.Hour)); err != nil {
		return err
	}
	var answer [4]byte
	for seq, id := uint64(1), uint16(1); ctx.Err() == nil; seq += uint64(samples) {
		c.packet = c.text.publish(c.packet[:0], c.topic, id, seq, time.Now().UnixMilli())
		if _, err := c.conn.Write(c.packet); err != nil {
			return err
		}
		if _, err := io.ReadFull(c.conn, answer[:]); err != nil {
			return err
		}
		if answer[0] != 0x40 || answer[1] != 2 || binary.BigEndian.Uint16(answer[2:]) != id {
			return fmt.Errorf("message %d was answered with % x", id, answer)
		}
		c.acked.Add(uint64(samples))
		if id++; id == 0 {
			id = 1
		}
	}
	return nil
}
