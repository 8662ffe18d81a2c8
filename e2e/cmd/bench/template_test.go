package main

import (
	"bytes"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"

	"lucid.internal/shared/wire"
)

// decode reads a PUBLISH packet with the broker's own parser.
func decode(t *testing.T, raw []byte) packets.Packet {
	t.Helper()
	p := packets.Packet{ProtocolVersion: 4}
	if err := p.FixedHeader.Decode(raw[0]); err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(raw[1:])
	size, _, err := packets.DecodeLength(r)
	if err != nil || size != r.Len() {
		t.Fatalf("length %d, %d bytes follow, %v", size, r.Len(), err)
	}
	p.FixedHeader.Remaining = size
	if err := p.PublishDecode(raw[len(raw)-size:]); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPublishPacket(t *testing.T) {
	run := wire.NewRunID()
	for _, samples := range []int{1, 6} {
		text, err := newTemplate(run, samples)
		if err != nil {
			t.Fatal(err)
		}
		for _, seq := range []uint64{1, 9, 995, 123_456} {
			p := decode(t, text.publish(nil, "lucid/v1/nodes/node_a/metrics", 77, seq, 1_800_000_000_000))
			if p.FixedHeader.Qos != 1 || p.PacketID != 77 || p.TopicName != "lucid/v1/nodes/node_a/metrics" {
				t.Errorf("packet %+v", p)
			}
			m, err := wire.DecodeMetrics(p.Payload)
			if err != nil {
				t.Fatal(err)
			}
			last := m.Samples[samples-1]
			if m.Run != run || len(m.Samples) != samples || m.FirstSeq() != seq || last.Seq != seq+uint64(samples)-1 ||
				last.AtMs != 1_800_000_000_000+int64(samples)-1 {
				t.Errorf("%d samples from %d: message %s", samples, seq, p.Payload)
			}
		}
	}
}

func TestThousands(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 81234.4: "81,234", 1234567: "1,234,567"} {
		if got := thousands(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}
