package agent

import (
	"bytes"
	"testing"

	"lucid.internal/agent/internal/coordtest"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// acknowledge does what the coordinator does behind a broker that is not its
// own; change spoils it after it was signed.
func (n *network) acknowledge(m *wire.Metrics, change func(*wire.MetricsAck)) {
	n.t.Helper()
	ack := wire.MetricsAck{V: 1, Run: m.Run, Seq: m.LastSeq()}
	proof.SignAck(n.enrolment.Root("token").Derive().Challenge, testNode, &ack)
	if change != nil {
		change(&ack)
	}
	n.broker.Send(wire.Topic(testNode, wire.ChannelMetricsAck), encode(ack), 1, false)
}

func (n *network) nextMetrics() (*wire.Metrics, []byte) {
	n.t.Helper()
	p := n.next(wire.ChannelMetrics)
	m, err := wire.DecodeMetrics(p.Payload)
	if err != nil {
		n.t.Fatal(err)
	}
	return m, p.Payload
}

// TestRelayedMessageIsKeptUntilTheCoordinatorHasIt: behind another's broker a
// PUBACK is no commit, and nothing but the coordinator's own word is.
func TestRelayedMessageIsKeptUntilTheCoordinatorHasIt(t *testing.T) {
	n := newNetworkWith(t, coordtest.BrokerConfig{Relay: true})
	a, _ := n.start()
	first, sent := n.nextMetrics()
	n.acknowledge(first, func(ack *wire.MetricsAck) { ack.MAC[0] ^= 1 })
	n.acknowledge(first, func(ack *wire.MetricsAck) { ack.Seq++ }) // not what was signed
	earlier := *first
	earlier.Run = wire.NewRunID()
	n.acknowledge(&earlier, nil) // genuine, of another run
	n.broker.Kick(testNode)
	again, resent := n.nextMetrics()
	if !bytes.Equal(sent, resent) {
		t.Fatalf("after a PUBACK, and words that are not the coordinator's, came %d..%d; want %d..%d once more, byte for byte",
			again.FirstSeq(), again.LastSeq(), first.FirstSeq(), first.LastSeq())
	}
	if got := a.journal.acknowledged(); got.Seq != 0 {
		t.Errorf("%d is taken as acknowledged", got.Seq)
	}
	n.acknowledge(first, nil)
	next, _ := n.nextMetrics()
	if next.FirstSeq() != first.LastSeq()+1 {
		t.Errorf("after %d came %d", first.LastSeq(), next.FirstSeq())
	}
	n.acknowledge(next, nil)
}
