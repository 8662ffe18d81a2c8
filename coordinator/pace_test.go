package coordinator

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lucid.internal/shared/wire"
)

func TestPace(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	p := newPace(prometheus.NewRegistry(), func() time.Time { return now })
	heard := func(nodeNo int32, channel wire.Channel, sent int) (n int) {
		for range sent {
			if p.hears(nodeNo, channel) {
				n++
			}
		}
		return n
	}
	if n := heard(1, wire.ChannelInfo, 1000); n != 20 {
		t.Errorf("%d of 1000 inventories at once are taken, want 20", n)
	}
	if heard(1, wire.ChannelStatus, 10) != 10 || heard(2, wire.ChannelInfo, 10) != 10 {
		t.Error("a node's inventories cost it other messages, or others theirs")
	}
	if n := testutil.ToFloat64(p.ignored); n != 980 {
		t.Errorf("%g were counted as ignored, want 980", n)
	}
	now = now.Add(time.Minute)
	if n := heard(1, wire.ChannelInfo, 1000); n != 20 {
		t.Errorf("%d are taken a minute later, want 20", n)
	}
	for channel := range nodePace {
		if !channel.FromNode() {
			t.Errorf("no node sends on %s", channel)
		}
	}
}
