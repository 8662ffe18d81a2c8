package sample

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/wire"
)

func rollUp(t testing.TB, s *Store) {
	t.Helper()
	if err := s.RunOnceRollup(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// wantExact compares every rollup of buckets that are over with a plain
// aggregation of the single samples, which knows nothing of how rollups are made.
func wantExact(t testing.TB, pool *db.Pool, now time.Time, from string) {
	t.Helper()
	for _, g := range Granularities() {
		names, plain := []string{"node_no", "at", "samples", "newest_at"}, []string{}
		for _, m := range metrics() {
			if !m.lastOnly {
				kind := "real"
				if m.whole {
					kind = "bigint"
				}
				names = append(names, m.column+"_min", m.column+"_avg", m.column+"_max")
				plain = append(plain, fmt.Sprintf("min(%[1]s), avg(%[1]s)::%[2]s, max(%[1]s)", m.column, kind))
			}
			names = append(names, m.column+"_last")
			plain = append(plain, fmt.Sprintf("(array_agg(%s ORDER BY at DESC, run_no DESC, seq DESC))[1]", m.column))
		}
		want := fmt.Sprintf(`SELECT node_no, to_timestamp(floor(extract(epoch FROM at) / %[1]d) * %[1]d), count(*)::integer, max(at), %[2]s
			FROM sample WHERE to_timestamp((floor(extract(epoch FROM at) / %[1]d) + 1) * %[1]d) <= $1 GROUP BY 1, 2`, g.seconds(), strings.Join(plain, ", "))
		got := fmt.Sprintf("SELECT %s FROM %s", strings.Join(names, ", "), g.table())
		for what, query := range map[string]string{"missing or wrong": want + " EXCEPT " + got, "not in the samples": got + " EXCEPT (" + want + ")"} {
			if n := value[int](t, pool, "SELECT count(*) FROM ("+query+") x", now); n != 0 {
				t.Fatalf("%s: %d buckets of %s are %s", from, n, g, what)
			}
		}
	}
}

func TestRollupsAreThoseOfTheSamples(t *testing.T) {
	pool := dbtest.New(t)
	now := noon
	store := NewStore(Config{Pool: pool, Now: func() time.Time { return now }})
	in := run(t, IngestConfig{Store: store})
	node, id := newNode(t, pool, "rolled"), wire.NewRunID()
	for seq := uint64(1); seq <= 200; seq += 50 { // from 11:00:01 until 11:03:20
		mustStore(t, in, node, payloadOf(t, id, seq, seq+49))
	}
	twin := sampleAt(1, noon.Add(-time.Hour+200*time.Second)) // of another run at the same instant
	twin.CPU.UsagePercent = ptr(87.5)
	twin.Disk.ReadIOPS = nil
	mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: wire.NewRunID(), Samples: []wire.Sample{twin}}))
	rollUp(t, store)
	wantExact(t, pool, now, "once")
	for granularity, want := range map[string]string{
		"1m": "59 60 60 22", "5m": "201", "15m": "201", "1h": "201",
	} {
		got := value[string](t, pool, "SELECT string_agg(samples::text, ' ' ORDER BY at) FROM sample_"+granularity)
		if got != want {
			t.Errorf("%s: buckets of %s samples, want %s", granularity, got, want)
		}
	}
	if n := value[int](t, pool, "SELECT count(*) FROM sample_due"); n != 0 {
		t.Errorf("%d spans are due after all is done", n)
	}
}

// One run brings an old sample and a new one before anybody looks.
func TestLateAndNewSamplesTogether(t *testing.T) {
	pool := dbtest.New(t)
	now := noon.Add(2 * time.Hour)
	store := NewStore(Config{Pool: pool, Now: func() time.Time { return now }})
	in := run(t, IngestConfig{Store: store})
	node, id := newNode(t, pool, "both"), wire.NewRunID()
	for seq, ago := range []time.Duration{time.Hour, 50 * time.Hour, time.Minute} {
		mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: id, Samples: []wire.Sample{sampleAt(uint64(seq+1), noon.Add(-ago))}}))
	}
	rollUp(t, store)
	wantExact(t, pool, now, "together")
}

// Two samples that lie days apart make only their own buckets due, and not what
// lies between them.
func TestFarApartSamplesMakeOnlyTheirHoursDue(t *testing.T) {
	pool := dbtest.New(t)
	now := noon.Add(2 * time.Hour)
	store := NewStore(Config{Pool: pool, Now: func() time.Time { return now }})
	in := run(t, IngestConfig{Store: store})
	node, id := newNode(t, pool, "apart"), wire.NewRunID()
	at := func(seq uint64, ago time.Duration) wire.Sample { return sampleAt(seq, noon.Add(-ago)) }
	mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: id, Samples: []wire.Sample{at(1, 6*day), at(2, 0)}}))
	rollUp(t, store)
	mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: id, Samples: []wire.Sample{at(3, 5*day), at(4, 10*time.Minute)}}))
	if err := store.markDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	for seconds, want := range map[int]string{60: "00:02:00", 3600: "02:00:00"} {
		if got := value[string](t, pool, "SELECT sum(to_at - from_at)::text FROM sample_due WHERE seconds = $1", seconds); got != want {
			t.Errorf("buckets of %d s: %s are due, want %s", seconds, got, want)
		}
	}
	rollUp(t, store)
	wantExact(t, pool, now, "apart")
}

// A bucket that is not over has no rollup; it gets one when it is, without a
// further sample.
func TestOpenBucketsWait(t *testing.T) {
	pool := dbtest.New(t)
	now := noon.Add(90 * time.Second)
	store := NewStore(Config{Pool: pool, Now: func() time.Time { return now }})
	in := run(t, IngestConfig{Store: store})
	node := newNode(t, pool, "open")
	mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: wire.NewRunID(), Samples: []wire.Sample{
		sampleAt(1, noon.Add(30*time.Second)), sampleAt(2, noon.Add(70*time.Second))}}))
	counts := func() string {
		return value[string](t, pool, `SELECT concat_ws(' ', (SELECT count(*) FROM sample_1m), (SELECT count(*) FROM sample_5m),
			(SELECT count(*) FROM sample_15m), (SELECT count(*) FROM sample_1h))`)
	}
	for _, step := range []struct {
		at   time.Duration
		want string
	}{
		{90 * time.Second, "1 0 0 0"}, {2 * time.Minute, "2 0 0 0"}, {5*time.Minute - 1, "2 0 0 0"}, {5 * time.Minute, "2 1 0 0"},
		{15 * time.Minute, "2 1 1 0"}, {time.Hour, "2 1 1 1"},
	} {
		now = noon.Add(step.at)
		rollUp(t, store)
		if got := counts(); got != step.want {
			t.Errorf("after %s rollups %s, want %s", step.at, got, step.want)
		}
	}
}

// Samples that come for a day whose single samples are gone must not replace
// what its rollups know.
func TestRollupsNeverForget(t *testing.T) {
	pool := dbtest.New(t)
	store := newStore(pool)
	in := run(t, IngestConfig{Store: store})
	node := newNode(t, pool, "gone")
	mustStore(t, in, node, payloadOf(t, wire.NewRunID(), 1, 30))
	rollUp(t, store)
	dbtest.Exec(t, pool, "DELETE FROM sample")
	mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: wire.NewRunID(), Samples: []wire.Sample{sampleAt(1, noon.Add(-time.Hour+40*time.Second))}}))
	rollUp(t, store)
	if n := value[int](t, pool, "SELECT samples FROM sample_1h"); n != 30 {
		t.Errorf("the hour counts %d samples, want still 30", n)
	}
}

// script plays nodes, coordinators of both versions and crashes at random.
type script struct {
	t      *testing.T
	pool   *db.Pool
	random *rand.Rand
	mu     sync.Mutex
	now    time.Time
	stores []*Store
	in     []*Ingest
	nodes  []int32
	runs   map[int32]*playedRun
	sent   []func() // messages that may come again
}

type playedRun struct {
	id  wire.RunID
	seq uint64
}

func (s *script) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *script) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// Whatever comes late, twice or out of order, wherever a coordinator dies, and
// whichever version took a sample in: the rollups are those of the samples.
func TestRollupsStayExact(t *testing.T) {
	pool := dbtest.New(t)
	seeds := 12
	if testing.Short() {
		seeds = 4
	}
	now := noon
	for seed := range seeds {
		s := &script{t: t, pool: pool, random: rand.New(rand.NewPCG(uint64(seed), 16)), now: now, runs: map[int32]*playedRun{}}
		for i := range 2 {
			store := NewStore(Config{Pool: pool, Now: s.clock})
			s.stores, s.in = append(s.stores, store), append(s.in, run(t, IngestConfig{Store: store}))
			s.nodes = append(s.nodes, newNode(t, pool, fmt.Sprintf("played-%d-%d", seed, i)))
		}
		if err := s.stores[0].RunOnceMaintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 60 {
			s.step()
		}
		rollUp(t, s.stores[s.random.IntN(2)])
		wantExact(t, pool, s.clock(), fmt.Sprintf("seed %d", seed))
		now = s.clock()
	}
}

func (s *script) step() {
	store := s.stores[s.random.IntN(2)]
	switch s.random.IntN(10) {
	case 0, 1, 2, 3:
		s.send()
	case 4:
		if len(s.sent) > 0 {
			s.sent[s.random.IntN(len(s.sent))]()
		}
	case 5:
		s.advance(time.Duration(s.random.Int64N(int64(20 * time.Minute))))
	case 6:
		s.must(store.markDue(s.t.Context()))
	case 7:
		_, err := store.rollUp(s.t.Context(), Granularities()[s.random.IntN(4)], 1+s.random.IntN(3))
		s.must(err)
	case 8:
		s.dieWithin(store)
	case 9:
		s.olderVersion()
	}
	if s.random.IntN(6) == 0 { // all at once
		var all sync.WaitGroup
		for _, other := range s.stores {
			all.Go(func() { s.must(other.RunOnceRollup(s.t.Context())) })
		}
		for range 3 {
			s.send()
		}
		all.Wait()
	}
}

func (s *script) must(err error) {
	s.t.Helper()
	if err != nil && db.Code(err) != "55P03" { // who waits too long for a lock tries again later
		s.t.Error(err)
	}
}

// some draws a sample: now, or some time ago, with figures missing at times.
// Its figures are quarters, whose sums are exact in any order.
func (s *script) some(seq uint64, at time.Time) wire.Sample {
	v := sampleAt(seq, at)
	v.CPU.UsagePercent = ptr(float64(s.random.IntN(400)) / 4)
	v.Memory.UsedBytes = s.random.Uint64N(1 << 40)
	if s.random.IntN(4) == 0 {
		v.CPU.TemperatureCelsius, v.Disk.ReadIOPS = nil, nil
	}
	if s.random.IntN(8) == 0 {
		v.Memory = nil
	}
	return v
}

func (s *script) send() {
	node := s.nodes[s.random.IntN(2)]
	r := s.runs[node]
	if r == nil || s.random.IntN(8) == 0 {
		r = &playedRun{id: wire.NewRunID()}
		s.runs[node] = r
	}
	at := s.clock().Add(-time.Duration(s.random.Int64N(int64(time.Minute))))
	if s.random.IntN(3) == 0 {
		at = at.Add(-time.Duration(s.random.Int64N(int64(3 * day))))
	}
	m := wire.Metrics{V: wire.ProtocolVersion, Run: r.id}
	for range s.random.IntN(8) + 1 {
		r.seq++
		m.Samples = append(m.Samples, s.some(r.seq, at))
		at = at.Add(time.Duration(s.random.IntN(20_000)-2_000) * time.Millisecond)
	}
	if m.Samples[0].AtMs > s.clock().UnixMilli() {
		s.t.Fatal("the script is ahead of its clock")
	}
	payload := encode(s.t, m)
	again := func() { mustStore(s.t, s.in[s.random.IntN(2)], node, payload) }
	again()
	s.sent = append(s.sent, again)
}

// dieWithin does a step's work and loses it before the commit.
func (s *script) dieWithin(store *Store) {
	tx, err := s.pool.Begin(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(s.t.Context())) }()
	if s.random.IntN(2) == 0 {
		_, err = store.markSome(s.t.Context(), tx, 0, s.clock().Add(-8*day))
	} else {
		_, _, err = store.rollUpSome(s.t.Context(), tx, Granularities()[s.random.IntN(4)], 1+s.random.IntN(3))
	}
	if db.Code(err) != "23514" {
		s.must(err)
	}
}

// olderVersion takes a sample in as a coordinator does that knows no rollups.
func (s *script) olderVersion() {
	node := s.nodes[s.random.IntN(2)]
	r := s.runs[node]
	if r == nil {
		return
	}
	r.seq++
	at := s.clock().Add(-time.Duration(s.random.Int64N(int64(2 * day))))
	s.must(s.stores[0].makePartition(s.t.Context(), s.stores[0].cfg.Pool, at))
	_, err := s.pool.Exec(s.t.Context(), `WITH r AS (
			UPDATE node_run SET last_seq = $3, last_at = greatest(last_at, $4) WHERE node_no = $1 AND run_id = $2 RETURNING run_no)
		INSERT INTO sample (node_no, at, run_no, seq, cpu_usage_percent) SELECT $1, $4, run_no, $3, 5.25 FROM r`,
		node, r.id.String(), int64(r.seq), at)
	s.must(err)
}

// A node may send figures that are smaller than any machine's; their mean is
// smaller still, and must not keep all nodes from being rolled up.
func TestRollupOfTheLeastFigures(t *testing.T) {
	pool := dbtest.New(t)
	store := NewStore(Config{Pool: pool, Now: func() time.Time { return noon.Add(2 * time.Hour) }})
	in := run(t, IngestConfig{Store: store})
	node, id := newNode(t, pool, "least"), wire.NewRunID()
	var samples []wire.Sample
	for seq, usage := range []float64{1e-45, 0, 0, 1e-30} {
		s := sampleAt(uint64(seq+1), noon.Add(time.Duration(seq)*20*time.Second))
		s.CPU.UsagePercent = &usage
		samples = append(samples, s)
	}
	mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: id, Samples: samples}))
	rollUp(t, store)
	if got := value[string](t, pool, "SELECT string_agg(cpu_usage_percent_avg::text, ' ' ORDER BY at) FROM sample_1m"); got != "0 1e-30" {
		t.Errorf("means are %q", got)
	}
}
