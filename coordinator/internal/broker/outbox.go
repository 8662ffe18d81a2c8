package broker

import (
	"slices"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"lucid.internal/shared/wire"
)

// What a client that is slow may leave to be written, and not acknowledge.
const (
	mostWaiting        = 8192    // a fleet's events come in bursts
	mostWaitingBytes   = 4 << 20 // of payloads: who has a node, and a key that reads it, could fill the memory
	mostUnacknowledged = 1024
)

// outbox is what a client subscribed to, and what it is still to be sent of
// that. Whoever publishes never waits for a client: the writes have a goroutine
// of their own while there is something to write. The server would keep some
// 12 KiB for what a node reads and retains, and a goroutine for each client.
type outbox struct {
	broker *Broker
	client *mqtt.Client

	mu             sync.Mutex
	subscriptions  []subscription
	waiting        []outgoing // oldest first
	waitingBytes   int
	catchUp        []string // topics whose retained message is to be sent, when nothing waits
	unacknowledged []uint16 // packets at QoS 1, oldest first
	lastID         uint16
	writing        bool
}

// subscription is one topic filter of a client; the last two are of MQTT 5.
type subscription struct {
	filter      string
	wild        bool // has wildcards: few have, and each is held against every message
	qos         byte
	asPublished bool // keeps the mark of a retained message
	identifier  int  // comes with each message; 0: none
}

// outgoing is a message as one client is sent it.
type outgoing struct {
	*message
	qos         byte
	retain      bool
	identifiers []int
}

// send has a message written, if the client subscribed to it and is not too far
// behind.
func (o *outbox) send(m *message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	d, wanted := o.address(m)
	if !wanted {
		return
	}
	if len(o.waiting) >= mostWaiting || o.waitingBytes+len(m.payload) > mostWaitingBytes {
		o.broker.count.dropped.Inc()
		return
	}
	o.waiting = append(o.waiting, d)
	o.waitingBytes += len(m.payload)
	o.start()
}

// address reports whether the client subscribed to a message, which is then sent
// once, however many of its filters match.
func (o *outbox) address(m *message) (d outgoing, wanted bool) {
	d.message = m
	for i := range o.subscriptions {
		s := &o.subscriptions[i]
		if s.filter != m.topic && !(s.wild && wire.Covers(s.filter, m.topic)) {
			continue
		}
		wanted = true
		d.qos = max(d.qos, min(s.qos, m.qos))
		d.retain = d.retain || s.asPublished && m.retain
		if s.identifier > 0 {
			d.identifiers = append(d.identifiers, s.identifier)
		}
	}
	return d, wanted
}

// start has written what there is, unless that goes on already.
func (o *outbox) start() {
	if !o.writing && len(o.waiting)+len(o.catchUp) > 0 {
		o.writing = true
		go o.write()
	}
}

func (o *outbox) write() {
	defer func() {
		if p := recover(); p != nil {
			o.broker.panicked("writing to a client", p)
			o.client.Stop(errPanic)
		}
	}()
	for {
		pk, found, more := o.next()
		if !more {
			return
		}
		if !found {
			continue // whoever publishes had a moment in between
		}
		if err := o.client.WritePacket(pk); err != nil { // the connection is closed, or it is larger than the client takes
			o.acknowledged(pk.PacketID)
		}
	}
}

// next takes what is to be written next, if it finds something; more is false when
// nothing may be written now, and then the writing has ended.
func (o *outbox) next() (pk packets.Packet, found, more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	d, found, more := o.take()
	if !more || o.client.Closed() {
		o.writing = false
		return pk, false, false
	}
	if !found {
		return pk, false, true
	}
	pk.FixedHeader = packets.FixedHeader{Type: packets.Publish, Qos: d.qos, Retain: d.retain}
	pk.TopicName, pk.Payload = d.topic, d.payload
	pk.Properties.SubscriptionIdentifier = d.identifiers
	if d.qos > 0 {
		pk.PacketID = o.number()
	}
	return pk, true, true
}

// take looks at one message only: the client may have unsubscribed from thousands
// that it was to be sent.
func (o *outbox) take() (d outgoing, found, more bool) {
	room := len(o.unacknowledged) < o.window()
	if len(o.waiting) > 0 {
		d = o.waiting[0]
		if d.qos > 0 && !room {
			return d, false, false
		}
		o.waiting[0] = outgoing{} // or it would stay in memory for as long as others wait
		o.waiting = o.waiting[1:]
		o.waitingBytes -= len(d.payload)
		if len(o.waiting) == 0 {
			o.waiting = nil // what it was in may be large
		}
		return d, true, true
	}
	if len(o.catchUp) == 0 || !room {
		return d, false, false
	}
	m := o.broker.retained.get(o.catchUp[0])
	if o.catchUp = o.catchUp[1:]; len(o.catchUp) == 0 {
		o.catchUp = nil
	}
	if m != nil {
		d, found = o.address(m)
		d.retain = true
	}
	return d, found, true
}

// window is how many messages at QoS 1 the client takes at once.
func (o *outbox) window() int {
	if m := o.client.Properties.Props.ReceiveMaximum; m > 0 { // MQTT 5
		return min(mostUnacknowledged, int(m))
	}
	return mostUnacknowledged
}

// number gives a packet an identifier that none on its way has.
func (o *outbox) number() uint16 {
	for {
		o.lastID++
		if o.lastID != 0 && !slices.Contains(o.unacknowledged, o.lastID) {
			o.unacknowledged = append(o.unacknowledged, o.lastID)
			return o.lastID
		}
	}
}

// acknowledged makes room for another message at QoS 1.
func (o *outbox) acknowledged(packetID uint16) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.Index(o.unacknowledged, packetID)
	if i < 0 {
		return
	}
	if o.unacknowledged = slices.Delete(o.unacknowledged, i, i+1); len(o.unacknowledged) == 0 {
		o.unacknowledged = nil
	}
	o.start()
}
