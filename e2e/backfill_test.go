package e2e

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lucid.internal/e2e/harness"
	"lucid.internal/e2e/packet"
	"lucid.internal/shared/wire"
)

// Shape of TestBackfill: a day of samples, one each ten seconds, of every node.
const (
	offlineNodes    = 10
	offlineMessages = 72
	offlineSamples  = 120 // in a message
	offline         = offlineNodes * offlineMessages * offlineSamples
)

// TestBackfill has nodes that were offline for a day bring it along at once, each
// with as many messages on their way as may be, while others send live samples.
// Live ones go on meanwhile, no connection is closed because something waited too
// long, and everything is stored once. How much of a group backfill may have is
// tested beside the queue of package sample.
func TestBackfill(t *testing.T) {
	plain, err := harness.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	l := start(t, harness.Options{Env: []string{"LUCID_MQTT_PLAIN_ADDR=" + plain}})
	ctx := within(t, patience)
	var backlog, live []*plainNode
	for range offlineNodes {
		backlog = append(backlog, l.plainNode(ctx, plain))
	}
	for range 3 {
		live = append(live, l.plainNode(ctx, plain))
	}
	var backfilled, sent, meanwhile atomic.Int64
	var bringing, sending sync.WaitGroup
	brought := make(chan struct{})
	for _, n := range backlog {
		bringing.Go(func() {
			if err := n.bringDay(&backfilled); err != nil {
				t.Errorf("%s: %v", n.ID, err)
			}
		})
	}
	go func() { bringing.Wait(); close(brought) }()
	for _, n := range live {
		sending.Go(func() {
			for backfilled.Load() < offline && !t.Failed() {
				if err := n.send(n.seq+1, time.Now(), 1); err != nil {
					t.Errorf("%s: %v", n.ID, err)
					return
				}
				if err := n.acknowledged(nil); err != nil {
					t.Errorf("%s: %v", n.ID, err)
					return
				}
				sent.Add(1)
				if backfilled.Load() < offline {
					meanwhile.Add(1)
				}
			}
		})
	}
	sending.Wait()
	<-brought
	if t.Failed() {
		return
	}
	t.Logf("%d samples of the last day of %d nodes; %d live ones meanwhile", offline, offlineNodes, meanwhile.Load())
	if meanwhile.Load() < int64(2*len(live)) {
		t.Errorf("%d live samples were acknowledged while the backlog was", meanwhile.Load())
	}
	if n, want := l.count("SELECT count(*) FROM sample"), backfilled.Load()+sent.Load(); n != want {
		t.Errorf("%d samples stored, %d acknowledged", n, want)
	}
	if n := l.count("SELECT count(*) FROM dead_letter"); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	l.stopCleanly()
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

func (l *lab) plainNode(ctx context.Context, addr string) *plainNode {
	l.t.Helper()
	n := l.node()
	conn, err := packet.Dial(ctx, addr, packet.Login{ID: n.ID, Password: n.Keys.MQTTPassword})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		l.t.Fatal(err)
	}
	return &plainNode{Node: n, conn: conn, packets: packet.NewReader(conn), next: 1}
}

// bringDay sends a day of samples that ended an hour ago.
func (n *plainNode) bringDay(samples *atomic.Int64) error {
	begin := time.Now().Add(-25 * time.Hour)
	for i := range offlineMessages {
		if int(n.last-n.next)+1 == wire.MaxUnacknowledged {
			if err := n.acknowledged(samples); err != nil {
				return err
			}
		}
		at := begin.Add(24 * time.Hour * time.Duration(i) / offlineMessages)
		if err := n.send(n.seq+1, at, offlineSamples); err != nil {
			return err
		}
	}
	for n.next <= n.last {
		if err := n.acknowledged(samples); err != nil {
			return err
		}
	}
	return nil
}

func (n *plainNode) send(seq uint64, at time.Time, samples int) error {
	m, err := harness.NewMessage(n.Run, seq, at, samples)
	if err != nil {
		return err
	}
	n.seq = m.Seq
	n.last++
	_, err = n.conn.Write(packet.AppendMessage(nil, packet.Message{Topic: wire.Topic(n.ID, wire.ChannelMetrics), ID: n.last, Payload: m.Bytes}))
	return err
}

// acknowledged waits for the oldest message's acknowledgement, and counts its
// samples of backfill.
func (n *plainNode) acknowledged(samples *atomic.Int64) error {
	p, err := n.packets.Next()
	if err != nil {
		return err
	}
	if p.Kind != packet.Puback || p.ID != n.next {
		return fmt.Errorf("packet %d of kind %d came, want the acknowledgement of %d", p.ID, p.Kind, n.next)
	}
	n.next++
	if samples != nil {
		samples.Add(offlineSamples)
	}
	return nil
}
