package event

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lucid.internal/coordinator/internal/db"
)

// Why a listener ended.
var (
	ErrSlow   = errors.New("the listener did not keep up; listen again after the last event that it got")
	ErrClosed = errors.New("the feed of events has ended")
	ErrFull   = errors.New("too many listeners")
)

// Config of a Feed. Pool is required.
type Config struct {
	Pool      *db.Pool
	Retention Retention
	Buffer    int // messages a listener may be behind before it is dropped; default 256
	Listeners int // at most; default 1000
	Now       func() time.Time
}

// Feed hands events on to the listeners of this process. Every coordinator has
// one; RunOnce must be called again and again.
type Feed struct {
	pool      *db.Pool
	keep      Retention
	buffer    int
	most      int
	now       func() time.Time
	starting  sync.Mutex
	started   atomic.Bool
	sampled   atomic.Int64 // listeners that asked for samples
	mu        sync.Mutex
	position  int64 // every event up to it was handed on, or is older than this feed
	listeners map[*Listener]struct{}
	closed    bool
	told      map[string]time.Time // when a node's sample was last handed on
}

// NewFeed makes a Feed.
func NewFeed(c Config) *Feed {
	f := &Feed{
		pool: c.Pool, keep: c.Retention, buffer: c.Buffer, most: c.Listeners, now: c.Now,
		listeners: make(map[*Listener]struct{}), told: make(map[string]time.Time),
	}
	orDefault(&f.keep.Age, 24*time.Hour)
	orDefault(&f.keep.Most, 500_000)
	orDefault(&f.buffer, 256)
	orDefault(&f.most, 1000)
	if f.now == nil {
		f.now = time.Now
	}
	return f
}

func orDefault[T int | int64 | time.Duration](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}

// start notes how far the numbers are: what is older is read from the table.
func (f *Feed) start(ctx context.Context) error {
	if f.started.Load() {
		return nil
	}
	f.starting.Lock()
	defer f.starting.Unlock()
	if f.started.Load() {
		return nil
	}
	_, last, err := bounds(ctx, f.pool)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.position = last
	f.mu.Unlock()
	f.started.Store(true)
	return nil
}

// RunOnce numbers what was published since the last time and hands on all that
// is new. It is for one goroutine.
func (f *Feed) RunOnce(ctx context.Context) error {
	if err := f.start(ctx); err != nil {
		return err
	}
	f.forgetSamples()
	for more := true; more; {
		var err error
		if more, err = number(ctx, f.pool); err != nil {
			return err
		}
		n, err := f.handOn(ctx)
		if err != nil {
			return err
		}
		more = more || n == page
	}
	return nil
}

// handOn reads one page of what is new and gives it to the listeners.
func (f *Feed) handOn(ctx context.Context) (int, error) {
	f.mu.Lock()
	position := f.position
	f.mu.Unlock()
	messages, err := after(ctx, f.pool, position, Filter{})
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range messages {
		f.position = m.No
		for l := range f.listeners {
			if l.filter.selects(m) {
				f.give(l, m)
			}
		}
	}
	return len(messages), nil
}

// give never waits: who is full is dropped.
func (f *Feed) give(l *Listener, m Message) {
	select {
	case l.live <- m:
	default:
		f.end(l, ErrSlow)
	}
}

// end closes a listener's channel; what is in it can still be taken. The
// caller holds the lock.
func (f *Feed) end(l *Listener, why error) {
	if _, ok := f.listeners[l]; !ok {
		return
	}
	delete(f.listeners, l)
	if l.filter.wantsSamples() {
		f.sampled.Add(-1)
	}
	l.ended = why
	close(l.live)
}

// Close ends every listener. Nobody can listen any more.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for l := range f.listeners {
		f.end(l, ErrClosed)
	}
}

// sampleGap is how often at most a node's sample is handed on.
const sampleGap = time.Second

// Sample hands a sample on to whoever asked for samples, unless another of the
// node was handed on within the last second. A listener that is already half
// behind misses it: the next one says more. body is told as JSON; it is not
// kept.
func (f *Feed) Sample(nodeID string, at time.Time, body any) {
	if f.sampled.Load() == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if last, ok := f.told[nodeID]; ok && now.Sub(last) < sampleGap {
		return
	}
	m := Message{V: version, Kind: Sample, At: at.UTC(), NodeID: nodeID}
	for l := range f.listeners {
		if !l.filter.wantsSamples() || !l.filter.selects(m) || len(l.live) >= cap(l.live)/2 {
			continue
		}
		if m.Body == nil {
			var err error
			if m.Body, err = json.Marshal(body); err != nil {
				return // what cannot be told is not told
			}
			f.told[nodeID] = now
		}
		l.live <- m // only this lock's holder adds to it, and it has room
	}
}

// forgetSamples bounds the memory to the nodes that send.
func (f *Feed) forgetSamples() {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	for nodeID, at := range f.told {
		if now.Sub(at) >= sampleGap {
			delete(f.told, nodeID)
		}
	}
}

// Filter selects messages. The zero Filter selects all that is kept.
type Filter struct {
	Kinds   []Kind   // nil: all but samples
	NodeIDs []string // nil: all; else only what is about one of these nodes
}

func (f Filter) wantsSamples() bool { return slices.Contains(f.Kinds, Sample) }

func (f Filter) selects(m Message) bool {
	return (len(f.Kinds) == 0 || slices.Contains(f.Kinds, m.Kind)) &&
		(len(f.NodeIDs) == 0 || slices.Contains(f.NodeIDs, m.NodeID))
}

// Listening is how many listen to what happens now.
func (f *Feed) Listening() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.listeners)
}
