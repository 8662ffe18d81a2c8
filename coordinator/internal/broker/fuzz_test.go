package broker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"

	"lucid.internal/shared/wire"
)

// cutConn is a connection by which bytes come in pieces: each is one byte longer
// than its cut says, and what is behind the last cut comes as it is asked for.
type cutConn struct {
	net.Conn
	rest, cuts []byte
}

func (c *cutConn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	most := math.MaxInt
	if len(c.cuts) > 0 {
		most, c.cuts = int(c.cuts[0])+1, c.cuts[1:]
	}
	n := copy(p[:min(len(p), most)], c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// split gives the packets of a node's stream, by whom each was for, in order.
func split(stream, cuts []byte) (packets []string) {
	b := &Broker{cfg: Config{OnMetrics: func(_ context.Context, _ Client, payload []byte, from *Receipts) {
		packets = append(packets, "metrics "+string(payload))
		from.owed = from.owed[:0] // settled, without a connection to write to
	}}}
	b.cfg.setDefaults()
	s := &session{metrics: wire.Topic("node_a", wire.ChannelMetrics), mqtt: &mqtt.Client{Properties: mqtt.ClientProperties{ProtocolVersion: 4}}}
	s.receipts = newReceipts(b, s)
	c := newConn(&cutConn{rest: stream, cuts: cuts}, nil, time.Second)
	c.session.Store(s)
	defer c.input.release()
	var packet []byte
	for p := make([]byte, 2048); ; {
		n, err := c.Read(p)
		packet = append(packet, p[:n]...)
		if len(packet) > 0 && (err != nil || c.input.servers == 0) {
			packets, packet = append(packets, "server "+string(packet)), nil
		}
		if err != nil {
			return packets
		}
	}
}

// FuzzPackets holds that whatever a node sends becomes the same packets however
// the network cuts it, and that what it only says is coming costs one packet of
// the largest size at most. What this test keeps of a packet of two bytes is some
// 50 times as much.
func FuzzPackets(f *testing.F) {
	publish := func(channel wire.Channel, payload string) string {
		name := wire.Topic("node_a", channel)
		body := fmt.Sprintf("\x00%c%s\x00\x07%s", len(name), name, payload)
		return fmt.Sprintf("\x32%c%s", len(body), body)
	}
	metrics, ping := publish(wire.ChannelMetrics, "{}"), "\xc0\x00"
	for _, stream := range []string{
		ping + metrics + publish(wire.ChannelStatus, "on") + metrics + ping,
		strings.Replace(metrics, "\x00\x07", "\x00\x00", 1) + ping, // no number
		metrics[:len(metrics)-1], metrics[:9], "\x32",
		"\x32\x80\x80\x0a" + metrics[2:], "\x32\xff\xff\xff\x7f" + metrics[2:], // more than any may have
		"\x32\xff\x7f" + metrics[2:], "\x32\xff\xff\xff\xff\x7f" + ping, "\xc0\x80\x00" + ping, // cut short; no length; a long way to say 0
	} {
		f.Add([]byte(stream), []byte{0, 2, 0, 40, 3})
	}
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		whole := split(stream, nil)
		runtime.ReadMemStats(&after)
		if grown, most := after.TotalAlloc-before.TotalAlloc, uint64(maxPacketBytes+64<<10+128*len(stream)); grown > most {
			t.Errorf("%d bytes of a node made the broker allocate %d, want at most %d", len(stream), grown, most)
		}
		for _, cuts := range [][]byte{cuts, bytes.Repeat([]byte{0}, len(stream))} {
			if pieces := split(stream, cuts); !slices.Equal(pieces, whole) {
				t.Errorf("cut by %v: %q, whole: %q", cuts, pieces, whole)
			}
		}
	})
}
