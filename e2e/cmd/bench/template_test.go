package main

import (
	"bytes"
	"testing"

	"lucid.internal/e2e/packet"
	"lucid.internal/shared/wire"
)

func TestPublishPacket(t *testing.T) {
	run := wire.NewRunID()
	for _, samples := range []int{1, 6} {
		text, err := newTemplate(run, samples)
		if err != nil {
			t.Fatal(err)
		}
		for _, seq := range []uint64{1, 9, 995, 123_456} {
			raw := text.publish(nil, "lucid/v1/nodes/node_a/metrics", 77, seq, 1_800_000_000_000)
			p, err := packet.NewReader(bytes.NewReader(raw)).Next()
			if err != nil || p.QoS != 1 || p.ID != 77 || p.Topic != "lucid/v1/nodes/node_a/metrics" {
				t.Errorf("packet %+v, %v", p, err)
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
