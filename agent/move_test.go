package agent

import (
	"strings"
	"testing"
	"time"

	"lucid.internal/agent/internal/coordtest"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

func TestAgentFollowsItsCoordinatorToAnotherPlaceAndCA(t *testing.T) {
	n := newNetwork(t, nil)
	n.start()
	n.next(wire.ChannelInfo)
	next := coordtest.NewAuthority(t)
	elsewhere := coordtest.NewBroker(t, coordtest.BrokerConfig{TLS: next.Server(t, "127.0.0.1")})
	w := &wire.Whereabouts{MQTT: []string{elsewhere.Addr}, CAPEM: next.PEM}
	n.enrolment.Sign(func(key []byte) { proof.SignWhereabouts(key, testNode, w) })
	c := &wire.Command{
		V: 1, CommandID: strings.Repeat("a", 32), Kind: wire.CommandMove, Version: 1, Coordinator: w,
		IssuedMs: time.Now().UnixMilli(), ExpiresMs: time.Now().Add(time.Minute).UnixMilli(),
	}
	proof.SignCommand(n.enrolment.Root("token").Derive().Command, testNode, c)
	n.broker.Send(wire.Topic(testNode, wire.ChannelCommand), encode(c), 1, false)
	n.wantDone(c.CommandID)
	n.broker.Close()
	for {
		select {
		case p := <-elsewhere.Published:
			if p.Topic == wire.Topic(testNode, wire.ChannelInfo) {
				return
			}
		case <-n.ctx.Done():
			t.Fatal("it does not come where the coordinator went")
		}
	}
}
