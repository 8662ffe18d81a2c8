package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lucid.internal/e2e/harness"
	"lucid.internal/e2e/packet"
	"lucid.internal/shared/wire"
)

var (
	backfillNodes   = flag.Int("backfill-nodes", 20, "nodes that were offline for a day in TestBackfill")
	backfillPublish = flag.Duration("backfill-publish", 20*time.Minute, "their publish_interval: a message holds what was sampled meanwhile")
)

const (
	sampleInterval = 10 * time.Second
	daySamples     = int(24 * time.Hour / sampleInterval)
)

// enough is how much of a backlog must be on its way for it to say something that
// a live sample overtakes the greater part: two groups of 2,048 are under way
// when it comes, and as much may go with it.
const enough = 4 * 2 * 2048

// backlog is how far a fleet that was offline has come.
type backlog struct{ sent, acknowledged atomic.Int64 } // samples

// livePace is how often each live node sends.
const livePace = 20 * time.Millisecond

// live is how live samples fared while a backlog came in.
type live struct {
	shares []float64       // of what was on its way before each, enough if it was less, how much was acknowledged before it
	waits  []time.Duration // until each was acknowledged
}

// TestBackfill has nodes that were offline for a day bring it along at once, as
// their spools do, with as many messages on their way as may be, while others
// send live samples. Live ones overtake what was on its way before them, do not wait
// for the backlog's end, no connection is closed because something waited too long,
// and everything is stored once.
func TestBackfill(t *testing.T) {
	plain, err := harness.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	l := start(t, harness.Options{Env: []string{"LUCID_MQTT_PLAIN_ADDR=" + plain}})
	limit := patience * time.Duration(1+*backfillNodes/50)
	late := l.plainNodes(plain, *backfillNodes, limit)
	current := l.plainNodes(plain, 3, limit)
	total := int64(*backfillNodes * daySamples)
	var brought backlog
	var bringing, sending sync.WaitGroup
	began, over := time.Now(), make(chan struct{})
	for _, n := range late {
		bringing.Go(func() {
			if err := n.bringDay(&brought); err != nil {
				t.Errorf("%s: %v", n.ID, err)
			}
		})
	}
	fared := make([]live, len(current))
	for i, n := range current {
		sending.Go(func() {
			if err := n.keepSending(over, &brought, &fared[i]); err != nil {
				t.Errorf("%s: %v", n.ID, err)
			}
		})
	}
	bringing.Wait()
	took := time.Since(began)
	close(over)
	sending.Wait()
	if t.Failed() {
		return
	}
	t.Logf("%d samples of the last day of %d nodes in %.1f s", total, *backfillNodes, took.Seconds())
	count := judgeLive(t, fared, took)
	if n, want := l.count("SELECT count(*) FROM sample"), total+int64(count); n != want {
		t.Errorf("%d samples stored, %d acknowledged", n, want)
	}
	if n := l.count("SELECT count(*) FROM dead_letter"); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	l.stopCleanly()
}

// judgeLive wants live samples to have overtaken most of the backlog, and 19 in 20
// of them to be acknowledged before an agent takes its next one, and within half of
// the time that all of the backlog took: who waits for its end waits longer. It tells
// how many they were.
func judgeLive(t *testing.T, fared []live, took time.Duration) (count int) {
	t.Helper()
	var all live
	for _, f := range fared {
		all.shares, all.waits = append(all.shares, f.shares...), append(all.waits, f.waits...)
	}
	slices.Sort(all.shares)
	slices.Sort(all.waits)
	if count = len(all.shares); count < 2*len(fared) {
		t.Fatalf("%d live samples while the backlog came in", count)
	}
	waited := func(share int) time.Duration { return all.waits[(count-1)*share/100].Round(100 * time.Microsecond) }
	median := all.shares[count/2]
	t.Logf("%d live ones meanwhile: acknowledged after %s in the median, %s at p95, %s at p99, %s at worst, and after %.0f %% of the backlog on its way before them in the median",
		count, waited(50), waited(95), waited(99), waited(100), 100*median)
	if most := min(sampleInterval, took/2); waited(95) > most {
		t.Errorf("a live sample in twenty waited %s or longer, while all of the backlog took %s; want less than %s", waited(95), took, most)
	}
	if median > 0.5 {
		t.Errorf("%.0f %% of what was on its way before live samples was acknowledged before them, want less than half", 100*median)
	}
	return count
}

// plainNode speaks MQTT without TLS, and may have several messages on their way.
type plainNode struct {
	*harness.Node
	conn    net.Conn
	packets *packet.Reader
	seq     uint64 // sent last
	next    uint16 // number of the next packet that is to be acknowledged
	last    uint16 // of the one sent last
}

// plainNodes enrols nodes, a pool for each hundred, and connects them for a
// time at most.
func (l *lab) plainNodes(addr string, count int, limit time.Duration) []*plainNode {
	l.t.Helper()
	const places = 100 // of a pool
	ctx := within(l.t, limit)
	file, err := l.NewToken(ctx, "")
	if err != nil {
		l.t.Fatal(err)
	}
	nodes := make([]*plainNode, count)
	var pool string
	for i := range nodes {
		if i%places == 0 {
			pool = l.newPool(fmt.Sprintf("pool-%d-%d", count, i/places))
		}
		nodes[i] = &plainNode{Node: l.nodeIn(ctx, pool, fmt.Sprintf("node-%d-%d", count, i), file), next: 1}
	}
	for _, n := range nodes {
		conn, err := packet.Dial(ctx, addr, packet.Login{ID: n.ID, Password: n.Keys.MQTTPassword})
		if err != nil {
			l.t.Fatal(err)
		}
		l.t.Cleanup(func() { conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
			l.t.Fatal(err)
		}
		n.conn, n.packets = conn, packet.NewReader(conn)
	}
	return nodes
}

// nodeIn makes a node by the API and enrols it; file is any token's.
func (l *lab) nodeIn(ctx context.Context, pool, name string, file harness.EnrollFile) *harness.Node {
	l.t.Helper()
	status, body, err := l.Post(ctx, "/api/v1/nodes/", map[string]any{"name": name, "node_type": "worker", "initial_pool_id": pool})
	var made struct {
		Enrolment struct {
			Token string `json:"token"`
		} `json:"enrolment"`
	}
	if err := errors.Join(err, json.Unmarshal(body, &made)); err != nil || status != http.StatusCreated {
		l.t.Fatalf("a new node: status %d: %s %v", status, body, err)
	}
	file.Token = made.Enrolment.Token
	device, err := harness.NewDevice()
	if err != nil {
		l.t.Fatal(err)
	}
	n, err := device.Enroll(ctx, l.Coordinator, file)
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// bringDay sends a day of samples that ended an hour ago.
func (n *plainNode) bringDay(brought *backlog) error {
	samples := int(*backfillPublish / sampleInterval)
	begin := time.Now().Add(-25 * time.Hour)
	for i := range daySamples / samples {
		if int(n.last-n.next)+1 == wire.MaxUnacknowledged {
			if err := n.acknowledged(brought, samples); err != nil {
				return err
			}
		}
		if err := n.send(begin.Add(time.Duration(i)**backfillPublish), samples); err != nil {
			return err
		}
		brought.sent.Add(int64(samples))
	}
	for n.next <= n.last {
		if err := n.acknowledged(brought, samples); err != nil {
			return err
		}
	}
	return nil
}

// onItsWay is a live sample that was sent.
type onItsWay struct {
	at            time.Time
	before, ahead int64 // of the backlog: acknowledged by then, and sent without being acknowledged
}

// keepSending sends live samples until the backlog is over, whether or not those
// before were acknowledged: else who waits long would count seldom.
func (n *plainNode) keepSending(over <-chan struct{}, brought *backlog, l *live) error {
	sent, heard := make(chan onItsWay, wire.MaxUnacknowledged), make(chan error, 1)
	go func() { heard <- n.hear(sent, brought, l) }()
	pace := time.NewTicker(livePace)
	defer pace.Stop()
	for {
		select {
		case <-over:
			close(sent)
			return <-heard
		case err := <-heard:
			return err
		case <-pace.C:
		}
		before := brought.acknowledged.Load()
		s := onItsWay{time.Now(), before, brought.sent.Load() - before}
		if err := n.send(s.at, 1); err != nil {
			return err
		}
		select {
		case sent <- s:
		case err := <-heard:
			return err
		}
	}
}

// hear notes how live samples fared, in the order in which they were sent.
func (n *plainNode) hear(sent <-chan onItsWay, brought *backlog, l *live) error {
	for s := range sent {
		if err := n.acknowledged(nil, 1); err != nil {
			return err
		}
		l.waits = append(l.waits, time.Since(s.at))
		l.shares = append(l.shares, float64(brought.acknowledged.Load()-s.before)/float64(max(s.ahead, enough)))
	}
	return nil
}

// send sends the next samples, of which the first is of that time.
func (n *plainNode) send(at time.Time, samples int) error {
	m, err := harness.NewMessageEvery(n.Run, n.seq+1, at, sampleInterval, samples)
	if err != nil {
		return err
	}
	n.seq, n.last = m.Seq, after(n.last)
	_, err = n.conn.Write(packet.AppendMessage(nil, packet.Message{Topic: wire.Topic(n.ID, wire.ChannelMetrics), ID: n.last, Payload: m.Bytes}))
	return err
}

// acknowledged waits for the oldest message's acknowledgement, and counts its
// samples of a backlog.
func (n *plainNode) acknowledged(brought *backlog, samples int) error {
	p, err := n.packets.Next()
	if err != nil {
		return err
	}
	if p.Kind != packet.Puback || p.ID != n.next {
		return fmt.Errorf("packet %d of kind %d came, want the acknowledgement of %d", p.ID, p.Kind, n.next)
	}
	n.next = after(n.next)
	if brought != nil {
		brought.acknowledged.Add(int64(samples))
	}
	return nil
}

// after is the number of the packet that follows one; none has the number 0.
func after(id uint16) uint16 { return max(id+1, 1) }
