package broker

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lucid.internal/shared/wire"
)

func TestWhoIsLoggedInGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(1)
		want(t, "the first", d.enter(t.Context(), loggingIn, time.Minute), true)
		var served []string
		var all sync.WaitGroup
		for i, at := range []stage{loggingIn, loggedIn, loggingIn, loggedIn} {
			all.Go(func() {
				if d.enter(t.Context(), at, time.Minute) {
					served = append(served, fmt.Sprint(at, i))
					d.leave()
				}
			})
			synctest.Wait()
		}
		d.leave()
		all.Wait()
		if !slices.Equal(served, []string{"0 1", "0 3", "1 0", "1 2"}) {
			t.Errorf("served in the order %q", served)
		}
		want(t, "free at last", d.free, 1)
	})
}

func TestWhoWaitsTooLongLosesNobodyATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(2)
		for range 2 {
			want(t, "free", d.enter(t.Context(), loggingIn, time.Minute), true)
		}
		want(t, "beyond its patience", d.enter(t.Context(), loggedIn, time.Second), false)
		ended, end := context.WithCancel(t.Context())
		end()
		want(t, "when the broker closes", d.enter(ended, loggedIn, time.Minute), false)
		last := make(chan bool)
		go func() { last <- d.enter(t.Context(), loggingIn, time.Minute) }()
		synctest.Wait()
		d.leave()
		want(t, "who still waits", <-last, true)
		d.leave()
		d.leave()
		want(t, "free at last", d.free, 2)
	})
}

// However many log in and send at once, no more calls are made than may be, and
// all of them are.
func TestCallsAreBounded(t *testing.T) {
	const most, nodes = 3, 60
	var now, peak, made atomic.Int64
	met := make(chan struct{})
	meet := sync.OnceFunc(func() { close(met) })
	work := func() {
		n := now.Add(1)
		for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
		}
		made.Add(1)
		if n == most {
			meet()
		}
		<-met // the first wait for as many as may be
		now.Add(-1)
	}
	r := plainRig(t, func(c *Config) {
		c.Calls = most
		c.Authenticate = func(context.Context, string, []byte) (int32, uint32, error) { work(); return 1, 1, nil }
		c.OnConnect = func(context.Context, Client) (uint64, error) { work(); return 1, nil }
		c.OnInfo = func(context.Context, Client, []byte) error { work(); return nil }
	})
	var all sync.WaitGroup
	for i := range nodes {
		all.Go(func() {
			nodeID := fmt.Sprintf("node_%d", i)
			c, err := logIn(r.PlainAddr(), nodeID)
			if err == nil {
				err = publishOn(c, nodeID, wire.ChannelInfo)
				_ = c.Close()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if peak.Load() > most || made.Load() != 3*nodes {
		t.Errorf("%d calls, up to %d at once; want %d, and up to %d", made.Load(), peak.Load(), 3*nodes, most)
	}
}

// While another login takes the only turn for too long, whoever logs in is told to
// come again, and whoever is logged in is heard all the same.
func TestOnlyLoginsAreTurnedAway(t *testing.T) {
	held, release := make(chan struct{}, 1), make(chan struct{})
	r := plainRig(t, func(c *Config) {
		c.Calls, c.CallTimeout = 1, time.Second
		c.Authenticate = func(_ context.Context, nodeID string, _ []byte) (int32, uint32, error) {
			if nodeID == "node_slow" {
				held <- struct{}{}
				<-release
			}
			return 1, 1, nil
		}
	})
	before, err := logIn(r.PlainAddr(), "node_a")
	want(t, "before", err, nil)
	slow := make(chan error)
	go func() {
		c, err := logIn(r.PlainAddr(), "node_slow")
		_ = c.Close()
		slow <- err
	}()
	<-held
	if _, err := logIn(r.PlainAddr(), "node_b"); err == nil || err.Error() != "CONNECT was answered with 20 02 00 03" {
		t.Errorf("another login: %v, want server unavailable", err)
	}
	want(t, "refused", r.refused(tooBusy), 1)
	want(t, "a message of who is logged in", publishOn(before, "node_a", wire.ChannelInfo), nil)
	close(release)
	want(t, "the slow one", <-slow, nil)
	after, err := logIn(r.PlainAddr(), "node_b")
	want(t, "afterwards", err, nil)
	_ = after.Close()
	_ = before.Close()
}

// A login that waited for its turn has only the rest of its time for the call: a
// client that has given up is not worth a turn.
func TestWaitingCountsAsTimeOfTheLogin(t *testing.T) {
	var until time.Time
	check := func(ctx context.Context) { until, _ = ctx.Deadline() }
	r := plainRig(t, func(c *Config) {
		c.Calls = 1
		c.Authenticate = func(ctx context.Context, _ string, _ []byte) (int32, uint32, error) { check(ctx); return 1, 1, nil }
		c.AuthenticateReader = func(ctx context.Context, _ string, _ []byte, _ netip.Addr) ([]string, error) {
			check(ctx)
			return []string{"#"}, nil
		}
	})
	for _, who := range []string{"node_a", "key_a"} {
		want(t, "the only turn", r.desk.enter(t.Context(), loggingIn, patience), true)
		answered := make(chan error)
		go func() {
			c, err := logIn(r.PlainAddr(), who)
			if err == nil {
				err = c.Close()
			}
			answered <- err
		}()
		r.awaitQueue(loggingIn)
		waited := time.Now()
		r.desk.leave()
		want(t, who, <-answered, nil)
		if most := waited.Add(r.cfg.CallTimeout); until.IsZero() || until.After(most) {
			t.Errorf("%s may be checked until %v, %v later than CallTimeout after it came", who, until, until.Sub(most))
		}
	}
}

// awaitQueue waits until somebody waits for a turn.
func (r *rig) awaitQueue(at stage) {
	for queued := 0; queued == 0; runtime.Gosched() {
		r.desk.mu.Lock()
		queued = len(r.desk.waiting[at])
		r.desk.mu.Unlock()
		if r.t.Context().Err() != nil {
			return
		}
	}
}
