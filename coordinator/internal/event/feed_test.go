package event_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/event"
)

// world is a feed on a database of its own, with a clock that the test moves.
type world struct {
	t    *testing.T
	pool *db.Pool
	feed *event.Feed
	time time.Time
}

func newWorld(t *testing.T, change ...func(*event.Config)) *world {
	t.Helper()
	w := &world{t: t, pool: dbtest.New(t), time: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)}
	w.feed = w.newFeed(change...)
	t.Cleanup(w.feed.Close)
	return w
}

func (w *world) newFeed(change ...func(*event.Config)) *event.Feed {
	c := event.Config{Pool: w.pool, Now: func() time.Time { return w.time }}
	for _, f := range change {
		f(&c)
	}
	return event.NewFeed(c)
}

func (w *world) publish(events ...event.Event) {
	w.t.Helper()
	err := db.InTx(w.t.Context(), w.pool, func(tx db.Tx) error { return event.Publish(w.t.Context(), tx, events...) })
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) runOnce(feeds ...*event.Feed) {
	w.t.Helper()
	for _, f := range append(feeds, w.feed) {
		if err := f.RunOnce(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) listen(f event.Filter, after *int64) *event.Listener {
	w.t.Helper()
	l, err := w.feed.Listen(w.t.Context(), f, after)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(l.Close)
	return l
}

// want takes messages with these bodies, in this order, and gives the last number.
func (w *world) want(l *event.Listener, bodies ...int) (last int64) {
	w.t.Helper()
	for _, body := range bodies {
		m, err := l.Next(w.t.Context())
		if err != nil {
			w.t.Fatalf("waiting for %d: %v", body, err)
		}
		if string(m.Body) != fmt.Sprint(body) {
			w.t.Fatalf("got %s, want %d", m.Body, body)
		}
		if m.No != 0 && m.No <= last {
			w.t.Fatalf("event %d after %d", m.No, last)
		}
		last = max(last, m.No)
	}
	return last
}

// wantNone says that nothing is ready: Next is given no time to wait.
func (w *world) wantNone(l *event.Listener) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	cancel()
	if m, err := l.Next(ctx); !errors.Is(err, context.Canceled) {
		w.t.Errorf("got %+v, %v; want nothing", m, err)
	}
}

func about(nodeID string, body int) event.Event {
	return event.Event{Kind: event.Node, NodeID: nodeID, Body: body}
}

func TestToldExactlyIfCommitted(t *testing.T) {
	w := newWorld(t)
	l := w.listen(event.Filter{}, nil)
	refused := errors.New("refused")
	err := db.InTx(t.Context(), w.pool, func(tx db.Tx) error {
		return errors.Join(event.Publish(t.Context(), tx, about("node_a", 1)), refused)
	})
	if !errors.Is(err, refused) {
		t.Fatal(err)
	}
	at := w.time.Add(-time.Minute)
	w.publish(event.Event{Kind: event.Pool, NodeID: "node_a", PoolID: "pool_a", Body: map[string]int{"n": 2}, At: at})
	w.runOnce()
	m, err := l.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"v":1,"event_no":%d,"kind":"pool","at":"2026-05-04T11:59:00Z","node_id":"node_a","pool_id":"pool_a","data":{"n":2}}`, m.No)
	if string(text) != want {
		t.Errorf("got %s\nwant %s", text, want)
	}
	w.wantNone(l)
}

func TestRefusedKind(t *testing.T) {
	w := newWorld(t)
	for _, kind := range []event.Kind{event.Sample, "else"} {
		err := db.InTx(t.Context(), w.pool, func(tx db.Tx) error {
			return event.Publish(t.Context(), tx, about("node_a", 1), event.Event{Kind: kind, Body: 2})
		})
		if err == nil {
			t.Errorf("an event of kind %s was stored", kind)
		}
	}
}

// The one who publishes first commits last: its event must come all the same,
// and above the number that readers have seen.
func TestCommitsOutOfOrder(t *testing.T) {
	w := newWorld(t)
	l := w.listen(event.Filter{}, nil)
	late, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := event.Publish(t.Context(), late, about("node_a", 1)); err != nil {
		t.Fatal(err)
	}
	w.publish(about("node_a", 2))
	w.runOnce()
	seen := w.want(l, 2)
	if err := late.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.runOnce()
	if no := w.want(l, 1); no <= seen {
		t.Errorf("event %d became visible after %d", no, seen)
	}
	w.want(w.listen(event.Filter{}, &seen), 1)
}

// Many publish at once, two coordinators number at once, and a reader breaks
// off again and again: it gets every event once, in rising order, and whatever
// one publisher did in the order in which it did it.
func TestResumeUnderConcurrentPublishers(t *testing.T) {
	const publishers, each = 8, 120
	w := newWorld(t, func(c *event.Config) { c.Buffer = 16 })
	other := w.newFeed()
	ctx, stop := context.WithCancel(t.Context())
	var running, publishing sync.WaitGroup
	for _, f := range []*event.Feed{w.feed, other} {
		running.Go(func() {
			for ctx.Err() == nil {
				if err := f.RunOnce(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for p := range publishers {
		publishing.Go(func() {
			for i := range each {
				err := db.InTx(ctx, w.pool, func(tx db.Tx) error {
					if err := event.Publish(ctx, tx, about(fmt.Sprintf("node_%d", p), i)); err != nil {
						return err
					}
					_, err := tx.Exec(ctx, "SELECT count(*) FROM generate_series(1, $1::int)", rand.IntN(20_000)) // others overtake
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	var last int64
	next := map[string]int{}
	got, slow := 0, 0
	for got < publishers*each && !t.Failed() {
		l, err := w.feed.Listen(ctx, event.Filter{}, &last)
		if err != nil {
			t.Fatal(err)
		}
		if l.Lost {
			t.Fatal("events were lost")
		}
		for range 1 + rand.IntN(60) {
			m, err := l.Next(ctx)
			if errors.Is(err, event.ErrSlow) {
				slow++
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if m.No <= last || string(m.Body) != fmt.Sprint(next[m.NodeID]) {
				t.Fatalf("event %d %s of %s after event %d; want its %d", m.No, m.Body, m.NodeID, last, next[m.NodeID])
			}
			last = m.No
			next[m.NodeID]++
			if got++; got == publishers*each {
				break
			}
		}
		l.Close()
	}
	publishing.Wait()
	stop()
	running.Wait()
	t.Logf("%d events, dropped as too slow %d times", got, slow)
}

func TestSlowListenerIsDropped(t *testing.T) {
	w := newWorld(t, func(c *event.Config) { c.Buffer = 2 })
	slow, quick := w.listen(event.Filter{}, nil), w.listen(event.Filter{NodeIDs: []string{"node_b"}}, nil)
	w.publish(about("node_a", 1), about("node_a", 2), about("node_a", 3), about("node_b", 4))
	w.runOnce() // returns although nobody reads
	last := w.want(slow, 1, 2)
	if _, err := slow.Next(t.Context()); !errors.Is(err, event.ErrSlow) {
		t.Fatalf("got %v, want ErrSlow", err)
	}
	w.want(quick, 4)
	w.want(w.listen(event.Filter{}, &last), 3, 4)
}

func TestFilter(t *testing.T) {
	w := newWorld(t)
	start := int64(0)
	for _, c := range []struct {
		name   string
		filter event.Filter
		want   []int
	}{
		{"all", event.Filter{}, []int{1, 2, 3}},
		{"kind", event.Filter{Kinds: []event.Kind{event.Proof, event.Pool}}, []int{2, 3}},
		{"node", event.Filter{NodeIDs: []string{"node_a"}}, []int{1, 2}},
		{"both", event.Filter{NodeIDs: []string{"node_a"}, Kinds: []event.Kind{event.Proof}}, []int{2}},
		{"none", event.Filter{NodeIDs: []string{"node_z"}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.pool.Exec(t.Context(), "TRUNCATE event, event_outbox RESTART IDENTITY")
			if err != nil {
				t.Fatal(err)
			}
			w := &world{t: t, pool: w.pool, feed: w.newFeed(), time: w.time}
			live := w.listen(c.filter, nil)
			w.publish(about("node_a", 1), event.Event{Kind: event.Proof, NodeID: "node_a", Body: 2}, event.Event{Kind: event.Pool, Body: 3})
			w.runOnce()
			resumed := w.listen(c.filter, &start)
			for _, l := range []*event.Listener{live, resumed} {
				w.want(l, c.want...)
				w.wantNone(l)
			}
		})
	}
}
