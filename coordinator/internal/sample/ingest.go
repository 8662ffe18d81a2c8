package sample

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/shared/wire"
)

// DefaultWriters is how many transactions, each on a connection, there are at once.
const DefaultWriters = 2

// IngestConfig of an Ingest. Only Store is required.
type IngestConfig struct {
	Store *Store
	// Pool is where groups are committed. Default: the Store's. Who else uses it
	// can make samples wait for a connection until they are late.
	Pool *db.Pool
	// OnStored is told of each sample after its commit, on a writer's
	// goroutine: it must be quick. The sample must not be changed.
	OnStored func(nodeID string, s *wire.Sample)
	// OnFailed is told of each message that is not committed.
	OnFailed   func(error)
	Logger     *slog.Logger          // default: silent
	Registerer prometheus.Registerer // default: a registry of its own
	Writers    int                   // concurrent transactions; default DefaultWriters
	// Wait is how long a message may wait for its commit. Default 5 s.
	Wait time.Duration
	// WaitingBytes bounds the memory of all messages that wait. Default 128 MiB.
	WaitingBytes int64
}

var (
	// ErrStopped settles what comes after Run has ended.
	ErrStopped = errors.New("sample ingest is stopped")
	// ErrFull settles what comes while too much waits for the database.
	ErrFull = errors.New("too many samples wait for the database")
	// ErrLate settles what waited too long.
	ErrLate = errors.New("samples waited too long for the database")
	// ErrBehind settles what its sender sent behind a message that failed.
	ErrBehind = errors.New("samples before these were not taken")
)

// Ingest takes metrics messages in and commits them in groups. One node's
// messages always go through the same writer, in order.
type Ingest struct {
	cfg     IngestConfig
	store   *Store
	count   *counters
	writers []*writer
	waiting atomic.Int64 // memory of what is not settled, about
}

// NewIngest makes an Ingest; Run makes it work.
func NewIngest(cfg IngestConfig) (*Ingest, error) {
	if cfg.Store == nil {
		return nil, errors.New("sample: IngestConfig.Store is required")
	}
	if cfg.Pool == nil {
		cfg.Pool = cfg.Store.cfg.Pool
	}
	if cfg.OnFailed == nil {
		cfg.OnFailed = func(error) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Registerer == nil {
		cfg.Registerer = prometheus.NewRegistry()
	}
	if cfg.Writers <= 0 {
		cfg.Writers = DefaultWriters
	}
	if cfg.Wait <= 0 {
		cfg.Wait = 5 * time.Second
	}
	if cfg.WaitingBytes <= 0 {
		cfg.WaitingBytes = 128 << 20
	}
	count, err := newCounters(cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	in := &Ingest{cfg: cfg, store: cfg.Store, count: count}
	if err := cfg.Registerer.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "lucid_ingest_waiting_bytes", Help: "Memory of messages that wait for their commit, about.",
	}, func() float64 { return float64(in.waiting.Load()) })); err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	for range cfg.Writers {
		in.writers = append(in.writers, newWriter(in))
	}
	return in, nil
}

// Run commits until ctx ends; groups under way are finished, what waits is
// settled with ErrStopped, newest samples are written. Call it once.
func (in *Ingest) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, w := range in.writers {
		wg.Go(func() { w.run(ctx) })
	}
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-tick.C:
			in.flush(ctx, in.cfg.Wait)
		case <-ctx.Done():
		}
	}
	wg.Wait()
	in.flush(context.WithoutCancel(ctx), min(in.cfg.Wait, lastFlush))
}

// flushInterval is how much older than its own the newest samples may be that
// other coordinators show, and that alerts are judged by. A row for each node
// that sent is written: with ten thousand that is as dear as their samples.
const flushInterval = 3 * time.Second

// lastFlush bounds how long a database that hangs holds up the end. What is not
// written then is a copy of what the samples' own table has.
const lastFlush = 2 * time.Second

func (in *Ingest) flush(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := errors.Join(in.store.FlushLatest(ctx), in.store.flushUntimely(ctx)); err != nil && ctx.Err() == nil {
		in.cfg.Logger.Warn("newest samples are not written yet; trying again", "error", err)
	}
}

// Take takes one metrics message over, payload included, and returns at once.
// Its sender may have several on their way, and is told when the fate of one
// is committed: stored, recognised as a duplicate, or put among the dead
// letters. After an error nothing is known to be committed: the node must send
// the same bytes again, and nothing that it sent behind them is taken before.
func (in *Ingest) Take(nodeNo int32, nodeID string, payload []byte, from Sender) {
	if in.waiting.Load() >= in.cfg.WaitingBytes {
		in.count.failed.Inc()
		in.settle([]*message{{nodeID: nodeID, from: from}}, ErrFull)
		return
	}
	m := newMessage(nodeNo, nodeID, payload, in.store.cfg.Now(), in.store.cfg.Retention.Raw)
	m.queued, m.from = time.Now(), from
	in.waiting.Add(m.bytes)
	if !in.writers[int(nodeNo)%len(in.writers)].inbox.put(m) {
		in.settle([]*message{m}, ErrStopped)
	}
}

// Crowded reports that much waits for the database: then senders should have
// no more than one message on its way, so that all find room.
func (in *Ingest) Crowded() bool { return in.waiting.Load() >= in.cfg.WaitingBytes/4 }

// settle tells the senders of messages that follow each other what became of
// them.
func (in *Ingest) settle(messages []*message, err error) {
	for len(messages) > 0 {
		m, count := messages[0], 0
		for count < len(messages) && messages[count].from == m.from {
			in.waiting.Add(-messages[count].bytes)
			count++
		}
		messages = messages[count:]
		if err == nil {
			m.from.Settle(count, nil)
			continue
		}
		failure := fmt.Errorf("metrics of %s: %w", m.nodeID, err)
		in.cfg.OnFailed(failure)
		m.from.Settle(count, failure)
	}
}

// counters are what operators see of the ingest.
type counters struct {
	stored, duplicates, failed, unkept prometheus.Counter
	letters                            *prometheus.CounterVec
	group, seconds                     prometheus.Histogram
}

func newCounters(registerer prometheus.Registerer) (*counters, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "lucid_ingest_" + name, Help: help})
	}
	c := &counters{
		stored:     counter("samples_total", "Samples stored."),
		duplicates: counter("duplicates_total", "Messages that came again and were not stored twice."),
		failed:     counter("failures_total", "Messages not committed; the node sends them again."),
		unkept:     counter("dead_letters_unkept_total", "Dead letters beyond the limits, counted but not kept."),
		letters: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lucid_ingest_dead_letters_total", Help: "Messages that are no data, by reason.",
		}, []string{"reason"}),
		group: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "lucid_ingest_group_messages", Help: "Messages in one transaction.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 7),
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "lucid_ingest_commit_seconds", Help: "Time of one transaction.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 13),
		}),
	}
	var errs []error
	for _, m := range []prometheus.Collector{c.stored, c.duplicates, c.failed, c.unkept, c.letters, c.group, c.seconds} {
		errs = append(errs, registerer.Register(m))
	}
	return c, errors.Join(errs...)
}
