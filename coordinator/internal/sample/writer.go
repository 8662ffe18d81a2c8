package sample

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/shared/wire"
)

const (
	maxAttempts = 6
	maxHeads    = 100_000 // watermarks remembered by one writer, about 100 bytes each
	// gatherTime is the least from one transaction to the next. One of a single
	// sample costs ten times as much as the sample.
	gatherTime = 5 * time.Millisecond
)

// head is what is remembered of a run: its watermark.
type head struct {
	run     wire.RunID
	runNo   int64
	lastSeq uint64
	chain   [32]byte
}

// writer commits the messages of its share of the nodes, one group at a time.
// All it remembers may be out of date (another coordinator may have taken over
// a node): the commit itself checks it.
type writer struct {
	in      *Ingest
	inbox   inbox
	queue   queue
	heads   map[int32]head
	buffer  copyBuffer
	failing bool // the last group was not committed
}

func newWriter(in *Ingest) *writer {
	return &writer{in: in, inbox: newInbox(), queue: newQueue(in.cfg.Wait), heads: make(map[int32]head)}
}

func (w *writer) run(ctx context.Context) {
	defer w.stop()
	for {
		group := w.next(ctx)
		if group == nil {
			return
		}
		began := time.Now()
		w.commit(group)
		gather(ctx, time.Until(began.Add(gatherTime)))
	}
}

// gather lets time go by in which more messages come, so that they share a
// transaction.
func gather(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// stop settles what is left.
func (w *writer) stop() { w.in.settle(append(w.queue.rest(), w.inbox.close()...), ErrStopped) }

// next waits for a message and takes along all that came: no delay after a
// silence, large groups under load. It is nil when ctx ended.
func (w *writer) next(ctx context.Context) []batch {
	for ctx.Err() == nil {
		w.queue.add(w.inbox.take())
		if group := w.queue.split(time.Now(), w.refuse); len(group) > 0 {
			return group
		}
		select {
		case <-w.inbox.filled:
		case <-ctx.Done():
		}
	}
	return nil
}

func (w *writer) refuse(m *message, err error) {
	w.report(1, err)
	w.in.settle([]*message{m}, err)
}

// commit settles the fate of a group and tells the senders.
func (w *writer) commit(group []batch) {
	err := w.write(group)
	if refusedByPostgres(err) {
		w.commitEach(group)
		return
	}
	for _, b := range group {
		w.report(len(b.messages), err)
		w.in.settle(b.messages, err)
	}
}

// report logs when trouble begins and ends, not every group of it.
func (w *writer) report(messages int, err error) {
	log := w.in.cfg.Logger
	switch {
	case err != nil:
		w.in.count.failed.Add(float64(messages))
		if !w.failing {
			log.Error("metrics cannot be committed; nodes get no acknowledgement and send them again", "error", err)
		}
	case w.failing:
		log.Info("metrics are committed again")
	}
	w.failing = err != nil
}

// commitEach is for a group in which Postgres refuses something: each message
// gets a transaction of its own, and the one that cannot be stored becomes a
// dead letter instead of coming back for ever.
func (w *writer) commitEach(group []batch) {
	for _, b := range group {
		for i, m := range b.messages {
			err := ErrBehind
			if !m.from.Failed() {
				err = w.commitOne(batch{b.nodeNo, b.run, b.messages[i : i+1]})
			}
			w.report(1, err)
			w.in.settle(b.messages[i:i+1], err)
		}
	}
}

func (w *writer) commitOne(b batch) error {
	err := w.write([]batch{b})
	if refusedByPostgres(err) {
		m := b.messages[0]
		m.kind, m.reason, b.run = reasonDatabase, err.Error(), wire.RunID{}
		err = w.write([]batch{b})
	}
	return err
}

// write commits a group in one transaction, repeating it where that can help.
func (w *writer) write(group []batch) error {
	if len(group) == 0 {
		return nil
	}
	// Not the context of Run: what is under way when it ends is finished.
	ctx, cancel := context.WithTimeout(context.Background(), w.in.cfg.Wait)
	defer cancel()
	trusting := true
	var err error
	for range maxAttempts {
		started := time.Now()
		a := attempt{writer: w, group: group, trusting: trusting}
		if err = a.run(ctx); err == nil {
			w.in.count.seconds.Observe(time.Since(started).Seconds())
			w.in.count.group.Observe(float64(a.messages()))
			a.committed()
			return nil
		}
		trusting = false
		switch code := db.Code(err); {
		case errors.Is(err, errStale), code == "40001", code == "40P01":
		case code == "23514": // no partition for a sample's day
			if err := w.makePartitions(ctx, group); err != nil {
				return err
			}
		default:
			return err
		}
	}
	return fmt.Errorf("metrics gave up after %d attempts: %w", maxAttempts, err)
}

func (w *writer) makePartitions(ctx context.Context, group []batch) error {
	raw := w.in.store.cfg.Retention.raw()
	days := make(map[time.Time]struct{})
	for _, b := range group {
		for _, m := range b.messages {
			if m.kind != "" {
				continue
			}
			for i := range m.metrics.Samples {
				days[raw.begin(time.UnixMilli(m.metrics.Samples[i].AtMs))] = struct{}{}
			}
		}
	}
	for d := range days {
		if err := w.in.store.makePartition(ctx, w.in.cfg.Pool, d); err != nil {
			return err
		}
	}
	return nil
}

// refusedByPostgres reports an error of the data itself (classes 22 and 23),
// as opposed to trouble that passes.
func refusedByPostgres(err error) bool {
	code := db.Code(err)
	return strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23")
}
