package agent

import (
	"sync/atomic"
	"testing"
	"time"

	"lucid.internal/agent/internal/coordtest"
	"lucid.internal/agent/internal/link"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// TestBrokerThatOutlivesARestoreMakesNoNodeDeaf: a broker of its own keeps the
// configuration that was published under a key which the restored database lost.
// The agent goes back to the key before, and obeys whoever speaks under it, also
// when nothing of a while ago counts any more.
func TestBrokerThatOutlivesARestoreMakesNoNodeDeaf(t *testing.T) {
	var password atomic.Pointer[string]
	var later atomic.Int64
	n := newNetworkWith(t, coordtest.BrokerConfig{Relay: true, Login: func(shown string) bool { return shown == *password.Load() }})
	n.config.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	first := n.enrolment.Root("token").Derive()
	password.Store(&first.MQTTPassword)
	a, stop := n.start()
	n.next(wire.ChannelInfo)

	lost := n.rotate(a, first, 1)
	n.wantDone(n.order(lost, wire.CommandRefreshInfo, 2)) // the lost key is in use
	stop()
	kept := configuration(lost, 3, 7*time.Second, 7*time.Second)
	n.broker.Send(wire.Topic(testNode, wire.ChannelConfig), encode(kept), 1, true)

	// The database is restored, and the broker configured from it.
	a, _ = n.start()
	n.next(wire.ChannelInfo)
	a.receive(link.Message{Channel: wire.ChannelConfig, Payload: encode(kept), Retained: true}) // as it came already
	later.Store(int64(time.Hour))
	n.wantDone(n.order(first, wire.CommandStop, 4))
	if v := a.control.ConfigVersion(); v != 0 {
		t.Errorf("configuration %d of a time that is lost was taken", v)
	}
	if a.keys.Newest() != 2 {
		t.Errorf("the coordinator is told of epoch %d as the newest, want 2", a.keys.Newest())
	}
	replaced := n.rotate(a, first, 5)
	later.Add(int64(time.Hour))
	n.wantDone(n.order(replaced, wire.CommandStart, 6))
	for _, e := range a.keys.Epochs() {
		if e.Keys == lost {
			t.Error("the lost key is heeded when another one took its place")
		}
	}
}

// rotate offers the next key of the present epoch, and gives what comes of it.
func (n *network) rotate(a *Agent, under proof.Keys, version uint64) proof.Keys {
	n.t.Helper()
	offer, private := n.enrolment.Offer(n.t, testNode, 2)
	c := n.command(wire.CommandRotateKey, version)
	c.Key = offer
	n.send(under, c)
	result := decode[wire.CommandResult](n.t, n.next(wire.ChannelCommandResult).Payload)
	if result.Key == nil {
		n.t.Fatalf("the offer is answered %+v", result)
	}
	root, err := proof.RotatedRoot(private, result.Key.X25519Public, testNode, offer, result.Key.X25519Public)
	if err != nil {
		n.t.Fatal(err)
	}
	return root.Derive()
}
