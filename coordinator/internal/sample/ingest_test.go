package sample

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/wire"
)

func TestSampleIsStoredWhole(t *testing.T) {
	pool := dbtest.New(t)
	in := run(t, IngestConfig{Store: newStore(pool)})
	node := newNode(t, pool, "whole")
	s := sampleAt(7, noon)
	s.GPU = &wire.GPU{UsagePercent: ptr(3.0), MemoryUsedBytes: ptr(uint64(11)), MemoryTotalBytes: ptr(uint64(22)), TemperatureCelsius: nil}
	empty := wire.Sample{Seq: 8, AtMs: noon.UnixMilli()}
	mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: wire.NewRunID(), Samples: []wire.Sample{s, empty}}))
	got := value[map[string]float64](t, pool, `SELECT jsonb_strip_nulls(to_jsonb(s) - string_to_array($1, ' ')) FROM sample s WHERE seq = 7`,
		"at seq run_no node_no chain digest")
	want := map[string]float64{
		"cpu_usage_percent": 12.5, "cpu_cores": 4, "cpu_frequency_mhz": 1500, "cpu_load_1m": 0.5, "cpu_load_5m": 0.25,
		"cpu_load_15m": 0.125, "cpu_temperature_celsius": 51.5,
		"memory_total_bytes": 8 << 30, "memory_used_bytes": 2<<30 + 7, "memory_free_bytes": 1 << 30,
		"memory_available_bytes": 5 << 30, "memory_cached_bytes": 3 << 30, "swap_total_bytes": 1 << 30, "swap_used_bytes": 7,
		"disk_total_bytes": 64 << 30, "disk_used_bytes": 10 << 30, "disk_free_bytes": 54 << 30,
		"disk_read_iops": 3.5, "disk_write_iops": 1.5, "disk_read_mbps": 0.75,
		"network_bytes_in": 1007, "network_bytes_out": 2000, "network_packets_in": 10, "network_packets_out": 20,
		"network_errors_in": 1, "network_errors_out": 2,
		"gpu_usage_percent": 3, "gpu_memory_used_bytes": 11, "gpu_memory_total_bytes": 22,
	}
	if !maps.Equal(got, want) {
		t.Errorf("stored\n%v\nwant\n%v", got, want)
	}
	if at := value[time.Time](t, pool, "SELECT at FROM sample WHERE seq = 7"); !at.Equal(noon) {
		t.Errorf("stored at %s, want %s", at, noon)
	}
	if n := value[int](t, pool, `SELECT count(*) FROM sample, jsonb_each_text(jsonb_strip_nulls(to_jsonb(sample))) WHERE seq = 8`); n != 6 {
		t.Errorf("a sample without any figure has %d values, want its 4 keys and 2 hashes", n)
	}
}

func TestDuplicatesAreStoredOnce(t *testing.T) {
	pool := dbtest.New(t)
	in := run(t, IngestConfig{Store: newStore(pool)})
	node, id := newNode(t, pool, "dup"), wire.NewRunID()
	for range 3 {
		for _, span := range [][2]uint64{{1, 3}, {4, 4}, {5, 10}} {
			mustStore(t, in, node, payloadOf(t, id, span[0], span[1]))
		}
	}
	wantCounts(t, pool, 10, 0)
}

// A node that sends again as soon as it is acknowledged has no transaction for
// each of its messages to itself alone: there is time for others to join.
func TestTransactionsAreAMomentApart(t *testing.T) {
	pool := dbtest.New(t)
	in := run(t, IngestConfig{Store: newStore(pool)})
	node, id := newNode(t, pool, "busy"), wire.NewRunID()
	const messages = 60
	began := time.Now()
	for seq := range uint64(messages) {
		mustStore(t, in, node, payloadOf(t, id, seq+1, seq+1))
	}
	if took, least := time.Since(began), (messages-1)*gatherTime; took < least {
		t.Errorf("%d transactions within %s, want at least %s", messages, took, least)
	}
}

func TestConcurrentDuplicatesAreStoredOnce(t *testing.T) {
	pool := dbtest.New(t)
	store := newStore(pool)
	// Two coordinators on one database, as after a takeover.
	ingests := []*Ingest{run(t, IngestConfig{Store: store}), run(t, IngestConfig{Store: newStore(pool)})}
	const nodes, messages = 8, 12
	var wg sync.WaitGroup
	for n := range nodes {
		node, id := newNode(t, pool, fmt.Sprintf("twin%d", n)), wire.NewRunID()
		payloads := make([][]byte, messages)
		for i := range payloads {
			payloads[i] = payloadOf(t, id, uint64(2*i+1), uint64(2*i+2))
		}
		for _, in := range ingests {
			wg.Go(func() {
				for _, p := range payloads {
					if err := in.Store(node, p); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	wantCounts(t, pool, nodes*messages*2, 0)
}

func TestTwoCoordinatorsTakeTurns(t *testing.T) {
	pool := dbtest.New(t)
	one, two := run(t, IngestConfig{Store: newStore(pool)}), run(t, IngestConfig{Store: newStore(pool)})
	node, id := newNode(t, pool, "turns"), wire.NewRunID()
	mustStore(t, one, node, payloadOf(t, id, 1, 2))
	mustStore(t, two, node, payloadOf(t, id, 3, 4))
	mustStore(t, one, node, payloadOf(t, id, 3, 4)) // one still remembers 2 as the last
	mustStore(t, one, node, payloadOf(t, id, 5, 6))
	mustStore(t, two, node, payloadOf(t, id, 7, 7)) // two still remembers 4
	wantCounts(t, pool, 7, 0)
	mustStore(t, one, node, payloadOf(t, id, 6, 8)) // overlaps, whoever looks
	wantCounts(t, pool, 7, 1)
}

// The database was set back to an older state behind our back: what is
// remembered is ahead of the truth, and must condemn nothing.
func TestMemoryAheadOfTheDatabase(t *testing.T) {
	pool := dbtest.New(t)
	in := run(t, IngestConfig{Store: newStore(pool)})
	node, id := newNode(t, pool, "ahead"), wire.NewRunID()
	first, rest := payloadOf(t, id, 1, 2), payloadOf(t, id, 3, 6)
	mustStore(t, in, node, first)
	mustStore(t, in, node, rest)
	dbtest.Exec(t, pool, "UPDATE node_run SET last_seq = 2; DELETE FROM sample WHERE seq > 2")
	mustStore(t, in, node, rest) // remembered as a duplicate
	wantCounts(t, pool, 6, 0)
	dbtest.Exec(t, pool, "UPDATE node_run SET last_seq = 2; DELETE FROM sample WHERE seq > 2")
	mustStore(t, in, node, payloadOf(t, id, 3, 9)) // remembered as an overlap
	wantCounts(t, pool, 9, 0)
}

func TestDeadLetters(t *testing.T) {
	pool := dbtest.New(t)
	in := run(t, IngestConfig{Store: newStore(pool)})
	node, id := newNode(t, pool, "dead"), wire.NewRunID()
	mustStore(t, in, node, payloadOf(t, id, 1, 4))
	other := sampleAt(4, noon.Add(-time.Hour+4*time.Second))
	other.Memory.UsedBytes++
	moved := sampleAt(2, noon)
	old, future := sampleAt(5, noon.AddDate(0, 0, -8)), sampleAt(5, noon.Add(time.Hour))
	for _, c := range []struct {
		payload []byte
		reason  string
	}{
		{encode(t, wire.Metrics{V: 1, Run: id, Samples: []wire.Sample{other}}), "other content"},
		{encode(t, wire.Metrics{V: 1, Run: id, Samples: []wire.Sample{moved}}), "other content"},
		{payloadOf(t, id, 3, 3), "other content"}, // a part of a stored message is another message
		{payloadOf(t, id, 4, 5), "overlap"},
		{encode(t, wire.Metrics{V: 1, Run: id, Samples: []wire.Sample{old}}), "older than"},
		{encode(t, wire.Metrics{V: 1, Run: id, Samples: []wire.Sample{future}}), "future"},
		{[]byte("{"), "not a metrics message"},
		{[]byte("\x00\xff"), "not a metrics message"},
		{[]byte(strings.Repeat("[", 100_000)), "not a metrics message"},
		{nil, "not a metrics message"},
	} {
		before := value[int64](t, pool, "SELECT count(*) FROM dead_letter")
		mustStore(t, in, node, c.payload)
		wantCounts(t, pool, 4, before+1)
		var reason, channel string
		var size int
		var kept []byte
		err := pool.QueryRow(t.Context(), `SELECT reason, channel, size_bytes, payload FROM dead_letter ORDER BY letter_no DESC LIMIT 1`).
			Scan(&reason, &channel, &size, &kept)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(reason, c.reason) || channel != "metrics" || size != len(c.payload) || len(kept) != min(size, maxLetterBytes) {
			t.Errorf("letter %q of %s with %d of %d bytes, want %q with %d", reason, channel, len(kept), size, c.reason, len(c.payload))
		}
	}
	mustStore(t, in, node, payloadOf(t, id, 9, 9)) // the next good one, after a gap
	wantCounts(t, pool, 5, 10)
}

// A message that only Postgres can see is impossible must not keep its group
// from being stored, nor come back for ever.
func TestOneBadMessageDoesNotHoldUpTheGroup(t *testing.T) {
	pool := dbtest.New(t)
	store := newStore(pool)
	in, err := NewIngest(IngestConfig{Store: store, Writers: 1})
	if err != nil {
		t.Fatal(err)
	}
	good := newNode(t, pool, "good")
	const nobody = 4_000_000
	messages := []*message{
		newMessage(good, "node_good", payloadOf(t, wire.NewRunID(), 1, 2), noon, store.cfg.Retention.Raw),
		newMessage(nobody, "node_gone", payloadOf(t, wire.NewRunID(), 1, 1), noon, store.cfg.Retention.Raw),
	}
	settled := 0
	var group []batch
	for _, m := range messages {
		m.from = Alone(func(err error) {
			if settled++; err != nil {
				t.Error(err)
			}
		})
		group = append(group, batch{m.nodeNo, m.run, []*message{m}})
	}
	in.writers[0].commit(group)
	if settled != len(group) {
		t.Errorf("%d messages settled, want %d", settled, len(group))
	}
	wantCounts(t, pool, 2, 1)
	if n := value[int](t, pool, "SELECT count(*) FROM dead_letter WHERE node_no IS NULL"); n != 1 {
		t.Error("the letter of a node that does not exist must name no node")
	}
}

func TestMissingPartitionIsMade(t *testing.T) {
	pool := dbtest.New(t)
	in := run(t, IngestConfig{Store: newStore(pool)})
	node, id := newNode(t, pool, "late"), wire.NewRunID()
	m := wire.Metrics{V: 1, Run: id, Samples: []wire.Sample{
		sampleAt(1, noon.AddDate(0, 0, -3)), sampleAt(2, noon.AddDate(0, 0, -3).Add(12*time.Hour)), sampleAt(3, noon)}}
	mustStore(t, in, node, encode(t, m))
	wantCounts(t, pool, 3, 0)
	if got := strings.Join(attached(t, pool, "sample"), " "); got != "sample_20260311 sample_20260312 sample_20260314" {
		t.Errorf("partitions %s", got)
	}
}

func TestStoreTellsOfEachSampleAfterTheCommit(t *testing.T) {
	pool := dbtest.New(t)
	told := make(chan string, 10)
	in := run(t, IngestConfig{Store: newStore(pool), OnStored: func(nodeID string, s *wire.Sample) {
		told <- fmt.Sprintf("%s %d of %d", nodeID, s.Seq, value[int](t, pool, "SELECT count(*) FROM sample"))
	}})
	node, id := newNode(t, pool, "told"), wire.NewRunID()
	mustStore(t, in, node, payloadOf(t, id, 1, 2))
	mustStore(t, in, node, payloadOf(t, id, 1, 2))
	close(told)
	var got []string
	for s := range told {
		got = append(got, s)
	}
	want := fmt.Sprintf("node_%[1]d 1 of 2,node_%[1]d 2 of 2", node)
	if strings.Join(got, ",") != want {
		t.Errorf("told %v, want %s", got, want)
	}
}

func TestStoreAfterRunEnded(t *testing.T) {
	pool := dbtest.New(t)
	in, err := NewIngest(IngestConfig{Store: newStore(pool)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	in.Run(ctx)
	if err := in.Store(1, []byte("{}")); !errors.Is(err, ErrStopped) {
		t.Errorf("Store after Run: %v", err)
	}
}
