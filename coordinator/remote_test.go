package coordinator

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"lucid.internal/coordinator/internal/bus"
	"lucid.internal/shared/wire"
)

// The lease ends with its connection, so also when Postgres is started anew, and
// the same coordinator leads again. Who left in between is not there any more.
func TestNodeThatLeftWhileTheLeaseWasAwayIsOffline(t *testing.T) {
	l := newLife(t)
	id, token := l.create("attic-pi")
	l.enrol(token)
	r := newRemote(l.Coordinator)
	say := func(online bool) {
		l.must(r.takeAsLeader(t.Context(), bus.Message{Topic: wire.Topic(id, wire.ChannelStatus), Payload: statusOf(l, 1, online)}))
	}
	say(true)
	ended, end := context.WithCancel(t.Context())
	end()
	l.must(r.lead(ended))
	say(false)
	l.wantNobodyOnline()
}

// A coordinator that deletes a node takes back what the broker retained of it, which
// the leader hears: that is no message of the node.
func TestTakingBackIsNoDeadLetter(t *testing.T) {
	l := newLife(t)
	id, token := l.create("attic-pi")
	l.enrol(token)
	r := newRemote(l.Coordinator)
	for _, topic := range wire.RetainedTopics(id) {
		l.must(r.takeAsLeader(t.Context(), bus.Message{Topic: topic}))
	}
	l.wantNoDeadLetters()
}

// A node that was deleted a moment ago may go on talking: the broker is not
// ours to close its connection. What it says must not come back for as long as
// it is remembered, and keep the leader from hearing all others.
func TestDeletedNodeHoldsUpNobody(t *testing.T) {
	l := newLife(t)
	id, token := l.create("attic-pi")
	l.enrol(token)
	r := newRemote(l.Coordinator)
	say := func(connection uint32) error {
		return r.takeAsLeader(t.Context(), bus.Message{Topic: wire.Topic(id, wire.ChannelStatus), Payload: statusOf(l, connection, true)})
	}
	l.must(say(1))
	l.call(http.MethodDelete, "/nodes/"+id, "", http.StatusNoContent, nil) // by another coordinator: r is not told
	if err := say(2); err != nil {
		t.Errorf("its message comes back: %v", err)
	}
	l.wantNobodyOnline()
	l.wantNoDeadLetters()
}

// open lets everybody do everything.
type open struct{ mochi.HookBase }

func (*open) Provides(b byte) bool { return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck }

func (*open) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }

func (*open) OnACLCheck(*mochi.Client, string, bool) bool { return true }

// What a deleted node tells after it was forgotten, and a will of its last
// connection, is retained by a broker that is not ours: the leader takes it back when
// it hears it, and is sent all that is retained when it begins.
func TestWhatADeletedNodeTellsIsTakenBack(t *testing.T) {
	l := newLife(t)
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler), InlineClient: true})
	l.must(server.AddHook(new(open), nil))
	listener := listeners.NewTCP(listeners.Config{ID: "a", Address: "127.0.0.1:0"})
	l.must(server.AddListener(listener))
	l.must(server.Serve())
	t.Cleanup(func() { _ = server.Close() })
	l.Config.MQTT.BrokerURL = "tcp://" + listener.Address()
	id, token := l.create("attic-pi")
	l.enrol(token)
	status := wire.Topic(id, wire.ChannelStatus)
	l.call(http.MethodDelete, "/nodes/"+id, "", http.StatusNoContent, nil)
	told := make(chan string, 10)
	tell := func() {
		l.must(server.Publish(status, statusOf(l, 1, false), true, 1))
		<-told
	}
	l.must(server.Subscribe(status, 1, func(_ *mochi.Client, _ packets.Subscription, pk packets.Packet) { told <- string(pk.Payload) }))
	tell()

	r := newRemote(l.Coordinator)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	var running sync.WaitGroup
	running.Go(func() { r.Bus.Run(ctx) })
	running.Go(func() { _ = r.lead(ctx) })
	defer running.Wait()
	defer stop()
	takenBack := func(when string) {
		select {
		case payload := <-told:
			if payload != "" {
				t.Errorf("%q is told, want nothing", payload)
			}
		case <-ctx.Done():
			t.Fatalf("not taken back: what it told %s", when)
		}
	}
	takenBack("before there was a leader")
	tell()
	takenBack("while one leads")
	l.wantNoDeadLetters()
}

func statusOf(l *life, connection uint32, online bool) []byte {
	payload, err := json.Marshal(wire.Status{
		V: wire.ProtocolVersion, Run: wire.RunID{1}, Connection: connection, Online: online, State: wire.StateRunning, BootID: "boot", AgentVersion: "1.0.0",
	})
	l.must(err)
	return payload
}

func (l *life) wantNobodyOnline() {
	l.t.Helper()
	var online int
	l.must(l.DB.QueryRow(l.t.Context(), `SELECT (SELECT count(*) FROM node WHERE online) + (SELECT count(*) FROM node_presence WHERE to_at IS NULL)`).Scan(&online))
	if online != 0 {
		l.t.Error("it is online still")
	}
}

func (l *life) wantNoDeadLetters() {
	l.t.Helper()
	var letters int
	l.must(l.DB.QueryRow(l.t.Context(), `SELECT count(*) FROM dead_letter`).Scan(&letters))
	if letters != 0 {
		l.t.Errorf("%d dead letters", letters)
	}
}
