package broker

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

var (
	errPanic   = errors.New("internal error")
	errOffline = errors.New("node could not be made online")
	errLeft    = errors.New("its connection was closed before its turn")
)

// session is one connection of a node, or of an integration, after its login.
type session struct {
	client Client
	mqtt   *mqtt.Client
	reader *reader       // of an integration; nil of a node
	will   []byte        // its own offline status; nil without one
	owed   []byte        // the will that one which was taken over did not send
	ready  chan struct{} // closed when OnConnect returned, or never will be called
	online bool          // OnConnect succeeded; only the connection's goroutine uses it
	once   sync.Once

	metrics  string // the topic of a node's metrics
	held     held
	receipts *Receipts // of a node; nil of an integration
	outbox   outbox
}

func (b *Broker) newSession(c Client, cl *mqtt.Client) *session {
	return &session{client: c, mqtt: cl, ready: make(chan struct{}), outbox: outbox{broker: b, client: cl}}
}

// registry knows the newest session of each node.
type registry struct {
	mu      sync.Mutex
	current map[string]*session
}

// put makes s the node's newest session and gives the one before.
func (r *registry) put(s *session) (before *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before = r.current[s.client.NodeID]
	r.current[s.client.NodeID] = s
	return before
}

// remove reports whether s was still the newest session, and ends that.
func (r *registry) remove(s *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current[s.client.NodeID] != s {
		return false
	}
	delete(r.current, s.client.NodeID)
	return true
}

func (r *registry) get(nodeID string) *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current[nodeID]
}

// supersede makes a session its client's current one, closes the older one and
// gives it, if there was one.
func (b *Broker) supersede(s *session) (before *session, refused *refusal) {
	ok := true
	if s.reader == nil {
		before = b.sessions.put(s)
	} else if before, ok = b.readers.put(s); !ok {
		return nil, &refusal{packets.ErrServerUnavailable, tooManyReaders}
	}
	if before != nil {
		before.mqtt.Stop(packets.ErrSessionTakenOver)
	}
	return before, nil
}

// lastWill is what is to be sent when nobody takes a session over. One that never
// came online owes only that of the one before, whose node may be on record as
// online.
func (s *session) lastWill() []byte {
	if s.online {
		return s.will
	}
	return s.owed
}

// establish calls OnConnect of a node's session, unless it was closed meanwhile;
// that of the older one has returned.
func (b *Broker) establish(s *session) {
	var number uint64
	err := b.call(b.ctx, loggedIn, func(ctx context.Context) (err error) {
		if s.mqtt.Closed() {
			return errLeft
		}
		number, err = b.cfg.OnConnect(ctx, s.client)
		return err
	})
	if errors.Is(err, errLeft) {
		return
	}
	if err != nil {
		b.cfg.Logger.Warn("node could not be made online; its connection is closed", "node", s.client.NodeID, "error", err)
		b.count.refused[notOnline].Inc()
		s.mqtt.Stop(errOffline)
		return
	}
	s.client.Session = number
	s.online = true
}

// finish ends a session, once: the last will leaves unless the node said goodbye or
// is connected anew, then OnDisconnect is called if OnConnect was.
func (b *Broker) finish(s *session, cause error) {
	s.once.Do(func() {
		if s.receipts != nil {
			s.receipts.wait()
		}
		if stopped := s.mqtt.StopCause(); stopped != nil {
			cause = stopped
		}
		if s.reader != nil {
			b.readers.remove(s)
			return
		}
		newest := b.sessions.remove(s)
		if will := s.lastWill(); newest && will != nil && !errors.Is(cause, packets.CodeDisconnect) {
			b.publish(&message{statusTopic(s.client.NodeID), will, 1, true})
		}
		if !s.online {
			return
		}
		b.cfg.OnDisconnect(s.client, b.reason(cause))
	})
}

// reason says in plain words why a connection ended.
func (b *Broker) reason(cause error) string {
	switch {
	case errors.Is(cause, packets.ErrSessionTakenOver):
		return "connected anew"
	case errors.Is(cause, packets.CodeDisconnect):
		return "disconnected by the node"
	case b.closing.Load():
		return "coordinator is closing"
	case errors.Is(cause, os.ErrDeadlineExceeded):
		return "silent for longer than its keep-alive"
	case cause == nil, errors.Is(cause, io.EOF), errors.Is(cause, io.ErrUnexpectedEOF), errors.Is(cause, net.ErrClosed):
		return "connection lost"
	}
	return cause.Error()
}
