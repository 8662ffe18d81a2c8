package sample

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
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

// A thousand nodes bring along what they measured yesterday, and wait for the
// database; then two send what is new. It is committed with the next group of
// each writer, whatever waits there for longer, and all of the backlog after it.
func TestLiveSamplesGoBeforeABacklog(t *testing.T) {
	pool := dbtest.New(t)
	const nodes, rows, writers = 1000, 64, 2
	in := run(t, IngestConfig{Store: newStore(pool), Wait: time.Minute, Writers: writers})
	maintain(t, in.store)
	blocker, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blocker.Exec(t.Context(), "LOCK TABLE node_run"); err != nil {
		t.Fatal(err)
	}
	var settled sync.WaitGroup
	var backlog [writers]atomic.Int64 // messages committed, by the writer of their node
	take := func(node int32, from time.Time, samples int, committed func(writer int)) {
		settled.Add(1)
		in.Take(node, fmt.Sprintf("node_%d", node), slimPayload(t, from, samples), Alone(func(err error) {
			defer settled.Done()
			if err != nil {
				t.Error(err)
			}
			committed(int(node) % writers)
		}))
	}
	first := newNodes(t, pool, nodes+writers)
	for n := range int32(nodes) {
		take(first+n, noon.Add(-20*time.Hour), rows, func(w int) { backlog[w].Add(1) })
	}
	var ahead [writers]int64
	for n := range int32(writers) {
		take(first+nodes+n, noon, 1, func(w int) { ahead[w] = backlog[w].Load() })
	}
	if err := blocker.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	settled.Wait()
	for w, messages := range ahead {
		if messages > backfillRows/rows { // the group that was under way when the live one came
			t.Errorf("writer %d committed %d of %d messages of the backlog before the live one", w, messages, backlog[w].Load())
		}
	}
	wantCounts(t, pool, nodes*rows+writers, 0)
}

// slimPayload is a message of a run of its own, with little in a sample.
func slimPayload(t *testing.T, from time.Time, samples int) []byte {
	t.Helper()
	m := wire.Metrics{V: wire.ProtocolVersion, Run: wire.NewRunID()}
	for i := range samples {
		at := from.Add(time.Duration(i) * time.Second)
		m.Samples = append(m.Samples, wire.Sample{Seq: uint64(i + 1), AtMs: at.UnixMilli(), CPU: &wire.CPU{UsagePercent: new(12.5), Cores: 4}})
	}
	return encode(t, m)
}

// newNodes inserts count nodes, and gives the number of the first.
func newNodes(t *testing.T, pool *db.Pool, count int) int32 {
	t.Helper()
	return value[int32](t, pool, `WITH made AS (INSERT INTO node (node_id, name, status)
		SELECT 'node_' || i, 'node-' || i, 'active' FROM generate_series(1, $1::integer) i RETURNING node_no) SELECT min(node_no) FROM made`, count)
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
