package e2e

import (
	"context"
	"fmt"
	"net"
	"slices"
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
	offlineNodes    = 20
	offlineMessages = 72
	offlineSamples  = 120 // in a message
	offline         = offlineNodes * offlineMessages * offlineSamples
)

// backlog is how far a fleet that was offline has come.
type backlog struct{ sent, acknowledged atomic.Int64 } // samples

// TestBackfill has nodes that were offline for a day bring it along at once, each
// with as many messages on their way as may be, while others send live samples.
// Live ones overtake what was on its way before them, no connection is closed
// because something waited too long, and everything is stored once.
func TestBackfill(t *testing.T) {
	plain, err := harness.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	l := start(t, harness.Options{Env: []string{"LUCID_MQTT_PLAIN_ADDR=" + plain}})
	ctx := within(t, patience)
	var late, live []*plainNode
	for range offlineNodes {
		late = append(late, l.plainNode(ctx, plain))
	}
	for range 3 {
		live = append(live, l.plainNode(ctx, plain))
	}
	var brought backlog
	var all sync.WaitGroup
	for _, n := range late {
		all.Go(func() {
			if err := n.bringDay(&brought); err != nil {
				t.Errorf("%s: %v", n.ID, err)
			}
		})
	}
	overtaken := make([][]float64, len(live))
	for i, n := range live {
		all.Go(func() {
			for brought.acknowledged.Load() < offline && !t.Failed() {
				share, err := n.overtake(&brought)
				if err != nil {
					t.Errorf("%s: %v", n.ID, err)
					return
				}
				overtaken[i] = append(overtaken[i], share)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	shares := slices.Concat(overtaken...)
	slices.Sort(shares)
	median := shares[len(shares)/2]
	t.Logf("%d samples of the last day of %d nodes; %d live ones meanwhile, before which %.0f %% of the backlog on its way went in the median",
		offline, offlineNodes, len(shares), 100*median)
	if len(shares) < 2*len(live) || median > 0.5 {
		t.Errorf("%d live samples; %.0f %% of what was on its way before them was acknowledged before them, want less than half",
			len(shares), 100*median)
	}
	if n, want := l.count("SELECT count(*) FROM sample"), offline+int64(len(shares)); n != want {
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
func (n *plainNode) bringDay(brought *backlog) error {
	begin := time.Now().Add(-25 * time.Hour)
	for i := range offlineMessages {
		if int(n.last-n.next)+1 == wire.MaxUnacknowledged {
			if err := n.acknowledged(brought); err != nil {
				return err
			}
		}
		at := begin.Add(24 * time.Hour * time.Duration(i) / offlineMessages)
		if err := n.send(n.seq+1, at, offlineSamples); err != nil {
			return err
		}
		brought.sent.Add(offlineSamples)
	}
	for n.next <= n.last {
		if err := n.acknowledged(brought); err != nil {
			return err
		}
	}
	return nil
}

// overtake sends a live sample, and tells how much of what others had on their
// way before it was acknowledged before it.
func (n *plainNode) overtake(brought *backlog) (share float64, err error) {
	before := brought.acknowledged.Load()
	waiting := brought.sent.Load() - before
	if err := n.send(n.seq+1, time.Now(), 1); err != nil {
		return 0, err
	}
	if err := n.acknowledged(nil); err != nil {
		return 0, err
	}
	return float64(brought.acknowledged.Load()-before) / float64(max(waiting, 1)), nil
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
// samples of a backlog.
func (n *plainNode) acknowledged(brought *backlog) error {
	p, err := n.packets.Next()
	if err != nil {
		return err
	}
	if p.Kind != packet.Puback || p.ID != n.next {
		return fmt.Errorf("packet %d of kind %d came, want the acknowledgement of %d", p.ID, p.Kind, n.next)
	}
	n.next++
	if brought != nil {
		brought.acknowledged.Add(offlineSamples)
	}
	return nil
}
