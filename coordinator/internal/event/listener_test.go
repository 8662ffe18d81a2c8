package event_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/event"
)

func TestLongWayBehind(t *testing.T) {
	const many = 2500 // more than two pages
	w := newWorld(t, func(c *event.Config) { c.Buffer = 1 })
	events, bodies := make([]event.Event, many), make([]int, many)
	for i := range events {
		events[i], bodies[i] = about("node_a", i), i
	}
	w.publish(events...)
	w.runOnce()
	start := int64(0)
	l := w.listen(event.Filter{}, &start)
	w.want(l, bodies...)
	w.wantNone(l)
	w.publish(about("node_a", many))
	w.runOnce()
	w.want(l, many)
}

func TestTrimKeepsWhatIsYoungAndFew(t *testing.T) {
	w := newWorld(t, func(c *event.Config) { c.Retention = event.Retention{Age: time.Hour, Most: 3} })
	for i := range 6 {
		w.publish(event.Event{Kind: event.Pool, Body: i, At: w.time.Add(time.Duration(i) * time.Minute)})
	}
	w.runOnce()
	start := int64(0)
	all := w.listen(event.Filter{}, &start)
	if all.Lost {
		t.Error("lost before anything was removed")
	}
	second := int64(2)
	w.trim(t)
	if l := w.listen(event.Filter{}, &second); !l.Lost || l.Since != 6 {
		t.Errorf("after event 2, with 4 to 6 kept: lost %v, since %d; want true, 6", l.Lost, l.Since)
	}
	third := int64(3)
	if l := w.listen(event.Filter{}, &third); l.Lost {
		t.Error("after event 3, with 4 to 6 kept: lost")
	} else {
		w.want(l, 3, 4, 5)
	}

	w.time = w.time.Add(64*time.Minute + time.Second) // 4 is too old now, 5 is not
	w.trim(t)
	if l := w.listen(event.Filter{}, &third); !l.Lost {
		t.Error("event 4 should be gone")
	}
	w.time = w.time.Add(24 * time.Hour)
	w.trim(t)
	newest, future := int64(6), int64(7)
	if l := w.listen(event.Filter{}, &newest); l.Lost {
		t.Error("the newest number must stay known")
	}
	if l := w.listen(event.Filter{}, &future); !l.Lost {
		t.Error("a number of the future is from another database")
	}
}

func (w *world) trim(t *testing.T) {
	t.Helper()
	if err := w.feed.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestSamples(t *testing.T) {
	w := newWorld(t, func(c *event.Config) { c.Buffer = 4 })
	w.feed.Sample("node_a", w.time, 0) // nobody asked
	plain := w.listen(event.Filter{}, nil)
	l := w.listen(event.Filter{Kinds: []event.Kind{event.Sample, event.Node}, NodeIDs: []string{"node_a"}}, nil)
	w.feed.Sample("node_a", w.time, 1)
	w.feed.Sample("node_a", w.time, 2) // within the second
	w.feed.Sample("node_b", w.time, 3) // another node
	w.time = w.time.Add(time.Second)
	w.feed.Sample("node_a", w.time, 4)
	w.time = w.time.Add(time.Second)
	w.feed.Sample("node_a", w.time, 5) // half behind
	w.publish(about("node_a", 6))
	w.runOnce()
	w.want(l, 1, 4, 6)
	w.feed.Sample("node_a", w.time, 7) // 5 was handed on to nobody
	w.want(l, 7)
	w.wantNone(l)
	w.want(plain, 6)
	w.wantNone(plain)
}

func TestClose(t *testing.T) {
	w := newWorld(t, func(c *event.Config) { c.Listeners = 2 })
	start := int64(0)
	live, late := w.listen(event.Filter{}, nil), w.listen(event.Filter{}, &start)
	w.listen(event.Filter{}, nil)
	for _, after := range []*int64{nil, &start} {
		if _, err := w.feed.Listen(t.Context(), event.Filter{}, after); !errors.Is(err, event.ErrFull) {
			t.Errorf("a third listener: %v, want ErrFull", err)
		}
	}
	done := make(chan error, 1)
	go func() {
		_, err := live.Next(t.Context())
		done <- err
	}()
	w.feed.Close()
	if err := <-done; !errors.Is(err, event.ErrClosed) {
		t.Errorf("waiting when the feed closed: %v", err)
	}
	if _, err := late.Next(t.Context()); !errors.Is(err, event.ErrClosed) {
		t.Errorf("not yet joined when the feed closed: %v", err)
	}
	if _, err := w.feed.Listen(t.Context(), event.Filter{}, nil); !errors.Is(err, event.ErrClosed) {
		t.Errorf("listening afterwards: %v", err)
	}
}

// A way out that is stuck for a while gets everything later.
func TestForwardGoesOn(t *testing.T) {
	w := newWorld(t, func(c *event.Config) { c.Buffer = 2 })
	ctx, stop := context.WithCancel(t.Context())
	stuck, got := make(chan struct{}), make(chan string)
	done := make(chan error, 1)
	w.runOnce()
	go func() {
		first := true
		done <- w.feed.Forward(ctx, func(m event.Message) {
			if first {
				<-stuck
				first = false
			}
			got <- string(m.Body)
		})
	}()
	for w.feed.Listening() == 0 {
		runtime.Gosched()
	}
	for i := range 6 {
		w.publish(about("node_a", i))
		w.runOnce()
	}
	close(stuck)
	for i := range 6 {
		if text := <-got; text != fmt.Sprint(i) {
			t.Fatalf("got %s, want %d", text, i)
		}
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A reader that gives up waiting in the middle of catching up loses nothing.
func TestInterruptedWhileCatchingUp(t *testing.T) {
	w := newWorld(t)
	w.publish(about("node_a", 1), about("node_a", 2))
	w.runOnce()
	start := int64(0)
	l := w.listen(event.Filter{}, &start)
	w.wantNone(l)
	w.publish(about("node_a", 3))
	w.runOnce()
	w.want(l, 1, 2, 3)
	w.wantNone(l)
}
