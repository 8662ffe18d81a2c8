package coordinator

import (
	"crypto/ed25519"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// TestCAIsRotatedUnderAConnectedNode: the node is told to trust both, comes
// back by either while the old one makes certificates, and by the new one after.
func TestCAIsRotatedUnderAConnectedNode(t *testing.T) {
	l := newLife(t)
	_, token := l.create("attic-pi")
	d := l.enrol(token)
	old := l.Authority.CAPEM()
	moves := make(chan *wire.Whereabouts, 1)
	d.other = func(client paho.Client, c *wire.Command) {
		moves <- c.Coordinator
		client.Publish(wire.Topic(d.id, wire.ChannelCommandResult), 1, false,
			d.encode(wire.CommandResult{V: wire.ProtocolVersion, CommandID: c.CommandID, Result: wire.CommandDone}))
	}
	d.connect()
	l.await("active", "proven")

	l.must(l.RotateCA(t.Context(), 14*24*time.Hour))
	l.must(l.Nodes.RunOnceMove(t.Context()))
	l.must(l.Nodes.RunOnce(t.Context()))
	told := <-moves
	l.must(proof.VerifyWhereabouts(l.enrolmentKey.Public().(ed25519.PublicKey), d.id, told))
	if !strings.HasPrefix(told.CAPEM, old) || strings.Count(told.CAPEM, "BEGIN") != 2 {
		t.Errorf("told to trust\n%s", told.CAPEM)
	}
	l.awaitRow("SELECT FROM node WHERE node_id = $1 AND told_places = telling_places", d.id)

	dial := func(ca string) error {
		d.client.Disconnect(0)
		d.ca = x509.NewCertPool()
		d.ca.AppendCertsFromPEM([]byte(ca))
		return d.dial()
	}
	next := strings.TrimPrefix(told.CAPEM, old)
	l.must(dial(told.CAPEM))
	if dial(next) == nil {
		t.Error("the new CA makes certificates before its time")
	}
	// The overlap passes.
	if _, err := l.DB.Exec(t.Context(), "UPDATE ca_rotation SET announced_at = now() - interval '15 days', issues_from = now() - interval '1 day'"); err != nil {
		t.Fatal(err)
	}
	l.must(l.Authority.Reload(t.Context()))
	if dial(old) == nil {
		t.Error("the old CA makes certificates after its time")
	}
	l.must(dial(next))
	l.must(dial(told.CAPEM))
	d.client.Disconnect(0)
}
