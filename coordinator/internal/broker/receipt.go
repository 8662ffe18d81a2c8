package broker

import (
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"lucid.internal/shared/wire"
)

// Receipts are the acknowledgements that a connection is owed for its metrics
// messages, in the order in which they came. While messages are committed the
// connection goes on reading, so that pings are answered and no goroutine
// waits. What is behind a message that failed must come again behind it.
type Receipts struct {
	broker  *Broker
	session *session

	mu      sync.Mutex
	changed sync.Cond // L is &mu
	owed    []byte    // PUBACK packets of what is not settled, oldest first
	due     []byte    // of what is settled, not written yet
	writing bool
	failed  bool // no message is taken any more
}

const pubackBytes = 4

func newReceipts(b *Broker, s *session) *Receipts {
	r := &Receipts{broker: b, session: s}
	r.changed.L = &r.mu
	return r
}

// owe waits until one more message may be taken, notes it, and reports whether
// any is taken still.
func (r *Receipts) owe(packetID uint16) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var waited time.Duration
	if r.mustWait() {
		began := time.Now()
		for r.mustWait() {
			r.changed.Wait()
		}
		waited = time.Since(began)
	}
	r.session.held.add(waited)
	if r.failed {
		return false
	}
	r.owed = append(r.owed, packets.Puback<<4, 2, byte(packetID>>8), byte(packetID))
	return true
}

func (r *Receipts) mustWait() bool {
	return len(r.owed) >= pubackBytes*wire.MaxUnacknowledged || len(r.owed) > 0 && r.broker.cfg.Crowded()
}

// wait returns when nothing is owed: MQTT wants acknowledgements in the order
// of the messages, and those of other channels are the server's.
func (r *Receipts) wait() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.owed) > 0 || r.writing {
		r.changed.Wait()
	}
}

// Settle acknowledges the oldest messages that are not settled, or closes the
// connection. The write has a goroutine of its own, because a client that does
// not read would hold up all others.
func (r *Receipts) Settle(messages int, err error) {
	r.broker.count.messages(wire.ChannelMetrics, messages, err)
	if err != nil {
		r.broker.notTaken(r.session, wire.ChannelMetrics, err)
		r.session.mqtt.Stop(errNotTaken)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	settled := r.owed[:pubackBytes*messages]
	if err != nil {
		r.failed = true
	} else {
		r.due = append(r.due, settled...)
	}
	r.owed = append(r.owed[:0], r.owed[len(settled):]...)
	if len(r.due) > 0 && !r.writing {
		r.writing = true
		go r.write()
	}
	r.changed.Broadcast()
}

// Failed reports that a message of the connection was not taken: those behind
// it must not be taken either.
func (r *Receipts) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// write sends what is due until nothing is.
func (r *Receipts) write() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.due) > 0 {
		due := r.due
		r.due = nil
		r.mu.Unlock()
		_, _ = r.session.mqtt.Net.Conn.Write(due) // when it fails it closes the connection
		r.mu.Lock()
	}
	r.writing = false
	r.changed.Broadcast()
}
