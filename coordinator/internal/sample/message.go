package sample

import (
	"crypto/sha256"
	"encoding/json"
	"time"

	"lucid.internal/shared/wire"
)

// digestBytes is how much of a message's SHA-256 is stored, enough to tell
// whether a message that comes again is the same.
const digestBytes = 16

// message is one metrics message on its way through a writer.
type message struct {
	nodeNo   int32
	nodeID   string
	payload  []byte
	metrics  *wire.Metrics // nil when malformed
	run      wire.RunID    // zero when even that cannot be read
	received time.Time
	backfill bool   // measured a while ago: newer samples go first
	kind     string // reason of a dead letter, "" for data
	reason   string // the same, in full
	kept     *bool  // as a dead letter; nil until that was asked
	outcome  outcome
	queued   time.Time
	bytes    int64 // about what it takes while it waits
	from     Sender
}

// newMessage decodes and checks what needs no database.
func newMessage(nodeNo int32, nodeID string, payload []byte, now time.Time, retention time.Duration) *message {
	m := &message{nodeNo: nodeNo, nodeID: nodeID, payload: payload, received: now, bytes: int64(len(payload)) + messageBytes}
	metrics, err := wire.DecodeMetrics(payload)
	if err != nil {
		m.kind, m.reason, m.run = reasonMalformed, err.Error(), runOf(payload)
		return m
	}
	m.metrics, m.run = metrics, metrics.Run
	m.bytes += sampleBytes * int64(len(metrics.Samples))
	if reason := checkTimes(metrics.Samples, now, retention); reason != "" {
		m.kind, m.reason = reasonTime, reason
	}
	m.backfill = m.newest().Before(now.Add(-liveAge))
	return m
}

// runOf reads the run id of a message that is otherwise malformed, so that the
// right run's hash is given up.
func runOf(payload []byte) wire.RunID {
	var m struct {
		Run wire.RunID `json:"run"`
	}
	if json.Unmarshal(payload, &m) != nil {
		return wire.RunID{}
	}
	return m.Run
}

func (m *message) digest() []byte {
	sum := sha256.Sum256(m.payload)
	return sum[:digestBytes]
}

// last is the sample that carries the message's hashes.
func (m *message) last() *wire.Sample { return &m.metrics.Samples[len(m.metrics.Samples)-1] }

// newest is the time of the newest sample; of what is no data, when it came.
func (m *message) newest() time.Time {
	if m.kind != "" {
		return m.received
	}
	at := m.metrics.Samples[0].AtMs
	for i := range m.metrics.Samples {
		at = max(at, m.metrics.Samples[i].AtMs)
	}
	return time.UnixMilli(at)
}

// oldest is the time of the oldest sample of a message that is data.
func (m *message) oldest() time.Time {
	at := m.metrics.Samples[0].AtMs
	for i := range m.metrics.Samples {
		at = min(at, m.metrics.Samples[i].AtMs)
	}
	return time.UnixMilli(at)
}

func (m *message) rows() int {
	if m.kind != "" {
		return 1
	}
	return len(m.metrics.Samples)
}

// Memory of a message beside its payload, measured on whole ones.
const (
	messageBytes = 512
	sampleBytes  = 1024
)
