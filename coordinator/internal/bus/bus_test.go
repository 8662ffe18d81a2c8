package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

const patience = 30 * time.Second

// rig is a broker of another and a bus at it.
type rig struct {
	*Bus
	t      *testing.T
	server *mochi.Server
	ctx    context.Context
}

// open lets everybody do everything.
type open struct{ mochi.HookBase }

func (*open) Provides(b byte) bool { return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck }

func (*open) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }

func (*open) OnACLCheck(*mochi.Client, string, bool) bool { return true }

func newRig(t *testing.T) *rig {
	t.Helper()
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler), InlineClient: true})
	if err := server.AddHook(new(open), nil); err != nil {
		t.Fatal(err)
	}
	// The library counts who connects in this group, and waits for it in Close: that
	// is a race for the first of an empty one.
	server.Listeners.ClientsWg.Add(1)
	listener := listeners.NewTCP(listeners.Config{ID: "a", Address: "127.0.0.1:0"})
	if err := server.AddListener(listener); err != nil {
		t.Fatal(err)
	}
	if err := server.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Listeners.ClientsWg.Done()
		_ = server.Close()
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return &rig{Bus: New(Config{URL: "tcp://" + listener.Address()}), t: t, server: server, ctx: ctx}
}

// say publishes as nodes do.
func (r *rig) say(topic string, text string) {
	r.t.Helper()
	if err := r.server.Publish(topic, []byte(text), false, 1); err != nil {
		r.t.Fatal(err)
	}
}

// consume reads until stop.
func (r *rig) consume(s Subscription) (stop func()) {
	ctx, cancel := context.WithCancel(r.ctx)
	var running sync.WaitGroup
	running.Go(func() { r.Consume(ctx, s) })
	stop = func() { cancel(); running.Wait() }
	r.t.Cleanup(stop)
	return stop
}

// awaitSession waits until the broker has the session's subscription.
func (r *rig) awaitSession(id string) {
	r.t.Helper()
	for {
		if c, ok := r.server.Clients.Get(id); ok && len(c.State.Subscriptions.GetAll()) > 0 {
			return
		}
		select {
		case <-r.ctx.Done():
			r.t.Fatal("no subscription")
		case <-time.After(time.Millisecond):
		}
	}
}

func (r *rig) next(heard chan string) string {
	r.t.Helper()
	select {
	case text := <-heard:
		return text
	case <-r.ctx.Done():
		r.t.Fatal("nothing came")
		return ""
	}
}

// Messages of one topic do not overtake each other, however many lanes there
// are.
func TestOrder(t *testing.T) {
	r := newRig(t)
	heard := make(chan string, 1000)
	r.consume(Subscription{ClientID: "reader", Filters: []string{"a/+"}, Lanes: 8, Handle: func(_ context.Context, m Message) error {
		heard <- m.Topic + string(m.Payload)
		return nil
	}})
	r.awaitSession("reader")
	for i := range 100 {
		r.say("a/x", fmt.Sprint(i))
		r.say("a/y", fmt.Sprint(i))
	}
	next := map[string]int{}
	for range 200 {
		text := r.next(heard)
		topic := text[:3]
		if want := topic + fmt.Sprint(next[topic]); text != want {
			t.Fatalf("heard %s, want %s", text, want)
		}
		next[topic]++
	}
}

// A message of the last topic is handled once all that came before it are, in
// whichever lane, and what comes behind it does not wait.
func TestLastIsBehindAllLanes(t *testing.T) {
	r := newRig(t)
	heard, slow := make(chan string, 100), make(chan struct{})
	r.consume(Subscription{ClientID: "reader", Filters: []string{"a/+", "last"}, Last: "last", Lanes: 4, Handle: func(_ context.Context, m Message) error {
		if string(m.Payload) == "slow" {
			<-slow
		}
		heard <- m.Topic + " " + string(m.Payload)
		return nil
	}})
	r.awaitSession("reader")
	r.say("a/0", "slow")
	r.say("last", "1")
	for i := range 8 { // some of them in lanes that nothing holds up
		r.say(fmt.Sprint("a/", i+1), "quick")
	}
	if got := r.next(heard); !strings.HasSuffix(got, "quick") {
		t.Errorf("heard %q first", got)
	}
	close(slow)
	var order []string
	for range 9 {
		order = append(order, r.next(heard))
	}
	if before, last := slices.Index(order, "a/0 slow"), slices.Index(order, "last 1"); before < 0 || last < before {
		t.Errorf("heard %q", order)
	}
}

// collect hears that many messages, and sorts them: a broker may send again in
// another order.
func (r *rig) collect(heard chan string, count int) []string {
	r.t.Helper()
	var all []string
	for range count {
		all = append(all, r.next(heard))
	}
	slices.Sort(all)
	return all
}

// A message that was not taken comes again on the next connection.
func TestWhatWasNotTakenComesAgain(t *testing.T) {
	r := newRig(t)
	heard := make(chan string, 100)
	failures := 2
	s := Subscription{ClientID: "reader", Filters: []string{"a/+"}, Lanes: 4, Handle: func(_ context.Context, m Message) error {
		if string(m.Payload) == "2" && failures > 0 {
			failures--
			return errors.New("the database is away")
		}
		heard <- string(m.Payload)
		return nil
	}}
	r.consume(s)
	r.awaitSession("reader")
	for i := 1; i <= 5; i++ {
		r.say("a/b", fmt.Sprint(i))
	}
	if got := r.collect(heard, 5); !slices.Equal(got, []string{"1", "2", "3", "4", "5"}) || failures != 0 {
		t.Errorf("heard %v with %d failures to come", got, failures)
	}
}

// What comes while nobody is connected waits, and is taken by whoever empties
// the session; afterwards the broker has none of that name.
func TestDrain(t *testing.T) {
	r := newRig(t)
	heard := make(chan string, 100)
	s := Subscription{ClientID: "gone", Filters: []string{"$share/lucid/a/+"}, Lanes: 2, Handle: func(_ context.Context, m Message) error {
		heard <- string(m.Payload)
		return nil
	}}
	stop := r.consume(s)
	r.awaitSession("gone")
	stop()
	r.say("a/b", "1")
	r.say("a/b", "2")
	if err := r.Drain(r.ctx, s); err != nil {
		t.Fatal(err)
	}
	if len(heard) != 2 {
		t.Errorf("%d messages were taken, want 2", len(heard))
	}
	r.say("a/b", "3")
	stop = r.consume(s)
	defer stop()
	r.awaitSession("gone")
	r.say("a/b", "4")
	if got := r.collect(heard, 3); !slices.Equal(got, []string{"1", "2", "4"}) {
		t.Errorf("heard %v", got)
	}
}

func TestPublish(t *testing.T) {
	r := newRig(t)
	if err := r.Publish("a", nil, 1, false); err == nil || r.Ready() == nil {
		t.Error("without a connection something was published")
	}
	ctx, cancel := context.WithCancel(r.ctx)
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	defer func() { cancel(); running.Wait() }()
	heard := make(chan string, 1)
	r.consume(Subscription{ClientID: "other", Filters: []string{"a"}, Handle: func(_ context.Context, m Message) error {
		heard <- string(m.Payload)
		return nil
	}})
	r.awaitSession("other")
	for r.Ready() != nil {
		select {
		case <-r.ctx.Done():
			t.Fatal(r.Ready())
		case <-time.After(time.Millisecond):
		}
	}
	if err := r.Publish("a", []byte("x"), 1, false); err != nil {
		t.Fatal(err)
	}
	if got := r.next(heard); got != "x" {
		t.Errorf("heard %q", got)
	}
}

// A message that nobody can bear must not end the program, nor keep what comes
// after it from being read.
func TestPanicDropsTheMessage(t *testing.T) {
	r := newRig(t)
	read := make(chan string, 2)
	r.consume(Subscription{ClientID: "reader", Filters: []string{"a/+"}, Lanes: 1, Handle: func(_ context.Context, m Message) error {
		if string(m.Payload) == "poison" {
			panic("what nobody thought of")
		}
		read <- string(m.Payload)
		return nil
	}})
	r.awaitSession("reader")
	r.say("a/1", "poison")
	r.say("a/1", "bread")
	select {
	case got := <-read:
		if got != "bread" {
			t.Errorf("read %q", got)
		}
	case <-r.ctx.Done():
		t.Fatal("nothing was read after it")
	}
}
