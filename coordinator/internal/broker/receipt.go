package broker

import (
	"sync"

	"github.com/mochi-mqtt/server/v2/packets"

	"lucid.internal/shared/wire"
)

// receipt is the acknowledgement that a connection is owed for its last
// metrics message. While the message is committed the connection goes on
// reading, so that pings are answered and no goroutine waits; but the next
// message is not taken before, because one that is behind a message that
// failed must come again behind it.
type receipt struct {
	mu     sync.Mutex
	paid   sync.Cond
	owed   bool
	failed bool // no message is taken any more
	puback [4]byte
}

// owe notes a message that came, and reports whether it may be taken.
func (r *receipt) owe(packetID uint16) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waitLocked()
	if r.failed {
		return false
	}
	r.owed = true
	r.puback = [4]byte{packets.Puback << 4, 2, byte(packetID >> 8), byte(packetID)}
	return true
}

// wait returns when nothing is owed: MQTT wants acknowledgements in the order
// of the messages, and those of other channels are the server's.
func (r *receipt) wait() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waitLocked()
}

func (r *receipt) waitLocked() {
	if r.paid.L == nil {
		r.paid.L = &r.mu
	}
	for r.owed {
		r.paid.Wait()
	}
}

func (r *receipt) settle(taken bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owed = false
	r.failed = r.failed || !taken
	r.paid.Broadcast()
}

// takeMetrics hands a message on and returns; its acknowledgement leaves once
// its fate is known.
func (b *Broker) takeMetrics(s *session, packetID uint16, payload []byte) {
	if !s.receipt.owe(packetID) {
		return // the connection is closed already
	}
	defer func() {
		if p := recover(); p != nil {
			s.receipt.settle(false)
			panic(p) // for the hook
		}
	}()
	b.cfg.OnMetrics(b.ctx, s.client, payload, s.settle)
}

// settle acknowledges, or closes the connection. The write has a goroutine of
// its own, because a client that does not read would hold up all others.
func (b *Broker) settle(s *session, err error) {
	b.count.messages(wire.ChannelMetrics, err)
	if err != nil {
		b.notTaken(s, wire.ChannelMetrics, err)
		s.mqtt.Stop(errNotTaken)
		s.receipt.settle(false)
		return
	}
	go func() {
		_, _ = s.mqtt.Net.Conn.Write(s.receipt.puback[:]) // when it fails it closes the connection
		s.receipt.settle(true)
	}()
}
