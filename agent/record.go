package agent

import (
	"encoding/json"
	"time"

	"lucid.internal/agent/internal/spool"
	"lucid.internal/shared/wire"
)

// maxPending bounds the samples that wait for the clock to be set.
const maxPending = 512

// recorder numbers samples and builds messages of them. Only the agent's
// loop uses it.
type recorder struct {
	run     wire.RunID
	queue   *spool.Queue
	now     func() time.Time
	clock   *clock
	seq     uint64
	pending []taken
	absent  map[string]string // of the last sample
	dropped uint64            // samples lost here, each a gap in the sequence
}

// taken is a sample and its moment, which carries the monotonic clock.
type taken struct {
	sample wire.Sample
	at     time.Time
}

func newRecorder(queue *spool.Queue, now func() time.Time, c *clock) *recorder {
	return &recorder{run: wire.NewRunID(), queue: queue, now: now, clock: c}
}

// record numbers a sample taken now.
func (r *recorder) record(s wire.Sample) {
	r.seq++
	s.Seq = r.seq
	if len(r.pending) == maxPending {
		r.pending = r.pending[1:]
		r.dropped++
	}
	r.pending = append(r.pending, taken{s, r.now()})
	r.absent = s.Absent
}

// flush puts the samples since the last one into the queue, their times
// fixed once: now, less the monotonic time that has passed. So a sample that
// was taken before the clock was set gets its true time. While the clock is
// not set they wait.
func (r *recorder) flush() {
	if len(r.pending) == 0 || !r.clock.set() {
		return
	}
	now := r.now()
	samples := make([]wire.Sample, len(r.pending))
	for i, t := range r.pending {
		samples[i] = t.sample
		samples[i].AtMs = now.Add(t.at.Sub(now)).UnixMilli()
	}
	r.pending = r.pending[:0]
	for len(samples) > 0 {
		n := min(len(samples), wire.MaxSamplesPerMessage)
		r.put(samples[:n])
		samples = samples[n:]
	}
}

// put queues samples as one message, or as several when it would be too
// large.
func (r *recorder) put(samples []wire.Sample) {
	payload, err := json.Marshal(wire.Metrics{V: wire.ProtocolVersion, Run: r.run, Samples: samples})
	if err != nil { // a figure that is not a number; collect never makes one
		r.dropped += uint64(len(samples))
		return
	}
	if len(payload) > wire.MaxMessageBytes && len(samples) > 1 {
		half := len(samples) / 2
		r.put(samples[:half])
		r.put(samples[half:])
		return
	}
	r.queue.Put(spool.Message{Run: r.run, LastSeq: samples[len(samples)-1].Seq, Samples: len(samples), Payload: payload})
}
