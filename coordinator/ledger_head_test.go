package coordinator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/shared/wire"
)

// Who was granted it reads the recorded head over MQTT, also who comes later;
// nobody else does.
func TestLedgerHeadIsRetained(t *testing.T) {
	c := serving(t)
	reader := func(topics ...string) *integrator {
		t.Helper()
		key, secret, err := c.CreateKey(t.Context(), KeyRequest{Name: "auditor" + topics[0][len("lucid/v1/"):len("lucid/v1/")+4], Role: string(access.Viewer)})
		if err != nil {
			t.Fatal(err)
		}
		for _, topic := range topics {
			if _, err := c.Access.GrantTopic(t.Context(), ByCLI(), key.ID, topic); err != nil {
				t.Fatal(err)
			}
		}
		return c.integrator(t, key.ID, secret)
	}
	early := reader(wire.LedgerHeadTopic)
	if code := early.subscribe(wire.LedgerHeadTopic, func(_ paho.Client, m paho.Message) { early.got <- m }); code != 1 {
		t.Fatalf("subscribed with %#x", code)
	}
	var payload []byte
	select {
	case m := <-early.got:
		payload = m.Payload()
	case <-time.After(integratorPatience):
		t.Fatal("no head was published")
	}
	var published ledger.Publication
	if err := json.Unmarshal(payload, &published); err != nil {
		t.Fatalf("%v in %s", err, payload)
	}
	recorded := func() []byte { // last: for that hour it is done
		t.Helper()
		p, err := ledger.Publish(t.Context(), c.DB, published.Hour)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(p)
		return text
	}
	if want := recorded(); !bytes.Equal(payload, want) {
		t.Errorf("published %s, recorded %s", payload, want)
	}
	early.Disconnect(0)
	late := reader(wire.EventTopic("pool"), wire.LedgerHeadTopic)
	late.subscribe(wire.LedgerHeadTopic, func(_ paho.Client, m paho.Message) { late.got <- m })
	m := <-late.got
	newest := bytes.Equal(m.Payload(), payload) || bytes.Equal(m.Payload(), recorded()) // another hour may have begun
	if !m.Retained() || !newest {
		t.Errorf("who comes later reads %s, retained %t", m.Payload(), m.Retained())
	}
	if code := reader(wire.PoolSummaryTopic("+")).subscribe(wire.LedgerHeadTopic, nil); code < 0x80 {
		t.Errorf("without the grant: subscribed, %#x", code)
	}
}

// Each hour's head is published once by a process, when it is new, and again
// until the broker took it.
func TestLedgerHeadIsPublishedOnceAnHour(t *testing.T) {
	hour := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := ledger.Publication{V: 1, Hour: hour}
	var refuse error
	published := 0
	h := &ledgerHead{
		last: func(context.Context) (ledger.Publication, error) { return now, nil },
		publish: func(topic string, _ []byte, qos byte, retain bool) error {
			if topic != "lucid/v1/ledger/head" || qos != 1 || !retain {
				t.Errorf("%s, QoS %d, retain %t", topic, qos, retain)
			}
			if refuse == nil {
				published++
			}
			return refuse
		},
	}
	run := func(want int) {
		t.Helper()
		if err := h.RunOnce(t.Context()); (err != nil) != (refuse != nil) || published != want {
			t.Errorf("published %d times, %v; want %d", published, err, want)
		}
	}
	run(1)
	run(1)
	now.Hour, refuse = hour.Add(time.Hour), errors.New("closed")
	run(1)
	refuse = nil
	run(2)
	run(2)
}
