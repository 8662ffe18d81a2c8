package broker

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/mochi-mqtt/server/v2/packets"

	"lucid.internal/shared/wire"
)

// rawReader is key_a over MQTT 5 without a library, so that a test says what is
// acknowledged, and when.
type rawReader struct {
	t    *testing.T
	rig  *rig
	conn net.Conn
	in   *bufio.Reader
}

func (r *rig) rawReader(receiveMaximum uint16) *rawReader {
	r.t.Helper()
	c, err := net.Dial("tcp", r.PlainAddr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	raw := &rawReader{r.t, r, c, bufio.NewReader(c)}
	raw.send(packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Connect},
		Connect: packets.ConnectParams{
			ProtocolName: []byte("MQTT"), Clean: true, Keepalive: 60, ClientIdentifier: "raw",
			UsernameFlag: true, Username: []byte("key_a"), PasswordFlag: true, Password: []byte("secret"),
		},
		Properties: packets.Properties{ReceiveMaximum: receiveMaximum},
	})
	want(r.t, "answer to CONNECT", raw.next().FixedHeader.Type, packets.Connack)
	return raw
}

func (r *rawReader) send(pk packets.Packet) {
	r.t.Helper()
	pk.ProtocolVersion = 5
	encode := map[byte]func(*packets.Packet, *bytes.Buffer) error{
		packets.Connect: (*packets.Packet).ConnectEncode, packets.Subscribe: (*packets.Packet).SubscribeEncode,
		packets.Unsubscribe: (*packets.Packet).UnsubscribeEncode, packets.Puback: (*packets.Packet).PubackEncode,
		packets.Pingreq: (*packets.Packet).PingreqEncode,
	}[pk.FixedHeader.Type]
	var b bytes.Buffer
	if err := encode(&pk, &b); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.conn.Write(b.Bytes()); err != nil {
		r.t.Fatal(err)
	}
}

// next reads a packet.
func (r *rawReader) next() packets.Packet {
	r.t.Helper()
	pk := packets.Packet{ProtocolVersion: 5}
	first, err := r.in.ReadByte()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := pk.FixedHeader.Decode(first); err != nil {
		r.t.Fatal(err)
	}
	length, err := binary.ReadUvarint(r.in)
	if err != nil {
		r.t.Fatal(err)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r.in, body); err != nil {
		r.t.Fatal(err)
	}
	switch pk.FixedHeader.Type {
	case packets.Publish:
		err = pk.PublishDecode(body)
	case packets.Suback:
		err = pk.SubackDecode(body)
	case packets.Unsuback:
		err = pk.UnsubackDecode(body)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return pk
}

// subscribe gives the reason code of one filter.
func (r *rawReader) subscribe(s packets.Subscription) byte {
	r.t.Helper()
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: 7, Filters: packets.Subscriptions{s}}
	if s.Identifier > 0 {
		pk.Properties.SubscriptionIdentifier = []int{s.Identifier}
	}
	r.send(pk)
	return r.answer(packets.Suback)
}

func (r *rawReader) unsubscribe(filter string) byte {
	r.t.Helper()
	r.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe, Qos: 1}, PacketID: 7,
		Filters: packets.Subscriptions{{Filter: filter}}})
	return r.answer(packets.Unsuback)
}

func (r *rawReader) answer(kind byte) byte {
	r.t.Helper()
	pk := r.next()
	want(r.t, "kind of answer", pk.FixedHeader.Type, kind)
	want(r.t, "number of the answer", pk.PacketID, 7)
	return pk.ReasonCodes[0]
}

func (r *rawReader) acknowledge(packetID uint16) {
	r.t.Helper()
	r.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: packetID})
}

// wantMessage reads a publication and acknowledges it.
func (r *rawReader) wantMessage(payload string, qos byte, retain bool, identifiers ...int) {
	r.t.Helper()
	pk := r.next()
	want(r.t, "message", fmt.Sprintf("%s qos %d retain %t %v", pk.Payload, pk.FixedHeader.Qos, pk.FixedHeader.Retain, pk.Properties.SubscriptionIdentifier),
		fmt.Sprintf("%s qos %d retain %t %v", payload, qos, retain, identifiers))
	if pk.FixedHeader.Qos > 0 {
		r.acknowledge(pk.PacketID)
	}
}

// wantNothing: when all that came before a ping is done, and no write is under
// way, what was sent lies before the answer to the next.
func (r *rawReader) wantNothing() {
	r.t.Helper()
	for range 2 {
		r.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
		want(r.t, "next packet", r.next().FixedHeader.Type, packets.Pingresp)
		for o := &r.rig.readers.list()[0].outbox; o.busy(); {
			runtime.Gosched()
		}
	}
}

func (o *outbox) busy() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.writing
}

const alerts, anyEvent = "lucid/v1/events/alert", "lucid/v1/events/+"

func plainReaders(t *testing.T) *rig {
	t.Helper()
	r, _ := startReaders(t)
	return r
}

func (r *rig) publishes(topic, payload string, qos byte, retain bool) {
	r.t.Helper()
	want(r.t, "publish", r.Publish(topic, []byte(payload), qos, retain), nil)
}

// One message is sent once, at the highest QoS that was asked for, with the
// identifiers of all filters that it matches.
func TestOverlappingSubscriptionsAreSentOnce(t *testing.T) {
	r := plainReaders(t)
	c := r.rawReader(0)
	want(t, "granted", c.subscribe(packets.Subscription{Filter: alerts, Qos: 2, Identifier: 5}), 1)
	want(t, "granted", c.subscribe(packets.Subscription{Filter: anyEvent, Qos: 0, Identifier: 3}), 0)
	r.publishes(alerts, "one", 1, false)
	c.wantMessage("one", 1, false, 5, 3)
	r.publishes("lucid/v1/events/node", "two", 1, false)
	c.wantMessage("two", 0, false, 3)
	want(t, "end", c.unsubscribe(anyEvent), 0)
	want(t, "end of none", c.unsubscribe(anyEvent), packets.CodeNoSubscriptionExisted.Code)
	r.publishes("lucid/v1/events/node", "three", 1, false)
	r.publishes(alerts, "four", 0, false)
	c.wantMessage("four", 0, false, 5)
	// The same filter again takes the place of the first.
	want(t, "granted", c.subscribe(packets.Subscription{Filter: alerts, Qos: 0}), 0)
	r.publishes(alerts, "five", 1, false)
	c.wantMessage("five", 0, false)
}

func TestRetainedMessagesAreSentAsAskedFor(t *testing.T) {
	r := plainReaders(t)
	summary := wire.PoolSummaryTopic("pool_home")
	r.publishes(summary, "first", 1, true)
	c := r.rawReader(0)
	subscribe := func(s packets.Subscription) {
		t.Helper()
		s.Filter, s.Qos = summary, 1
		want(t, "granted", c.subscribe(s), 1)
	}
	subscribe(packets.Subscription{RetainHandling: neverCatchUp})
	c.wantNothing()
	subscribe(packets.Subscription{RetainHandling: catchUpIfNew}) // it is not new
	c.wantNothing()
	subscribe(packets.Subscription{})
	c.wantMessage("first", 1, true)
	r.publishes(summary, "live", 1, true)
	c.wantMessage("live", 1, false)
	subscribe(packets.Subscription{RetainAsPublished: true})
	c.wantMessage("live", 1, true)
	r.publishes(summary, "as published", 1, true)
	c.wantMessage("as published", 1, true)
	want(t, "end", c.unsubscribe(summary), 0)
	subscribe(packets.Subscription{RetainHandling: catchUpIfNew})
	c.wantMessage("as published", 1, true)
	r.publishes(summary, "", 1, true) // removes it
	c.wantMessage("", 1, false)
	subscribe(packets.Subscription{})
	c.wantNothing()
}

// A client is sent no more than it said that it takes at once; the rest follows
// its acknowledgements, live messages before retained ones.
func TestUnacknowledgedMessagesAreBounded(t *testing.T) {
	r := plainReaders(t)
	for i := range 3 {
		r.publishes(wire.PoolSummaryTopic(fmt.Sprint("pool_", i)), fmt.Sprint("retained ", i), 1, true)
	}
	c := r.rawReader(2)
	want(t, "granted", c.subscribe(packets.Subscription{Filter: alerts, Qos: 1}), 1)
	want(t, "granted", c.subscribe(packets.Subscription{Filter: "lucid/v1/pools/+/summary", Qos: 1}), 1)
	first, second := c.next(), c.next()
	want(t, "first", string(first.Payload), "retained 0")
	want(t, "second", string(second.Payload), "retained 1")
	r.publishes(alerts, "live", 1, false)
	c.wantNothing()
	c.acknowledge(99) // of no message
	c.wantNothing()
	c.acknowledge(second.PacketID)
	c.wantMessage("live", 1, false)
	c.wantMessage("retained 2", 1, true)
	c.acknowledge(first.PacketID)
	c.wantNothing()
}

// The identifier of a packet that is not acknowledged is not used again.
func TestPacketIdentifiersOnTheirWayAreNotUsedAgain(t *testing.T) {
	o := outbox{lastID: 65533, unacknowledged: []uint16{65535, 1}}
	want(t, "first", o.number(), 65534)
	want(t, "beyond the end", o.number(), 2)
	want(t, "then", o.number(), 3)
}

// Who publishes does not wait for a client that stopped reading: it loses what
// is too much, which is counted.
func TestWhoIsTooFarBehindLosesMessages(t *testing.T) {
	r := plainReaders(t)
	c := r.rawReader(1)
	want(t, "granted", c.subscribe(packets.Subscription{Filter: alerts, Qos: 1}), 1)
	r.publishes(alerts, "0", 1, false)
	first := c.next() // and is not acknowledged
	for i := range mostWaiting + 5 {
		r.publishes(alerts, fmt.Sprint(i+1), 1, false)
	}
	want(t, "lost", counterValue(t, r.count.dropped), 5)
	c.acknowledge(first.PacketID)
	for i := range mostWaiting {
		c.wantMessage(fmt.Sprint(i+1), 1, false)
	}
	c.wantNothing()
}

func TestSubscriptionsOfAConnectionAreBounded(t *testing.T) {
	r := plainReaders(t)
	c := r.rawReader(0)
	for i := range mostSubscriptions {
		want(t, "granted", c.subscribe(packets.Subscription{Filter: fmt.Sprint("lucid/v1/events/", i), Qos: 1}), 1)
	}
	want(t, "one more", c.subscribe(packets.Subscription{Filter: alerts}), packets.ErrQuotaExceeded.Code)
	want(t, "one again", c.subscribe(packets.Subscription{Filter: "lucid/v1/events/0"}), 0)
	want(t, "end of one", c.unsubscribe("lucid/v1/events/0"), 0)
	want(t, "another", c.subscribe(packets.Subscription{Filter: alerts}), 0)
}

// Who subscribes while much is retained and changes has each topic's newest
// message in the end, and misses no topic.
func TestRetainedMessagesOfManyTopicsAllArrive(t *testing.T) {
	const pools = 3000
	r := plainReaders(t)
	for i := range pools {
		r.publishes(wire.PoolSummaryTopic(fmt.Sprint("pool_", i)), "old", 1, true)
	}
	var mu sync.Mutex
	newest, begun := map[string]string{}, make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	c := r.mustDial(r.reader("wall").SetOrderMatters(true))
	hear := func(_ paho.Client, m paho.Message) {
		mu.Lock()
		defer mu.Unlock()
		newest[m.Topic()] = string(m.Payload())
		begin()
	}
	want(t, "summaries", r.subscribe(c, "lucid/v1/pools/+/summary", hear), 1)
	next(t, begun) // with what is retained
	o := &r.readers.list()[0].outbox
	for i := pools - 1; i >= 0; i-- { // towards what is being sent
		for left, _ := o.left(); left > mostWaiting/2; left, _ = o.left() {
			runtime.Gosched()
		}
		r.publishes(wire.PoolSummaryTopic(fmt.Sprint("pool_", i)), "new", 1, true)
	}
	for _, all := o.left(); all > 0; _, all = o.left() {
		runtime.Gosched()
	}
	mu.Lock()
	defer mu.Unlock()
	want(t, "topics", len(newest), pools)
	for topic, payload := range newest {
		if payload != "new" {
			t.Fatalf("%s ends with the older message", topic)
		}
	}
	want(t, "lost", counterValue(t, r.count.dropped), 0)
}

// left is how many messages wait, and how many are not acknowledged, in all.
func (o *outbox) left() (waiting, all int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.waiting), len(o.waiting) + len(o.catchUp) + len(o.unacknowledged)
}
