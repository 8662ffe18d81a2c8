package coordinator

import (
	"net/http"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// TestConfigurationReachesItsNode: what an operator sets over the API comes
// over MQTT to the node, and stays at the broker for a later connection; the
// node's answer is what the API shows then.
func TestConfigurationReachesItsNode(t *testing.T) {
	l := newLife(t)
	id, token := l.create("attic-pi")
	path := "/nodes/" + id
	d := l.enrol(token)
	d.connect()
	l.await("starting", "enrolled", online)
	received := make(chan paho.Message, 4)
	listen := func() {
		t.Helper()
		l.must(done(d.client.Subscribe(wire.Topic(id, wire.ChannelConfig), 1, func(_ paho.Client, m paho.Message) { received <- m })))
	}
	next := func() (*wire.Config, bool) {
		t.Helper()
		select {
		case m := <-received:
			c, err := wire.DecodeConfig(m.Payload())
			l.must(err)
			if !proof.VerifyConfig(d.keys.Command, id, c) {
				t.Fatalf("%s is not signed for this node", m.Payload())
			}
			return c, m.Retained()
		case <-time.After(patience):
			t.Fatal("no configuration came")
			return nil, false
		}
	}
	listen()
	l.call(http.MethodPut, path, `{"configuration": {"sample_interval_seconds": 5, "publish_interval_seconds": 30}}`, http.StatusOK, nil)
	c, _ := next()
	first := int64(c.Version)
	if first == 0 || c.SampleIntervalMs != 5000 || c.PublishIntervalMs != 30000 {
		t.Errorf("received %+v", c)
	}
	l.must(done(d.client.Publish(wire.Topic(id, wire.ChannelCommandResult), 1, false, d.encode(wire.CommandResult{
		V: wire.ProtocolVersion, CommandID: c.ConfigID, Result: wire.CommandRefused, Reason: "sample_interval: not here",
	}))))
	var got struct {
		Configuration struct {
			Agent struct {
				Version int64  `json:"version"`
				State   string `json:"state"`
				Reason  string `json:"reason"`
			} `json:"agent"`
		} `json:"configuration"`
	}
	l.call(http.MethodGet, path, "", http.StatusOK, &got) // the publication is acknowledged once the answer is stored
	if a := got.Configuration.Agent; a.Version != first || a.State != "refused" || a.Reason != "sample_interval: not here" {
		t.Errorf("the API shows %+v", a)
	}

	d.cut()
	l.await("starting", "enrolled", offline)
	d.connect()
	listen()
	if c, retained := next(); int64(c.Version) != first || !retained {
		t.Errorf("a new connection is given %+v (retained %v)", c, retained)
	}
}
