package bus

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// Message is what came by a subscription.
type Message struct {
	Topic    string
	Payload  []byte
	Received time.Time
}

// Subscription is a session at the broker that keeps its messages while nobody
// is connected in its name.
type Subscription struct {
	ClientID string
	Filters  []string
	Lanes    int // messages handled at once; those of one topic one after another
	// Last is a topic whose messages are handled once all that came before them
	// are. Optional.
	Last string
	// Handle takes a message. After nil the broker forgets it. After an error
	// the connection is closed, so that it comes again, as everything does that
	// was not taken.
	Handle func(ctx context.Context, m Message) error
}

const (
	laneLength = 1024 // messages; a broker sends no more at once than it is told to
	quiet      = 2 * time.Second
)

// Consume reads until ctx ends, over as many connections as it takes.
func (b *Bus) Consume(ctx context.Context, s Subscription) {
	b.keep(ctx, s.ClientID, func() error {
		r := newReader(ctx, &s, b.config.Logger)
		defer r.stop()
		conn, err := b.open(ctx, r, &s)
		if err != nil {
			return err
		}
		defer conn.close()
		for _, filter := range s.Filters {
			if err := done(ctx, conn.client.Subscribe(filter, 1, nil)); err != nil {
				return fmt.Errorf("subscribe to %s: %w", filter, err)
			}
		}
		b.config.Logger.Info("reading from the MQTT broker", "client", s.ClientID)
		return conn.wait(ctx)
	})
}

// Drain takes what waits in a session whose coordinator is gone, and then ends
// the session, so that the broker keeps nothing more for it.
func (b *Bus) Drain(ctx context.Context, s Subscription) error {
	r := newReader(ctx, &s, b.config.Logger)
	defer r.stop()
	conn, err := b.open(ctx, r, &s)
	if err != nil {
		return err
	}
	defer conn.close()
	// First of all, that nothing new is put there.
	if err := done(ctx, conn.client.Unsubscribe(s.Filters...)); err != nil {
		return fmt.Errorf("unsubscribe %s: %w", s.ClientID, err)
	}
	for seen := int64(-1); seen != r.came.Load() || r.taken.Load() != seen; {
		seen = r.came.Load()
		watch, cancel := context.WithTimeout(ctx, quiet)
		err := conn.wait(watch)
		cancel()
		if watch.Err() == nil || ctx.Err() != nil {
			return err
		}
	}
	conn.close()
	erase, err := b.dial(ctx, s.ClientID, true, nil)
	if err != nil {
		return err
	}
	erase.close()
	b.config.Logger.Info("emptied the session of a coordinator that is gone", "client", s.ClientID, "messages", r.taken.Load())
	return nil
}

// open connects to a session. paho calls the default handler for each message.
func (b *Bus) open(ctx context.Context, r *reader, s *Subscription) (*session, error) {
	conn, err := b.dial(ctx, s.ClientID, false, r.receive)
	if err != nil {
		return nil, err
	}
	r.attach(conn)
	return conn, nil
}

// reader hands the messages of one connection out to lanes.
type reader struct {
	subscription *Subscription
	logger       *slog.Logger
	ctx          context.Context
	cancel       context.CancelFunc
	lanes        []chan delivery
	running      sync.WaitGroup
	seed         maphash.Seed
	came, taken  atomic.Int64

	mu     sync.Mutex
	conn   *session
	failed error
}

type delivery struct {
	Message
	ack   func()
	ahead *atomic.Int32 // lanes that are not here yet, of a message that goes through all of them; else nil
}

func newReader(ctx context.Context, s *Subscription, logger *slog.Logger) *reader {
	r := &reader{subscription: s, logger: logger, lanes: make([]chan delivery, max(s.Lanes, 1)), seed: maphash.MakeSeed()}
	r.ctx, r.cancel = context.WithCancel(ctx)
	for i := range r.lanes {
		r.lanes[i] = make(chan delivery, laneLength)
		r.running.Go(func() { r.run(r.lanes[i]) })
	}
	return r
}

// stop waits for what is being handled.
func (r *reader) stop() {
	r.cancel()
	r.running.Wait()
}

// receive is called by paho, one message after another: all of a topic take
// the same lane, and those of the last topic all lanes.
func (r *reader) receive(_ mqtt.Client, m mqtt.Message) {
	r.came.Add(1)
	d := delivery{Message: Message{m.Topic(), m.Payload(), time.Now()}, ack: m.Ack}
	lane := maphash.String(r.seed, d.Topic) % uint64(len(r.lanes))
	lanes := r.lanes[lane : lane+1]
	if d.Topic == r.subscription.Last {
		lanes, d.ahead = r.lanes, new(atomic.Int32)
		d.ahead.Store(int32(len(lanes)))
	}
	for _, lane := range lanes {
		select {
		case lane <- d:
		case <-r.ctx.Done(): // it comes again
			return
		}
	}
}

func (r *reader) run(lane chan delivery) {
	for {
		select {
		case <-r.ctx.Done():
			return
		case d := <-lane:
			if r.ctx.Err() != nil {
				return
			}
			if d.ahead != nil && d.ahead.Add(-1) > 0 {
				continue
			}
			if err := r.handle(d.Message); err != nil {
				r.fail(fmt.Errorf("%s: %w", d.Topic, err))
				return // what follows in this lane must not overtake it
			}
			d.ack()
			r.taken.Add(1)
		}
	}
}

// handle takes a message. One that makes it panic is dropped: it would come
// again for ever, and end one coordinator after another.
func (r *reader) handle(m Message) error {
	defer func() {
		if p := recover(); p != nil {
			r.logger.Error("panic at a message, which is dropped; the others are read on", "topic", m.Topic, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	return r.subscription.Handle(r.ctx, m)
}

// attach names the connection that a failure ends; a message may have failed
// before.
func (r *reader) attach(conn *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conn = conn
	if r.failed != nil {
		conn.end(r.failed)
	}
}

func (r *reader) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = err
	if r.conn != nil {
		r.conn.end(err)
	}
}
