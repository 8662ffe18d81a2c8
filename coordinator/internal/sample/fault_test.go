package sample

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/wire"
)

// long is set by make test-long: faults then last as long as the contract says.
func long() bool { return os.Getenv("TEST_LONG") != "" }

// senders are nodes that send until everything is acknowledged.
type senders struct {
	in           *Ingest
	nodes        []int32
	acknowledged atomic.Int64
	failed       chan error // the first failure of each
	wg           sync.WaitGroup
}

// send has each node send messages of three samples, one after another, each
// again until it is acknowledged.
func (s *senders) send(t *testing.T, messages int) {
	s.failed = make(chan error, len(s.nodes))
	for _, node := range s.nodes {
		id := wire.NewRunID()
		s.wg.Go(func() {
			first := true
			for i := range uint64(messages) {
				payload := payloadOf(t, id, 3*i+1, 3*i+3)
				for {
					err := s.in.Store(node, payload)
					if err == nil {
						s.acknowledged.Add(1)
						break
					}
					if first {
						s.failed <- err
						first = false
					}
				}
			}
		})
	}
}

func sendersOn(t *testing.T, pool *db.Pool, in *Ingest, count int) *senders {
	s := &senders{in: in}
	for n := range count {
		s.nodes = append(s.nodes, newNode(t, pool, fmt.Sprintf("sender%d", n)))
	}
	return s
}

// The whole server is halted: nothing answers, nothing is refused. Nothing may
// be acknowledged, and when it goes on everything is stored once.
func TestServerHalts(t *testing.T) {
	server, pool := dbtest.Own(t, dbtest.OwnDir(t), nil)
	cfg, halt, messages := IngestConfig{Store: newStore(pool), Wait: 100 * time.Millisecond}, 500*time.Millisecond, 20
	if long() {
		cfg.Wait, halt, messages = 0, time.Minute, 200
	}
	in := run(t, cfg)
	maintain(t, in.store)
	s := sendersOn(t, pool, in, 20)
	signalServer(t, server, syscall.SIGSTOP)
	t.Cleanup(func() { signalServer(t, server, syscall.SIGCONT) }) // also after a failure, or it could not be stopped
	s.send(t, messages)
	halted := time.NewTimer(halt)
	for range s.nodes { // every sender has seen its message fail
		<-s.failed
	}
	<-halted.C
	if n := s.acknowledged.Load(); n != 0 {
		t.Errorf("%d messages acknowledged by a server that does not run", n)
	}
	signalServer(t, server, syscall.SIGCONT)
	s.wg.Wait()
	wantCounts(t, pool, int64(len(s.nodes)*messages*3), 0)
}

// All connections of the pool are taken by others. Nothing is acknowledged, and
// nothing is lost.
func TestPoolIsExhausted(t *testing.T) {
	watch := dbtest.New(t)
	config, err := pgxpool.ParseConfig(watch.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 2
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	in := run(t, IngestConfig{Store: newStore(pool), Wait: 50 * time.Millisecond})
	s := sendersOn(t, watch, in, 8)
	var taken []*pgxpool.Conn
	for range config.MaxConns {
		c, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, c)
	}
	s.send(t, 4)
	for range s.nodes {
		<-s.failed
	}
	if n := s.acknowledged.Load(); n != 0 {
		t.Errorf("%d messages acknowledged without a connection", n)
	}
	for _, c := range taken {
		c.Release()
	}
	s.wg.Wait()
	wantCounts(t, watch, int64(len(s.nodes)*4*3), 0)
}

// The disk is full, for rows or for the log in front of them, which ends the
// server. It is freed, and everything is stored once.
func TestDiskIsFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: a full disk. It takes a small tmpfs, which only root can mount: run the tests as root.")
	}
	dir := dbtest.OwnDir(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=160m,mode=0755"); err != nil {
		t.Skipf("NOT TESTED: a full disk. A tmpfs cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	_, pool := dbtest.Own(t, dir, map[string]string{"min_wal_size": "32MB", "max_wal_size": "48MB", "wal_recycle": "off"})
	in := run(t, IngestConfig{Store: newStore(pool)})
	maintain(t, in.store)
	s := sendersOn(t, pool, in, 20)
	mustStore(t, in, s.nodes[0], payloadOf(t, wire.NewRunID(), 1, 1))
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	messages := 400 // some ten megabytes of rows and log
	if long() {
		messages = 1200 // until noon: what is later would lie too far ahead
	}
	s.send(t, messages)
	t.Log(<-s.failed)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.wg.Wait()
	wantCounts(t, pool, int64(1+len(s.nodes)*messages*3), 0)
}

// fill writes a file until nothing is left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1<<16)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// A node whose clock is a year off gets its acknowledgements, is told apart
// from one that sends data, and is heard again once its clock is right.
func TestClockOfANodeIsAYearOff(t *testing.T) {
	pool := dbtest.New(t)
	in := run(t, IngestConfig{Store: newStore(pool)})
	for n, off := range []time.Duration{-366 * day, 366 * day} {
		node, id := newNode(t, pool, fmt.Sprintf("clock%d", n)), wire.NewRunID()
		at := func(seq uint64, at time.Time) []byte {
			return encode(t, wire.Metrics{V: 1, Run: id, Samples: []wire.Sample{sampleAt(seq, at)}})
		}
		mustStore(t, in, node, at(1, noon.Add(off)))
		mustStore(t, in, node, at(2, noon.Add(off)))
		mustStore(t, in, node, at(3, noon))
		wantCounts(t, pool, int64(n+1), int64(2*n+2))
		latest, _, err := in.store.Latest(t.Context(), node)
		if err != nil || latest.Seq != 3 {
			t.Errorf("%s off: newest sample %d, %v", off, latest.Seq, err)
		}
	}
	if got := attached(t, pool, "sample"); len(got) != 1 {
		t.Errorf("partitions %v: a wrong clock must make none", got)
	}
	if n := value[int](t, pool, "SELECT count(*) FROM dead_letter WHERE kind = 'time'"); n != 4 {
		t.Errorf("%d letters for their time", n)
	}
}

// A run whose numbers go back says other things under numbers that are taken:
// nothing stored changes, nobody waits for ever, and both the numbers after the
// highest and a new run are data.
func TestSequenceGoesBack(t *testing.T) {
	pool := dbtest.New(t)
	in := run(t, IngestConfig{Store: newStore(pool)})
	node, id := newNode(t, pool, "back"), wire.NewRunID()
	for seq := uint64(1); seq <= 5; seq++ {
		mustStore(t, in, node, payloadOf(t, id, seq, seq))
	}
	for seq := uint64(1); seq <= 5; seq++ { // as after a disk that was set back
		mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: id, Samples: []wire.Sample{sampleAt(seq, noon)}}))
	}
	wantCounts(t, pool, 5, 5)
	if n := value[int](t, pool, "SELECT count(*) FROM sample WHERE at = $1", noon); n != 0 {
		t.Errorf("%d samples were replaced", n)
	}
	mustStore(t, in, node, payloadOf(t, id, 6, 6))
	mustStore(t, in, node, payloadOf(t, wire.NewRunID(), 1, 1))
	wantCounts(t, pool, 7, 5)
}

// Agents that start anew all the time, send a sample and fall silent leave
// nothing in memory: an hour of such churn is as good as none.
func TestRunsThatComeAndGo(t *testing.T) {
	pool := dbtest.New(t)
	clock := clockAt(noon)
	store := NewStore(Config{Pool: pool, Now: clock.now})
	in := run(t, IngestConfig{Store: store})
	nodes, rounds := sendersOn(t, pool, in, 20).nodes, 10
	if long() {
		rounds = 500
	}
	goroutines := 0
	for i := range rounds {
		var all sync.WaitGroup
		for _, node := range nodes {
			all.Go(func() { mustStore(t, in, node, payloadOf(t, wire.NewRunID(), 1, 2)) })
		}
		all.Wait()
		if i == 0 {
			goroutines = runtime.NumGoroutine()
		}
	}
	heads := 0
	for _, w := range in.writers {
		heads += len(w.heads)
	}
	if heads > len(nodes) || in.waiting.Load() != 0 {
		t.Errorf("%d watermarks of %d nodes are remembered, %d bytes wait", heads, len(nodes), in.waiting.Load())
	}
	for begun := time.Now(); runtime.NumGoroutine() > goroutines+4; runtime.Gosched() { // some of pgx may be about to end
		if time.Since(begun) > time.Minute {
			t.Fatalf("%d goroutines, %d at the beginning", runtime.NumGoroutine(), goroutines)
		}
	}
	clock.add(memoryTime)
	for range 2 { // what is written is forgotten the next time
		if err := store.FlushLatest(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(store.latest.byNode) + len(store.latest.dirty); n != 0 {
		t.Errorf("%d newest samples in memory though everybody is silent", n)
	}
}
