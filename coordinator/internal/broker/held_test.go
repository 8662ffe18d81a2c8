package broker

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"lucid.internal/shared/wire"
)

// An answer came when it was read, however long the commit of the samples before
// it takes; of one behind it, which could not be read meanwhile, it is told how
// long that was.
func TestAnswersAreTimedWhenTheyCome(t *testing.T) {
	deliveries, answers, read := make(chan delivery, 10), make(chan Arrival, 10), make(chan struct{}, 10)
	var clock atomic.Int64
	r := plainRig(t, func(c *Config) {
		byHand(deliveries)(c)
		c.OnResponse = func(_ context.Context, _ Client, _ []byte, a Arrival) { answers <- a }
		c.Now = func() time.Time {
			now := time.UnixMilli(clock.Load())
			read <- struct{}{}
			return now
		}
	})
	c, err := logIn(r.PlainAddr(), "node_a")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send := func(messages ...[]byte) {
		t.Helper()
		if _, err := c.Write(slices.Concat(messages...)); err != nil {
			t.Fatal(err)
		}
	}
	// All three are in the reader's hands before the first is settled.
	send(publication(wire.ChannelMetrics, 1), publication(wire.ChannelResponse, 2), publication(wire.ChannelResponse, 3))
	d := next(t, deliveries)
	next(t, read)
	clock.Store(5000)
	d.settle(nil)
	next(t, read) // of the second
	want(t, "first", next(t, answers), Arrival{At: time.UnixMilli(0)})
	if a := next(t, answers); a.At != time.UnixMilli(5000) || a.Held <= 0 {
		t.Errorf("the second came %+v", a)
	}
	wantAcknowledged(t, c, 1, 3)
	// Whoever lets the reader wait has sent nothing that it has not read, also
	// where he lets it wait amid a message.
	for part, begun := range []int{0, 1, 20} {
		send(publication(wire.ChannelMetrics, 4), publication(wire.ChannelResponse, 5), publication(wire.ChannelResponse, 6))
		d := next(t, deliveries)
		next(t, read)
		d.settle(nil)
		next(t, read)
		wantAcknowledged(t, c, 4, 6)
		next(t, answers)
		want(t, "held up again", next(t, answers).Held > 0, true)
		for silence := 2 * time.Millisecond; ; silence *= 2 {
			message := publication(wire.ChannelResponse, 7)
			send(message[:begun])
			<-time.After(silence) // in which the reader waits for the node
			send(message[begun:])
			wantAcknowledged(t, c, 7, 7)
			if next(t, read); next(t, answers).Held == 0 {
				break
			}
			if silence > 10*time.Second {
				t.Fatalf("%d: that the reader was held up once is never forgotten", part)
			}
		}
	}
}

// A node that never lets its reader wait gains what one window of messages
// takes, and no more the longer it goes on.
func TestHeldIsWhatLastMessagesTook(t *testing.T) {
	var h held
	for range 3 * messagesBefore {
		h.add(time.Second)
	}
	want(t, "held", h.sum, messagesBefore*time.Second)
	for range messagesBefore - 1 {
		h.add(0)
	}
	want(t, "held after others", h.sum, time.Second)
	h.waited(time.Now().Add(-2 * idle))
	want(t, "held after the reader waited", h, held{})
	want(t, "held of nothing", h.waiting(), time.Time{})
}
