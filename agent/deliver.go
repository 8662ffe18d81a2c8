package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"time"

	"lucid.internal/agent/internal/link"
	"lucid.internal/agent/internal/spool"
	"lucid.internal/shared/wire"
)

// ackTimeout is how long a connection that lives may acknowledge nothing of
// what is on its way: longer than the coordinator waits for its database.
const ackTimeout = 30 * time.Second

// deliver sends the queue's messages, oldest first, each until it is
// acknowledged: after a failure all that are not go out again, byte for byte
// and in order, on the next connection.
func (a *Agent) deliver(ctx context.Context) {
	for ctx.Err() == nil {
		for a.queue.Stats().Messages == 0 {
			select {
			case <-ctx.Done():
				return
			case <-a.queue.Ready():
			}
		}
		session, err := a.link.Session(ctx) // before Next: what was never sent may still be dropped
		if err != nil {
			return
		}
		a.queue.Rewind()
		if err := a.deliverOn(ctx, session); err != nil && ctx.Err() == nil {
			session.Break(err) // without an acknowledgement nothing may follow on it
		}
	}
}

// onItsWay is a message that was sent and is not acknowledged.
type onItsWay struct {
	spool.Message
	*link.Publication
}

// deliverOn sends what waits on one connection. It ends when nothing does, or
// with an error.
func (a *Agent) deliverOn(ctx context.Context, s *link.Session) error {
	window := wire.MaxUnacknowledged
	if s.Relayed {
		window = 1 // the coordinators behind that broker take one at a time
	}
	var sent []onItsWay // oldest first
	for {
		patience, cancel := context.WithTimeoutCause(ctx, ackTimeout, fmt.Errorf("no acknowledgement within %s", ackTimeout))
		err := a.fill(patience, s, &sent, window)
		if err == nil && len(sent) > 0 {
			err = a.awaitOldest(patience, s, sent[0])
		}
		if err != nil && patience.Err() != nil {
			err = context.Cause(patience)
		}
		cancel()
		if err != nil || len(sent) == 0 {
			return err
		}
		a.journal.advance(sent[0].Message, a.config.Now())
		a.queue.Accept()
		sent = sent[1:]
		select {
		case a.delivered <- struct{}{}:
		default:
		}
	}
}

// fill sends until as many as may be are on their way. While the coordinator
// keeps up that is one.
func (a *Agent) fill(ctx context.Context, s *link.Session, sent *[]onItsWay, window int) error {
	for len(*sent) < window {
		m, ok := a.queue.Next()
		if !ok {
			return nil
		}
		p, err := s.Send(ctx, wire.ChannelMetrics, m.Payload, 1, false)
		if err != nil {
			return err
		}
		*sent = append(*sent, onItsWay{m, p})
	}
	return nil
}

func (a *Agent) awaitOldest(ctx context.Context, s *link.Session, m onItsWay) error {
	err := m.Wait(ctx)
	if err == nil && s.Relayed {
		err = a.awaitCommit(ctx, s, m.Message)
	}
	return err
}

// spillAfter is how long a message waits in memory before the disk gets all
// that wait, in one write: short troubles cost an SD card nothing, and a power
// cut in a long one costs at most this much.
const spillAfter = 15 * time.Minute

// keep moves what has waited long to the disk, until ctx ends.
func (a *Agent) keep(ctx context.Context) {
	after := cmp.Or(a.config.spillAfter, spillAfter)
	look := time.NewTicker(after / 15)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			if a.queue.Waited() >= after {
				a.spill()
			}
		}
	}
}

// spill moves what waits to the disk. What it cannot take stays in memory.
func (a *Agent) spill() {
	err := a.queue.Spill()
	if err != nil {
		a.config.Logger.Warn("samples stay in memory", "error", err, "samples", a.queue.Stats().Samples)
	}
	a.journal.trouble(err)
}

// greet tells a new connection who is there.
func (a *Agent) greet(ctx context.Context, s *link.Session) error {
	if err := s.Publish(ctx, wire.ChannelStatus, a.status(s.Connection, true), 1, true); err != nil {
		return err
	}
	return s.Publish(ctx, wire.ChannelInfo, a.info(), 1, true)
}

// status is the retained status message of a connection.
func (a *Agent) status(connection uint32, online bool) []byte {
	return encode(wire.Status{
		V: wire.ProtocolVersion, Online: online, Run: a.recorder.run, Connection: connection,
		BootID: a.bootID, AgentVersion: a.config.Version, State: a.control.State(),
		ConfigVersion: a.control.ConfigVersion(), CommandVersion: a.control.Version(), KeyEpoch: a.keys.Newest(),
	})
}

// encode marshals messages of ours, which always can be.
func encode(message any) []byte {
	b, err := json.Marshal(message)
	if err != nil {
		panic(fmt.Sprintf("agent: %T cannot be encoded: %v", message, err))
	}
	return b
}

// prove answers challenges as they come, one at a time. An answer is worth
// nothing after its deadline, so it is never kept for later.
func (a *Agent) prove(ctx context.Context) {
	for {
		var challenge link.Message
		select {
		case <-ctx.Done():
			return
		case challenge = <-a.challenges:
		}
		if err := a.answer(ctx, challenge); err != nil && ctx.Err() == nil {
			a.config.Logger.Warn("challenge not answered", "error", err)
		}
	}
}

func (a *Agent) answer(ctx context.Context, challenge link.Message) error {
	response, deadline, err := a.prover.Answer(ctx, challenge.Payload, challenge.Received)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	session, err := a.link.Session(ctx)
	if err != nil {
		return err
	}
	return session.Publish(ctx, wire.ChannelResponse, response, 1, false)
}

// receive takes a message from the coordinator. It does not block.
func (a *Agent) receive(m link.Message) {
	if m.Retained && m.Channel != wire.ChannelConfig { // the coordinator has nothing else kept
		a.config.Logger.Warn("message ignored: the broker kept it", "channel", m.Channel)
		return
	}
	switch m.Channel {
	case wire.ChannelChallenge:
		if a.control.Stopped() {
			a.config.Logger.Warn("challenge ignored: the coordinator stopped this agent")
			return
		}
		select {
		case a.challenges <- m:
		default: // the coordinator keeps one open: these are too many to be its own
			a.config.Logger.Warn("challenge ignored: others are waiting")
		}
	case wire.ChannelVerdict:
		if err := a.journal.judge(m.Payload); err != nil {
			a.config.Logger.Warn("verdict ignored", "error", err)
		}
	case wire.ChannelCommand, wire.ChannelConfig:
		select {
		case a.commands <- m:
		default: // the coordinator keeps one open: these are too many to be its own
			a.config.Logger.Warn("message ignored: others are waiting", "channel", m.Channel)
		}
	case wire.ChannelMetricsAck:
		if err := a.committed(m.Payload); err != nil {
			a.config.Logger.Warn("acknowledgement ignored", "error", err)
		}
	}
}

// untilPublish is the time to the next publication. Each node has its own
// phase in the interval, so that a fleet does not publish in one wave.
func (a *Agent) untilPublish() time.Duration {
	h := fnv.New64a()
	h.Write([]byte(a.identity.NodeID))
	return untilPhase(a.config.Now(), a.intervals.publish, h.Sum64())
}

// untilPhase is the time from now to the next moment whose remainder by the
// interval is that of the phase; never 0.
func untilPhase(now time.Time, interval time.Duration, phase uint64) time.Duration {
	position := time.Duration(uint64(now.UnixNano()) % uint64(interval))
	target := time.Duration(phase % uint64(interval))
	if target <= position {
		target += interval
	}
	return target - position
}
