package coordinator

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

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
