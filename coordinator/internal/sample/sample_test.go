package sample

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/shared/wire"
)

func TestMain(m *testing.M) {
	// The test database's server outlives the tests.
	const cluster = "lucid.internal/coordinator/internal/db/cluster.(*Cluster)"
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(cluster+".supervise"), goleak.IgnoreAnyFunction(cluster+".launch.func1"))
}

// noon is the moment at which the tests play.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

// clock is moved by a test while an Ingest reads it.
type clock struct{ at atomic.Pointer[time.Time] }

func clockAt(at time.Time) *clock {
	c := new(clock)
	c.set(at)
	return c
}

func (c *clock) now() time.Time      { return *c.at.Load() }
func (c *clock) set(at time.Time)    { c.at.Store(&at) }
func (c *clock) add(d time.Duration) { c.set(c.now().Add(d)) }

func ptr[T any](v T) *T { return &v }

// sampleAt is a whole sample whose figures depend on seq.
func sampleAt(seq uint64, at time.Time) wire.Sample {
	return wire.Sample{
		Seq: seq, AtMs: at.UnixMilli(),
		CPU: &wire.CPU{
			UsagePercent: ptr(12.5), Cores: 4, FrequencyMHz: ptr(1500.0), LoadAverage: [3]float64{0.5, 0.25, 0.125},
			TemperatureCelsius: ptr(51.5), PerCore: []float64{10, 15, 12, 13},
		},
		Memory: &wire.Memory{
			TotalBytes: 8 << 30, UsedBytes: 2<<30 + seq, FreeBytes: 1 << 30, AvailableBytes: 5 << 30, CachedBytes: 3 << 30,
			SwapTotalBytes: 1 << 30, SwapUsedBytes: 7,
		},
		Disk: &wire.Disk{
			TotalBytes: 64 << 30, UsedBytes: 10 << 30, FreeBytes: 54 << 30, ReadIOPS: ptr(3.5), WriteIOPS: ptr(1.5),
			ReadThroughputMBps: ptr(0.75), WriteThroughputMBps: nil,
			Filesystems: []wire.Filesystem{{Mount: "/", TotalBytes: 64 << 30, UsedBytes: 10 << 30, FreeBytes: 54 << 30}},
		},
		Network: &wire.Network{
			Interfaces:   []wire.Interface{{Name: "eth0", BytesIn: 1000 + seq, BytesOut: 2000}},
			TotalBytesIn: 1000 + seq, TotalBytesOut: 2000, PacketsIn: 10, PacketsOut: 20, ErrorsIn: 1, ErrorsOut: 2,
		},
		Absent: map[string]string{"gpu": "no GPU"},
	}
}

// message builds the bytes of samples first..last, a second apart.
func payloadOf(t testing.TB, run wire.RunID, first, last uint64) []byte {
	t.Helper()
	m := wire.Metrics{V: wire.ProtocolVersion, Run: run}
	for seq := first; seq <= last; seq++ {
		m.Samples = append(m.Samples, sampleAt(seq, noon.Add(-time.Hour+time.Duration(seq)*time.Second)))
	}
	return encode(t, m)
}

func encode(t testing.TB, m wire.Metrics) []byte {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// newNode inserts a node and gives its number.
func newNode(t testing.TB, pool *db.Pool, name string) int32 {
	t.Helper()
	var nodeNo int32
	err := pool.QueryRow(t.Context(), `INSERT INTO node (node_id, name, status) VALUES ('node_' || $1::text, $1, 'active')
		RETURNING node_no`, name).Scan(&nodeNo)
	if err != nil {
		t.Fatal(err)
	}
	return nodeNo
}

// run starts an Ingest that ends with the test.
func run(t testing.TB, cfg IngestConfig) *Ingest {
	t.Helper()
	in, err := NewIngest(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); in.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return in
}

// Store is Take for a caller that waits.
func (in *Ingest) Store(nodeNo int32, payload []byte) error {
	settled := make(chan error, 1)
	in.Take(nodeNo, fmt.Sprintf("node_%d", nodeNo), payload, Alone(func(err error) { settled <- err }))
	return <-settled
}

func newStore(pool *db.Pool) *Store { return NewStore(Config{Pool: pool, Now: atNoon}) }

func mustStore(t testing.TB, in *Ingest, nodeNo int32, payload []byte) {
	t.Helper()
	if err := in.Store(nodeNo, payload); err != nil {
		t.Fatal(err)
	}
}

func value[T any](t testing.TB, pool *db.Pool, query string, args ...any) T {
	t.Helper()
	var v T
	if err := pool.QueryRow(context.Background(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func wantCounts(t testing.TB, pool *db.Pool, samples, letters int64) {
	t.Helper()
	if n := value[int64](t, pool, "SELECT count(*) FROM sample"); n != samples {
		t.Errorf("%d samples stored, want %d", n, samples)
	}
	if n := value[int64](t, pool, "SELECT count(*) FROM dead_letter"); n != letters {
		t.Errorf("%d dead letters, want %d", n, letters)
	}
}
