package broker

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"weak"

	paho "github.com/eclipse/paho.mqtt.golang"
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"lucid.internal/shared/wire"
)

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

// Few messages may wait that are large: whoever has a node and a key that reads
// it could fill the memory else.
func TestBytesThatWaitAreBounded(t *testing.T) {
	r := plainReaders(t)
	c := r.rawReader(1)
	want(t, "granted", c.subscribe(packets.Subscription{Filter: alerts, Qos: 1}), 1)
	r.publishes(alerts, "first", 1, false)
	first := c.next() // and is not acknowledged
	large := strings.Repeat("x", mostWaitingBytes/4)
	for range 2 { // what was read makes room
		for range 6 {
			r.publishes(alerts, large, 1, false)
		}
		c.acknowledge(first.PacketID)
		for range 3 {
			c.wantMessage(large, 1, false)
		}
		first = c.next()
		want(t, "last that waited", string(first.Payload), large)
		c.wantNothing()
	}
	want(t, "lost", counterValue(t, r.count.dropped), 4)
}

// Who subscribes again while it is sent what is retained misses no topic, and
// gets none twice.
func TestWhoSubscribesAgainIsSentEachTopicOnce(t *testing.T) {
	const pools = 20
	r := plainReaders(t)
	for i := range pools {
		r.publishes(wire.PoolSummaryTopic(fmt.Sprint("pool_", i)), "summary", 1, true)
	}
	c := r.rawReader(1)
	summaries := packets.Subscription{Filter: "lucid/v1/pools/+/summary", Qos: 1}
	want(t, "granted", c.subscribe(summaries), 1)
	first := c.next() // and is not acknowledged
	want(t, "granted", c.subscribe(packets.Subscription{Filter: wire.PoolSummaryTopic("pool_7"), Qos: 1}), 1)
	for range 3 {
		summaries.RetainHandling = neverCatchUp
		want(t, "granted", c.subscribe(summaries), 1)
		want(t, "granted", c.subscribe(packets.Subscription{Filter: wire.PoolSummaryTopic("pool_7"), Qos: 1}), 1)
	}
	c.acknowledge(first.PacketID)
	topics := map[string]int{first.TopicName: 1}
	for range pools - 1 {
		pk := c.next()
		topics[pk.TopicName]++
		c.acknowledge(pk.PacketID)
	}
	c.wantNothing()
	want(t, "topics", len(topics), pools)
}

func TestSubscriptionsOutsideTheProtocolEndTheConnection(t *testing.T) {
	for name, sent := range map[string]string{
		"identifier 0":      "\x82\x1d\x00\x07\x02\x0b\x00\x00\x15" + alerts + "\x01",
		"retain handling 3": "\x82\x1b\x00\x07\x00\x00\x15" + alerts + "\x31",
	} {
		t.Run(name, func(t *testing.T) {
			c := plainReaders(t).rawReader(0)
			if _, err := c.conn.Write([]byte(sent)); err != nil {
				t.Fatal(err)
			}
			want(t, "answer", c.next().FixedHeader.Type, packets.Disconnect)
			wantClosed(t, c.conn)
		})
	}
}

// panickyConn is a fault that nobody thought of.
type panickyConn struct{ net.Conn }

func (panickyConn) Write([]byte) (int, error) { panic("a test wants this") }

func TestPanicWhileWritingEndsOneConnection(t *testing.T) {
	r := plainReaders(t)
	server, client := net.Pipe()
	defer client.Close()
	s := r.newSession(Client{}, r.server.NewClient(panickyConn{server}, "plain", "", false))
	s.outbox.subscribe(subscription{filter: alerts})
	s.outbox.send(&message{topic: alerts})
	wantClosed(t, client)
	for !s.mqtt.Closed() {
		runtime.Gosched()
	}
	want(t, "panics", counterValue(t, r.count.panics), 1)
	want(t, "cause", s.mqtt.StopCause(), errPanic)
}

// Nothing of a CONNECT stays but what is needed: it may be large, and has the
// password.
func TestLoginIsForgotten(t *testing.T) {
	r := plainReaders(t)
	large := packets.Properties{User: []packets.UserProperty{{Key: strings.Repeat("k", 60_000), Val: strings.Repeat("v", 60_000)}}}
	r.rawReaderWith("warm", packets.Properties{})
	before := heap()
	for i := range maxReadersPerKey - 1 {
		r.rawReaderWith(fmt.Sprint("raw", i), large)
	}
	if grown := heap() - before; grown > 60_000*(maxReadersPerKey-1) {
		t.Errorf("%d connections hold %d bytes", maxReadersPerKey-1, grown)
	}
}

func heap() int {
	runtime.GC()
	runtime.GC() // for what pools kept
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
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
		for left, _ := o.left(); left > 500; left, _ = o.left() {
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

// Who publishes waits for one look of a client's writing at most, not for all that
// the client unsubscribed from before it was sent.
func TestWhoUnsubscribesHoldsUpNobody(t *testing.T) {
	r := plainReaders(t)
	for i := range 100 {
		r.publishes(wire.PoolSummaryTopic(fmt.Sprintf("pool_%03d", i)), "old", 1, true)
	}
	o := &outbox{broker: r.Broker, client: new(mqtt.Client)}
	o.catchUp = r.retained.topics("lucid/v1/pools/+/summary")
	want(t, "to be sent", len(o.catchUp), 100)
	_, found, more := o.take()
	want(t, "found", found, false)
	want(t, "more", more, true)
	want(t, "left", len(o.catchUp), 99)

	c := r.rawReader(1)
	want(t, "granted", c.subscribe(packets.Subscription{Filter: "lucid/v1/pools/+/summary", Qos: 1}), 1)
	first := c.next()
	want(t, "gone", c.unsubscribe("lucid/v1/pools/+/summary"), 0)
	want(t, "granted", c.subscribe(packets.Subscription{Filter: alerts, Qos: 1}), 1)
	r.publishes(alerts, "new", 1, false)
	c.acknowledge(first.PacketID)
	want(t, "next", string(c.next().Payload), "new")
}

// What was sent does not stay in memory for as long as something else waits.
func TestSentMessageIsReleased(t *testing.T) {
	o := &outbox{client: new(mqtt.Client)}
	sent := &message{payload: make([]byte, 1<<10)}
	held := weak.Make(sent)
	o.waiting = []outgoing{{message: sent}, {message: &message{payload: []byte("x")}}}
	o.waitingBytes = len(sent.payload) + 1
	sent = nil
	if _, found, _ := o.take(); !found {
		t.Fatal("nothing to send")
	}
	runtime.GC()
	want(t, "held", held.Value() != nil, false)
	want(t, "waiting", len(o.waiting), 1)
}
