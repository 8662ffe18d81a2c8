package agent

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"lucid.internal/agent/internal/coordtest"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// TestAMonthOfConnectionsLeavesNothingBehind is a month by the agent's clock.
// In each of its hours the connection ends: the coordinator starts again, or
// breaks it, or the agent does; it comes back over a new one and answers a
// challenge.
// The least that it uses in the last hours, goroutines and descriptors, is what
// it used in the first.
func TestAMonthOfConnectionsLeavesNothingBehind(t *testing.T) {
	const month, window = 30 * 24, 30
	var passed atomic.Int64
	n := newNetwork(t, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	n.ctx = ctx
	n.config.Now = func() time.Time { return time.Now().Add(time.Duration(passed.Load()) * time.Hour) }
	a, _ := n.start()
	n.awaitConnection(1)
	var used []usage
	for hour := range month {
		passed.Add(1)
		switch hour % 3 {
		case 0:
			n.broker.Close()
			n.broker = coordtest.NewBroker(t, n.settings)
		case 1:
			n.broker.Kick(testNode)
		case 2:
			s, err := a.link.Session(ctx)
			if err != nil {
				t.Fatal(err)
			}
			s.Break(errors.New("the network changed"))
		}
		n.awaitConnection(uint32(hour + 2))
		n.prove(a, uint16(hour))
		used = append(used, usedNow(t))
	}
	first, last := least(used[:window]), least(used[month-window:])
	const slack = 5 // of work that never pauses on a busy machine; one lost an hour would be 720
	if last.goroutines > first.goroutines+slack || last.descriptors > first.descriptors+slack {
		t.Errorf("%+v became %+v", first, last)
	}
	t.Logf("%+v after %d connections", last, month+1)
}

// awaitConnection waits until the agent has made that connection or a later
// one, and listens on it.
func (n *network) awaitConnection(number uint32) {
	n.t.Helper()
	for {
		s := decode[wire.Status](n.t, n.next(wire.ChannelStatus).Payload)
		if s.Online && s.Connection >= number {
			return
		}
	}
}

// prove asks for a proof that is made at once, and waits for it. A challenge, and
// its answer, end with their connection: whoever hears nothing asks again, as the
// coordinator does. It does so on another connection: the broker of these tests
// forgets what a client reads when the end of its former connection is late.
func (n *network) prove(a *Agent, hour uint16) {
	n.t.Helper()
	for try := byte(0); ; try++ {
		now := n.config.Now().UnixMilli()
		c := &proof.Challenge{ID: proof.ID{1, byte(hour >> 8), byte(hour), try}, NodeID: testNode, KeyEpoch: 1, IssuedMs: now, DeadlineMs: now + 30_000, Difficulty: 1}
		c.SetTargets(proof.Key{9}, 1)
		n.broker.Send(wire.Topic(testNode, wire.ChannelChallenge), n.message(c), 0, false)
		again := time.After(10 * time.Second)
		for heard := true; heard; {
			select {
			case p := <-n.broker.Published:
				if p.Topic == wire.Topic(testNode, wire.ChannelResponse) {
					return
				}
			case <-again:
				heard = false
				if s, err := a.link.Session(n.ctx); err == nil {
					s.Break(errors.New("nothing is heard on it"))
					n.awaitConnection(s.Connection + 1)
				}
			case <-n.ctx.Done():
				n.t.Fatalf("hour %d: no challenge was answered", hour)
			}
		}
	}
}

// usage is what a process may leak.
type usage struct{ goroutines, descriptors int }

func usedNow(t *testing.T) usage {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not list its descriptors")
	}
	return usage{runtime.NumGoroutine(), len(entries)}
}

// least is without what was still being cleaned up at one moment or another.
func least(list []usage) usage {
	lowest := list[0]
	for _, u := range list {
		lowest = usage{min(lowest.goroutines, u.goroutines), min(lowest.descriptors, u.descriptors)}
	}
	return lowest
}
