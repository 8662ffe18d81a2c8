package agent

import (
	"errors"
	"net"
	"strings"
	"testing"

	"lucid.internal/agent/internal/coordtest"
	"lucid.internal/shared/wire"
)

func TestOwnersHomeAssistantSeesTheSamplesUntilItIsWithdrawn(t *testing.T) {
	n := newNetwork(t, nil)
	home := coordtest.NewBroker(t, coordtest.BrokerConfig{})
	n.config.HomeAssistant.Broker = "mqtt://" + home.Addr
	_, stop := n.start()
	seen := make(map[string]string)
	for seen["lucid-agent/node_test/state"] == "" {
		select {
		case p := <-home.Published:
			seen[p.Topic] = string(p.Payload)
		case <-n.ctx.Done():
			t.Fatalf("no state came, only %v", seen)
		}
	}
	if d := seen["homeassistant/device/node_test/config"]; !strings.Contains(d, `"model":"Raspberry Pi 4 Model B Rev 1.4"`) {
		t.Errorf("document = %s", d)
	}
	n.reported(func(r *Report) bool { return r.HomeAssistant == "connected to mqtt://"+home.Addr })
	stop()
	if err := Withdraw(n.ctx, n.config); err != nil {
		t.Fatal(err)
	}
	last := make(map[string]string)
	for len(home.Published) > 0 {
		p := <-home.Published
		last[p.Topic] = string(p.Payload)
	}
	if document, found := last["homeassistant/device/node_test/config"]; !found || document != "" {
		t.Errorf("after it was withdrawn the document is %q", document)
	}
	n.config.HomeAssistant.Broker = ""
	if err := Withdraw(n.ctx, n.config); !errors.Is(err, ErrNoHomeAssistant) {
		t.Errorf("error = %v", err)
	}
}

// The owner's broker takes the connection and then says nothing: the
// coordinator notices nothing of it.
func TestSilentHomeAssistantDoesNotHoldUpTheCoordinator(t *testing.T) {
	n := newNetwork(t, nil)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	n.config.HomeAssistant.Broker = "mqtt://" + silent.Addr().String()
	_, stop := n.start()
	for range 2 {
		n.next(wire.ChannelMetrics)
	}
	stop()
	if goodbye := decode[wire.Status](t, n.next(wire.ChannelStatus).Payload); goodbye.Online {
		t.Errorf("goodbye = %+v", goodbye)
	}
}
