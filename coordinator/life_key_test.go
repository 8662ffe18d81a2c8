package coordinator

import (
	"crypto/ecdh"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// rotate answers the offer of a key as an agent does, and gives the keys that
// follow.
func (d *device) rotate(client paho.Client, c *wire.Command) proof.Keys {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		d.t.Error(err)
		return proof.Keys{}
	}
	public := private.PublicKey().Bytes()
	root, err := proof.RotatedRoot(private, c.Key.X25519Public, d.id, c.Key, public)
	if err != nil {
		d.t.Error(err)
	}
	client.Publish(wire.Topic(d.id, wire.ChannelCommandResult), 1, false, d.encode(wire.CommandResult{
		V: wire.ProtocolVersion, CommandID: c.CommandID, Result: wire.CommandDone, Key: proof.SignAnswer(d.sign, d.id, c.Key, public),
	}))
	return root.Derive()
}

// TestKeyIsRotatedOverTheRunningConnection: an operator asks, the node gets its
// next key where it is, proves itself under it, and comes back with it. Within
// the overlap the key before opens too; after it neither login nor connection.
func TestKeyIsRotatedOverTheRunningConnection(t *testing.T) {
	l := newLife(t)
	id, token := l.create("attic-pi")
	d := l.enrol(token)
	d.connect()
	l.await("active", "proven")

	before := d.keys
	next := make(chan proof.Keys, 1)
	d.other = func(client paho.Client, c *wire.Command) { next <- d.rotate(client, c) }
	if _, err := l.Nodes.RotateKeys(t.Context(), ByCLI(), []string{id}); err != nil {
		t.Fatal(err)
	}
	l.must(l.Nodes.RunOnceRotation(t.Context()))
	after := <-next
	l.awaitRow(`SELECT FROM node_key WHERE node_no = (SELECT node_no FROM node WHERE node_id = $1) AND key_epoch = 2`, id)
	select {
	case err := <-d.lost:
		t.Fatalf("the rotation cost the connection: %v", err)
	default:
	}

	d.keys = after
	l.must(l.Nodes.RunOnce(t.Context()))
	l.call("POST", "/nodes/"+id+"/stop", "", 202, nil) // a command under the new key
	l.await("inactive", "stop confirmed")

	old := &device{life: l, id: id, keys: before, sign: d.sign, ca: d.ca, run: d.run, door: d.door, alive: d.alive}
	l.must(old.dial())
	old.client.Disconnect(0)
	if _, err := l.DB.Exec(t.Context(), "UPDATE node_key SET retired_at = now() - interval '1s' WHERE key_epoch = 1"); err != nil { // the overlap passes
		t.Fatal(err)
	}
	if err := old.dial(); err == nil || !strings.Contains(err.Error(), "not Authorized") {
		t.Errorf("the old key connects after the overlap: %v", err)
	}
	l.must(d.dial())
	d.client.Disconnect(0)
}

// awaitRow waits until a query finds a row.
func (l *life) awaitRow(query string, args ...any) {
	l.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for found := false; !found; {
		l.must(l.DB.QueryRow(l.t.Context(), "SELECT EXISTS ("+query+")", args...).Scan(&found))
		select {
		case <-tick.C:
		case <-l.t.Context().Done():
			l.t.Fatal("the test ended before the row was there")
		}
	}
}
