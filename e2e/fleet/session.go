package fleet

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"lucid.internal/e2e/packet"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

const (
	pingEvery  = 60 * time.Second
	ackTime    = 30 * time.Second // the coordinator itself gives up after five
	writeTime  = 20 * time.Second
	drainTime  = 10 * time.Second
	dialTime   = 30 * time.Second
	firstReply = 30 * time.Second // of the subscription

	subscribeRefused = 0x80
)

// session is one connection of a node.
type session struct {
	node   *node
	conn   net.Conn
	prefix string // of the node's topics
	in     chan packet.Packet
	gone   chan struct{} // closed when the node no longer reads in
	broken error         // why in was closed; read after that
	lastID uint16

	relayed bool      // the broker is not the coordinator's own: only metrics/ack is a commit
	pending uint16    // packet id of the head of the queue; 0 while it is not on its way
	sentAt  time.Time // of that
}

// connect holds one connection until it ends.
func (n *node) connect(ctx context.Context) error {
	dialing, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := packet.DialFrom(dialing, n.from, n.server, n.tls, packet.Login{
		ID: n.nodeID, Password: n.keys.MQTTPassword,
		Will: &packet.Will{Topic: wire.Topic(n.nodeID, wire.ChannelStatus), Payload: n.status(false)},
	})
	if err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	s := &session{
		node: n, conn: conn, prefix: wire.NodePrefix + n.nodeID + "/",
		in: make(chan packet.Packet), gone: make(chan struct{}),
	}
	counts := &n.fleet.counts
	counts.connections.Add(1)
	counts.connected.enter()
	defer counts.connected.leave()
	defer conn.Close()
	defer close(s.gone)
	go s.read()
	if err := s.greet(); err != nil {
		return err
	}
	return s.serve(ctx)
}

// read hands over what comes until the connection ends.
func (s *session) read() {
	defer close(s.in)
	reader := packet.NewReader(s.conn)
	for {
		p, err := reader.Next()
		if err != nil {
			s.broken = err
			return
		}
		select {
		case s.in <- p:
		case <-s.gone:
			return
		}
	}
}

// greet subscribes and says who is there.
func (s *session) greet() error {
	filter := func(c wire.Channel, qos byte) packet.Filter {
		return packet.Filter{Topic: s.prefix + string(c), QoS: qos}
	}
	err := s.write(packet.AppendSubscribe(nil, s.nextID(),
		filter(wire.ChannelChallenge, 0), filter(wire.ChannelVerdict, 1), filter(wire.ChannelCommand, 1), filter(wire.ChannelConfig, 1),
		filter(wire.ChannelMetricsAck, 1)))
	if err != nil {
		return err
	}
	timer := time.NewTimer(firstReply)
	defer timer.Stop()
	for granted := false; !granted; {
		select {
		case p, open := <-s.in:
			if !open {
				return s.broken
			}
			if granted = p.Kind == packet.Suback; granted {
				s.relayed = len(p.Payload) > 0 && p.Payload[len(p.Payload)-1] != subscribeRefused
			}
		case <-timer.C:
			return errors.New("the subscription is not answered")
		}
	}
	if err := s.publish(wire.ChannelStatus, s.node.status(true), true); err != nil {
		return err
	}
	return s.publish(wire.ChannelInfo, encode(wire.Info{V: wire.ProtocolVersion, Inventory: *s.node.inventory}), true)
}

// serve is a node's life on a connection. When ctx ends it delivers what waits
// and says goodbye.
func (s *session) serve(ctx context.Context) error {
	n := s.node
	timer := time.NewTimer(0)
	defer timer.Stop()
	n.prepare(time.Now())
	ended := ctx.Done()
	var patience <-chan time.Time
	for {
		if err := s.sendHead(); err != nil {
			return err
		}
		if ended == nil && len(n.queue) == 0 {
			return s.leave()
		}
		_, at := n.agenda.next()
		timer.Reset(time.Until(at))
		select {
		case p, open := <-s.in:
			if !open {
				return s.broken
			}
			if err := s.take(p); err != nil {
				return err
			}
		case a := <-n.answers:
			if err := s.respond(a); err != nil {
				return err
			}
		case <-timer.C:
			if err := s.due(ended == nil); err != nil {
				return err
			}
		case <-patience:
			return errLeft // what waits was not acknowledged, so nothing is owed
		case <-ended:
			ended, patience = nil, time.After(drainTime)
			n.agenda[taskResend] = time.Time{}
			n.collect(time.Now())
		}
	}
}

// prepare plans the tasks of a new connection. A fault that would have come
// while there was none comes to nothing.
func (n *node) prepare(now time.Time) {
	n.agenda[taskPing] = now.Add(pingEvery)
	n.agenda[taskGiveUp], n.agenda[taskResend] = time.Time{}, time.Time{}
	for n.cuts > 0 && n.agenda[taskCut].Before(now) {
		n.agenda[taskCut] = following(n.agenda[taskCut], n.cuts, n.fate)
	}
	for n.churn > 0 && n.agenda[taskRestart].Before(now) {
		n.agenda[taskRestart] = following(n.agenda[taskRestart], n.churn, n.fate)
	}
}

// due does the task whose moment has come. One that is leaving only waits for
// its acknowledgements.
func (s *session) due(leaving bool) error {
	n, now := s.node, time.Now()
	task, at := n.agenda.next()
	if at.After(now) {
		return nil
	}
	switch task {
	case taskPublish:
		if leaving {
			n.agenda[taskPublish] = now.Add(time.Hour)
			return nil
		}
		n.collect(now)
		if len(n.queue) > 0 && s.pending == 0 && n.dice.Float64() < n.fleet.config.Faults.Delays {
			delay := time.Duration(n.dice.Float64() * float64(n.fleet.config.Faults.Delay))
			n.excuse(delay)
			n.agenda[taskResend] = now.Add(delay)
		}
	case taskResend:
		n.agenda[taskResend], n.queue[0].delayed = time.Time{}, true
	case taskPing:
		n.agenda[taskPing] = now.Add(pingEvery)
		return s.write(packet.AppendPing(nil))
	case taskGiveUp:
		return errors.New("no acknowledgement in time")
	case taskCut:
		n.agenda[taskCut] = following(at, n.cuts, n.fate)
		n.fleet.counts.cuts.Add(1)
		return errCut
	case taskRestart:
		n.agenda[taskRestart] = following(at, n.churn, n.fate)
		n.fleet.counts.restarts.Add(1)
		return errRestart
	}
	return nil
}

// sendHead sends the oldest message, one at a time, unless it is held back.
func (s *session) sendHead() error {
	n := s.node
	if s.pending != 0 || len(n.queue) == 0 || !n.agenda[taskResend].IsZero() {
		return nil
	}
	m := &n.queue[0]
	s.pending, s.sentAt = s.nextID(), time.Now()
	again := m.last <= n.run.sent
	n.run.sent = max(n.run.sent, m.last)
	n.agenda[taskGiveUp] = s.sentAt.Add(ackTime)
	out := s.metrics(nil, m.payload, s.pending, again)
	if n.dice.Float64() < n.fleet.config.Faults.Duplicates {
		// As if its acknowledgement had not come; that of the second is nobody's.
		out = s.metrics(out, m.payload, s.nextID(), true)
		n.fleet.counts.sentAgain.Add(1)
	}
	if n.kind == Hide {
		out = s.metrics(out, []byte("{"), s.nextID(), false) // acknowledged, and a dead letter
	}
	return s.write(out)
}

func (s *session) metrics(dst, payload []byte, id uint16, again bool) []byte {
	return packet.AppendMessage(dst, packet.Message{
		Topic: s.prefix + string(wire.ChannelMetrics), ID: id, Again: again, Payload: payload,
	})
}

// take handles a packet of the coordinator.
func (s *session) take(p packet.Packet) error {
	switch p.Kind {
	case packet.Puback:
		if p.ID == s.pending && !s.relayed {
			s.acknowledged()
		}
	case packet.Publish:
		if p.QoS > 0 {
			if err := s.write(packet.AppendAck(nil, p.ID)); err != nil {
				return err
			}
		}
		channel, ours := strings.CutPrefix(p.Topic, s.prefix)
		if !ours {
			return errors.New("a message for another node: " + p.Topic)
		}
		switch wire.Channel(channel) {
		case wire.ChannelChallenge:
			s.challenged(p.Payload)
		case wire.ChannelVerdict:
			return s.judged(p.Payload)
		case wire.ChannelCommand:
			return s.obey(p.Payload)
		case wire.ChannelMetricsAck:
			return s.committed(p.Payload)
		}
	}
	return nil
}

// acknowledged books the head of the queue, which is on its way.
func (s *session) acknowledged() {
	if s.pending != 0 {
		s.pending = 0
		s.node.agenda[taskGiveUp] = time.Time{}
		s.node.accept(s.sentAt, time.Now())
	}
}

// committed is the coordinator's own acknowledgement, behind another's broker.
func (s *session) committed(payload []byte) error {
	n := s.node
	ack, err := wire.DecodeMetricsAck(payload)
	if err != nil {
		return err
	}
	if !proof.VerifyAck(n.keys.Challenge, n.nodeID, ack) {
		return errors.New("an acknowledgement with another's MAC")
	}
	if s.pending != 0 && ack.Run == n.run.id && ack.Seq == n.queue[0].last {
		s.acknowledged()
	}
	return nil
}

func (s *session) leave() error {
	err := s.publish(wire.ChannelStatus, s.node.status(false), true)
	return errors.Join(errLeft, err, s.write(packet.AppendDisconnect(nil)))
}

func (s *session) publish(c wire.Channel, payload []byte, retain bool) error {
	return s.write(packet.AppendMessage(nil, packet.Message{
		Topic: s.prefix + string(c), ID: s.nextID(), Retain: retain, Payload: payload,
	}))
}

func (s *session) write(packets []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	_, err := s.conn.Write(packets)
	return err
}

// nextID is a packet id that is not in use: at most a few are at once.
func (s *session) nextID() uint16 {
	if s.lastID++; s.lastID == 0 {
		s.lastID = 1
	}
	return s.lastID
}
