package sample

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/wire"
)

// While the database takes nothing, nothing is acknowledged and what waits is
// bounded, however many nodes send and send again. Afterwards everything is
// there once.
func TestBlockedDatabase(t *testing.T) {
	pool := dbtest.New(t)
	const nodes, messages, bound = 40, 5, 50_000
	in := run(t, IngestConfig{Store: newStore(pool), Wait: 100 * time.Millisecond, WaitingBytes: bound})
	blocker, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blocker.Exec(t.Context(), "LOCK TABLE node_run"); err != nil {
		t.Fatal(err)
	}
	var senders, refused sync.WaitGroup
	var acknowledged, most atomic.Int64
	errs := make(chan error, nodes)
	released, turns := make(chan struct{}), make(chan struct{}, 4) // back-off: few come back at once
	for n := range nodes {
		node, id := newNode(t, pool, fmt.Sprintf("pressed%d", n)), wire.NewRunID()
		payloads := make([][]byte, messages)
		for i := range payloads {
			payloads[i] = payloadOf(t, id, uint64(3*i+1), uint64(3*i+3))
		}
		refused.Add(1)
		senders.Go(func() {
			for range 3 {
				err := in.Store(node, payloads[0])
				if err == nil {
					acknowledged.Add(1)
				}
				if waiting := in.waiting.Load(); waiting > most.Load() {
					most.Store(waiting)
				}
				if errors.Is(err, ErrFull) {
					errs <- err
					break
				}
			}
			refused.Done()
			<-released
			turns <- struct{}{}
			defer func() { <-turns }()
			for _, p := range payloads {
				for in.Store(node, p) != nil { // a busy machine may need more than one try
				}
			}
		})
	}
	refused.Wait()
	if n := acknowledged.Load(); n != 0 {
		t.Errorf("%d messages acknowledged while the database took none", n)
	}
	// Each sender may be past the check with one message at the same moment.
	if limit := int64(bound + nodes*5000); most.Load() == 0 || most.Load() > limit {
		t.Errorf("up to %d bytes waited, want some and no more than %d", most.Load(), limit)
	}
	if err := blocker.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(released)
	senders.Wait()
	wantCounts(t, pool, nodes*messages*3, 0)
	if waiting := in.waiting.Load(); waiting != 0 {
		t.Errorf("%d bytes are thought to wait when nothing does", waiting)
	}
	if len(errs) == 0 {
		t.Error("nobody was refused because too much waited")
	}
}

func TestWhatWaitsAtTheEndIsSettled(t *testing.T) {
	in, err := NewIngest(IngestConfig{Store: newStore(dbtest.New(t))})
	if err != nil {
		t.Fatal(err)
	}
	settled := make(chan error, 1)
	in.Take(1, "node_a", payloadOf(t, wire.NewRunID(), 1, 1), Alone(func(err error) { settled <- err }))
	in.writers[1].stop()
	if err := <-settled; !errors.Is(err, ErrStopped) || in.waiting.Load() != 0 {
		t.Errorf("settled with %v, %d bytes wait", err, in.waiting.Load())
	}
}
