package fleet

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// node is one simulated agent. Its goroutine owns every field but pulse.
type node struct {
	fleet *Fleet
	*machine
	group       *group // of the cheats that act together
	source      source
	dice        *rand.Rand // what this node alone does
	fate        *rand.Rand // when something befalls it; alike for Sybils
	churn, cuts float64    // a minute
	skew        time.Duration
	boot        boot
	agenda      agenda
	ticks       int64 // samples that the series has gone on by

	run        *run
	runs       []*run
	connection uint32 // of the run
	queue      []message
	acked      uint64 // sequence number of the last acknowledged message
	chain      [32]byte

	stopped     bool          // by a command
	version     uint64        // of the last command
	firstAnswer []byte        // what Replay answers with
	lastAnswer  *answer       // what Second answers once more
	longest     time.Duration // that it ever had to answer
	answered    int
	answers     chan answer

	pulse pulse
}

const (
	minBackoff = time.Second
	maxBackoff = 30 * time.Second
	maxQueue   = 400 // messages; an agent's megabyte
)

// Ways in which a connection ends by the node's own doing.
var (
	errCut     = errors.New("the network is cut")
	errRestart = errors.New("the agent restarts")
	errLeft    = errors.New("the node has left")
)

// live connects again and again until ctx ends.
func (n *node) live(ctx context.Context, begin time.Time) {
	if sleep(ctx, time.Until(begin)) != nil {
		return
	}
	failures := 0
	for ctx.Err() == nil {
		n.connection++
		began := time.Now()
		err := n.connect(ctx)
		switch {
		case errors.Is(err, errLeft):
			return
		case errors.Is(err, errCut):
			n.stayAway(ctx)
		case errors.Is(err, errRestart):
			n.restart()
			n.stayAway(ctx)
		default:
			if failures++; time.Since(began) > maxBackoff {
				failures = 1
			}
			if ctx.Err() == nil {
				n.fleet.counts.failed.Add(1)
				n.pulse.failed.Add(1)
			}
			// Full jitter: a fleet that lost its coordinator does not come back as a wave.
			_ = sleep(ctx, time.Duration(n.dice.Float64()*float64(min(minBackoff<<min(failures, 10), maxBackoff))))
		}
	}
}

// stayAway is without a connection for as long as a fault on demand takes, or
// until ctx ends.
func (n *node) stayAway(ctx context.Context) {
	pause := exponential(n.away(), n.dice)
	n.excuse(pause)
	n.fleet.counts.away.enter()
	defer n.fleet.counts.away.leave()
	_ = sleep(ctx, pause)
}

// excuse books time whose samples nobody may expect to be acknowledged in time,
// since the node was told to lose them or to hold them up.
func (n *node) excuse(d time.Duration) { n.fleet.counts.excusedNs.Add(int64(d)) }

// away is the mean time that it stays without a connection.
func (n *node) away() time.Duration {
	if n.kind == Restless {
		return restlessAway
	}
	return n.fleet.config.Faults.Away
}

// restart is a new start of the agent, with what waited for an acknowledgement
// lost; now and then of the whole machine.
func (n *node) restart() {
	for _, m := range n.queue {
		n.fleet.counts.givenUp.Add(m.last - m.first + 1)
	}
	n.excuse(n.fleet.config.PublishInterval) // of what it sampled, no more waits where messages are acknowledged
	if n.fate.IntN(4) == 0 {
		n.boot = newBoot(time.Now())
		n.source.reboot()
	}
	n.startRun()
	for upTo := n.fleet.tickAt(time.Now()); n.ticks < upTo; n.ticks++ {
		n.source.step() // the machine went on meanwhile, or its copies did
	}
}

// tickAt is the number of samples that are due at a moment. All nodes sample
// at the same moments of the series, so that a copy can be one.
func (f *Fleet) tickAt(t time.Time) int64 { return int64(t.Sub(f.series) / f.config.SampleInterval) }

// collect turns what was sampled since the last time into a message, for each
// publication that is due.
func (n *node) collect(now time.Time) {
	for due := &n.agenda[taskPublish]; !due.After(now); *due = due.Add(n.fleet.config.PublishInterval) {
		n.compose(n.fleet.tickAt(*due))
	}
}

// compose builds the message of the samples up to a tick. It is never changed
// afterwards.
func (n *node) compose(upTo int64) {
	var samples []wire.Sample
	for n.ticks < upTo {
		n.ticks++
		n.source.step()
		if n.stopped {
			n.excuse(n.fleet.config.SampleInterval)
			continue
		}
		n.run.seq++
		s := n.source.sample()
		s.Seq, s.AtMs = n.run.seq, n.clock(n.ticks).UnixMilli()
		samples = append(samples, s)
	}
	if len(samples) > 0 {
		n.put(samples)
	}
}

// put queues samples as one message, or as several when it would be too large.
func (n *node) put(samples []wire.Sample) {
	payload, err := json.Marshal(wire.Metrics{V: wire.ProtocolVersion, Run: n.run.id, Samples: samples})
	if err != nil {
		panic(fmt.Sprintf("fleet: a sample that JSON cannot hold: %v", err))
	}
	if len(samples) > wire.MaxSamplesPerMessage || len(payload) > wire.MaxMessageBytes && len(samples) > 1 {
		half := len(samples) / 2
		n.put(samples[:half])
		n.put(samples[half:])
		return
	}
	if len(n.queue) >= maxQueue { // the head may be committed already, so the next one goes
		n.fleet.counts.dropped.Add(n.queue[1].last - n.queue[1].first + 1)
		n.queue = append(n.queue[:1], n.queue[2:]...)
	}
	last := samples[len(samples)-1]
	n.queue = append(n.queue, message{
		first: samples[0].Seq, last: last.Seq, newest: time.UnixMilli(last.AtMs), payload: payload,
	})
}

// clock is the time of a sample as the node sees it.
func (n *node) clock(tick int64) time.Time {
	at := n.fleet.series.Add(time.Duration(tick) * n.fleet.config.SampleInterval).Add(n.skew)
	if n.kind == Clock && tick%2 == 1 {
		at = at.Add(-clockGame)
	}
	return at
}

// clockGame is how far the Clock cheats set the time of samples back and forth.
const clockGame = 2 * time.Minute

// accept books the head of the queue as acknowledged.
func (n *node) accept(sent, acked time.Time) {
	m := &n.queue[0]
	if n.run.acknowledge(m, sent, acked) {
		n.fleet.counts.letters.Add(m.last - m.first + 1)
	}
	n.fleet.counts.acked.Add(m.last - m.first + 1)
	if m.delayed {
		n.fleet.counts.delayed.Add(1)
	}
	n.pulse.acked.Store(acked.UnixNano())
	n.acked = m.last
	n.chain = proof.ChainNext(n.chain, n.claimed(m.payload))
	n.queue[0] = message{} // its bytes are free
	n.queue = n.queue[1:]
}

// claimed is the message that the running hash speaks of.
func (n *node) claimed(payload []byte) []byte {
	if n.kind != Alter {
		return payload
	}
	other := append([]byte(nil), payload...)
	other[len(other)-1] ^= 1
	return other
}

// status is the retained status of a connection, and its will.
func (n *node) status(online bool) []byte {
	state := wire.StateRunning
	if n.stopped {
		state = wire.StateStopped
	}
	return encode(wire.Status{
		V: wire.ProtocolVersion, Online: online, Run: n.run.id, Connection: n.connection,
		BootID: hex.EncodeToString(n.boot.id[:]), AgentVersion: agentVersion, State: state,
	})
}

func encode(message any) []byte {
	text, err := json.Marshal(message)
	if err != nil {
		panic(fmt.Sprintf("fleet: %T cannot be encoded: %v", message, err))
	}
	return text
}
