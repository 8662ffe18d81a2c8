package agent

import (
	"strings"
	"testing"
	"time"

	"lucid.internal/agent/internal/spool"
	"lucid.internal/shared/wire"
)

// bench is a recorder with a clock that the test sets.
type bench struct {
	*recorder
	queue *spool.Queue
	now   time.Time
}

func newBench(t *testing.T, now time.Time) *bench {
	t.Helper()
	queue, _ := spool.Open(spool.Config{}) // in memory: never an error
	b := &bench{queue: queue, now: now}
	b.recorder = newRecorder(b.queue, func() time.Time { return b.now }, newClock(t.TempDir(), func() time.Time { return b.now }))
	return b
}

// messages takes all messages of the queue, each checked as the coordinator
// does.
func (b *bench) messages(t *testing.T) (list []*wire.Metrics) {
	t.Helper()
	for m, ok := b.queue.Next(); ok; m, ok = b.queue.Next() {
		metrics, err := wire.DecodeMetrics(m.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if metrics.LastSeq() != m.LastSeq || len(metrics.Samples) != m.Samples {
			t.Errorf("message is labelled %d with %d samples, holds %d with %d",
				m.LastSeq, m.Samples, metrics.LastSeq(), len(metrics.Samples))
		}
		list = append(list, metrics)
		b.queue.Accept()
	}
	return list
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestFlushSendsEachSampleOnceWithItsOwnTime(t *testing.T) {
	b := newBench(t, noon)
	for range 3 {
		b.record(wire.Sample{})
		b.now = b.now.Add(10 * time.Second)
	}
	b.flush()
	b.flush()
	b.record(wire.Sample{})
	b.flush()
	list := b.messages(t)
	if len(list) != 2 || len(list[0].Samples) != 3 || list[1].FirstSeq() != 4 {
		t.Fatalf("messages = %+v", list)
	}
	for i, s := range list[0].Samples {
		if want := noon.UnixMilli() + int64(i)*10_000; s.AtMs != want || s.Seq != uint64(i+1) {
			t.Errorf("sample %d: seq %d at %d, want at %d", i, s.Seq, s.AtMs, want)
		}
	}
}

func TestSamplesBeforeTheClockWasSetGetTheirTrueTime(t *testing.T) {
	// Only the kernel can step the wall clock under the monotonic one: the
	// sample's moment is replaced by one that has a monotonic part.
	b := newBench(t, time.Unix(1000, 0))
	b.record(wire.Sample{})
	b.flush()
	if len(b.messages(t)) != 0 {
		t.Fatal("a sample of 1970 was sent")
	}
	real := time.Now()
	b.pending[0].at = real.Add(-40 * time.Second) // monotonic and wall alike
	b.now = real
	b.flush()
	list := b.messages(t)
	if len(list) != 1 || list[0].Samples[0].AtMs != real.Add(-40*time.Second).UnixMilli() {
		t.Errorf("messages = %+v, want one from 40 s before %s", list, real)
	}
}

func TestPendingSamplesAreBoundedAndCounted(t *testing.T) {
	b := newBench(t, time.Unix(1000, 0))
	for range maxPending + 5 {
		b.record(wire.Sample{})
	}
	b.now = noon
	for i := range b.pending { // as the monotonic clock has it
		b.pending[i].at = noon
	}
	b.flush()
	list := b.messages(t)
	if len(list) != 2 || list[0].FirstSeq() != 6 || list[1].LastSeq() != maxPending+5 || b.dropped != 5 {
		t.Errorf("%d messages from %d, dropped %d", len(list), list[0].FirstSeq(), b.dropped)
	}
}

func TestLargeMessagesAreSplit(t *testing.T) {
	b := newBench(t, noon)
	reason := strings.Repeat("x", wire.MaxTextBytes)
	for range 200 {
		absent := make(map[string]string)
		for i := range 16 {
			absent[strings.Repeat("s", i+1)] = reason
		}
		b.record(wire.Sample{Absent: absent})
	}
	b.flush()
	list := b.messages(t) // DecodeMetrics refuses what is too large
	next := uint64(1)
	for _, m := range list {
		if m.FirstSeq() != next {
			t.Errorf("message begins at %d, want %d", m.FirstSeq(), next)
		}
		next = m.LastSeq() + 1
	}
	if next != 201 || len(list) < 2 {
		t.Errorf("%d messages up to %d, want several up to 200", len(list), next-1)
	}
}

func TestUntilPhase(t *testing.T) {
	minute := time.Minute
	for _, c := range []struct {
		name  string
		now   time.Time
		phase uint64
		want  time.Duration
	}{
		{"later in this interval", noon.Add(10 * time.Second), uint64(25 * time.Second), 15 * time.Second},
		{"in the next interval", noon.Add(40 * time.Second), uint64(25 * time.Second), 45 * time.Second},
		{"exactly now is the next one", noon.Add(25 * time.Second), uint64(25 * time.Second), minute},
		{"phase beyond the interval", noon, uint64(5*minute + 7*time.Second), 7 * time.Second},
	} {
		if got := untilPhase(c.now, minute, c.phase); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
