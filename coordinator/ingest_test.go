package coordinator

import (
	"encoding/json"
	"testing"
	"time"

	"lucid.internal/shared/wire"
)

// TestSamplesDoNotQueueBehindEverybodyElse: whatever takes all connections to the
// database that there are for everybody, samples are committed.
func TestSamplesDoNotQueueBehindEverybodyElse(t *testing.T) {
	l := newLife(t)
	_, token := l.create("attic-pi")
	d := l.enrol(token)
	l.await("starting", "enrolled")
	d.connect()
	l.await("starting", "enrolled", online)
	l.await("active", "proven")
	for range l.DB.Config().MaxConns {
		taken, err := l.DB.Acquire(t.Context())
		l.must(err)
		t.Cleanup(taken.Release)
	}
	payload, err := json.Marshal(wire.Metrics{V: wire.ProtocolVersion, Run: wire.NewRunID(), Samples: []wire.Sample{
		{Seq: 1, AtMs: time.Now().UnixMilli(), CPU: &wire.CPU{UsagePercent: new(12.5), Cores: 4}},
	}})
	l.must(err)
	sent := d.client.Publish(wire.Topic(d.id, wire.ChannelMetrics), 1, false, payload)
	if !sent.WaitTimeout(30*time.Second) || sent.Error() != nil {
		t.Errorf("a sample was not acknowledged: %v", sent.Error())
	}
}
