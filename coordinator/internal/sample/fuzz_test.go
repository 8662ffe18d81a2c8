package sample

import (
	"encoding/binary"
	"testing"
	"time"

	"lucid.internal/shared/wire"
)

// Whatever a node sends is either data or has a reason why not, and data
// becomes rows that Postgres can split into fields.
func FuzzMessage(f *testing.F) {
	f.Add(payloadOf(f, wire.RunID{1}, 1, 2))
	f.Add([]byte(`{"v":1,"run":"00000000000000000000000000000001","samples":[{"seq":1,"at_ms":1773489600000}]}`))
	f.Add([]byte(`{"run":"00000000000000000000000000000001"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		m := newMessage(1, "node_a", payload, noon, 7*24*time.Hour)
		if (m.kind == "") != (m.reason == "") || (m.kind == "" && m.metrics == nil) {
			t.Fatalf("kind %q, reason %q", m.kind, m.reason)
		}
		letter(1, wire.ChannelMetrics, m.kind, m.reason, m.payload, noon)
		if m.kind != "" {
			return
		}
		var c copyBuffer
		for i := range m.metrics.Samples {
			c.b = c.b[:0]
			c.row(1, 1, &m.metrics.Samples[i], nil, m.digest())
			checkRow(t, c.b)
		}
	})
}

// checkRow walks over one row of a binary COPY.
func checkRow(t *testing.T, b []byte) {
	t.Helper()
	if n := binary.BigEndian.Uint16(b); int(n) != len(columns) {
		t.Fatalf("row of %d fields, want %d", n, len(columns))
	}
	b = b[2:]
	for range columns {
		n := int32(binary.BigEndian.Uint32(b))
		b = b[4:]
		if n >= 0 {
			b = b[n:]
		}
	}
	if len(b) != 0 {
		t.Fatalf("%d bytes after the last field", len(b))
	}
}
