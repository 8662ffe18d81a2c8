package sample

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/wire"
)

// heardAt is a node whose newest sample came at a time, and is of that time.
func heardAt(t testing.TB, pool *db.Pool, nodeNo int32, at time.Time) {
	t.Helper()
	_, err := pool.Exec(t.Context(), `INSERT INTO sample_latest VALUES ($1, $2, $2, 1, 1, '{}')
		ON CONFLICT (node_no) DO UPDATE SET at = excluded.at, received_at = excluded.received_at`, nodeNo, at)
	if err != nil {
		t.Fatal(err)
	}
}

// A clock of ours that jumps ahead, by so much even that the samples of all
// honest nodes are refused and only those of one with a wrong clock are taken,
// deletes nothing and leaves no sample out of the rollups.
func TestJumpOfOurClockDeletesNothing(t *testing.T) {
	const wrong = 30 * day // how far that one's clock is ahead
	for name, jump := range map[string]time.Duration{"three days": 3 * day, "as far as a wrong node": wrong, "a year": 365 * day} {
		t.Run(name, func(t *testing.T) {
			pool := dbtest.New(t)
			clock := clockAt(noon)
			store := NewStore(Config{Pool: pool, Now: clock.now})
			in := run(t, IngestConfig{Store: store})
			right, ahead := []int32{newNode(t, pool, "one"), newNode(t, pool, "two")}, newNode(t, pool, "ahead")
			send := func(node int32, at time.Time) {
				t.Helper()
				mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: wire.NewRunID(), Samples: []wire.Sample{sampleAt(1, at)}}))
			}
			sendAll := func(at time.Time) {
				t.Helper()
				for _, node := range right {
					send(node, at)
				}
				send(ahead, at.Add(wrong))
				in.flush(t.Context(), time.Minute)
			}
			maintain(t, store)
			send(right[0], noon.Add(-6*day))
			rollUp(t, store)
			sendAll(noon) // the rollups do not know of it when the clock jumps

			clock.add(jump)
			for range 3 {
				clock.add(time.Hour)
				sendAll(clock.now().Add(-jump))
				rollUp(t, store)
				maintain(t, store)
			}
			clock.add(-jump)
			sendAll(clock.now())
			clock.add(2 * time.Hour)
			rollUp(t, store)
			maintain(t, store)
			for _, kept := range []time.Time{noon.Add(-6 * day), noon} {
				for _, table := range []string{"sample", "sample_1m", "sample_1h"} {
					begin := kept.Truncate(time.Minute)
					if table == "sample_1h" {
						begin = kept.Truncate(time.Hour)
					}
					if n := value[int](t, pool, "SELECT count(*) FROM "+table+" WHERE at = $1 AND node_no = $2", begin, right[0]); n != 1 {
						t.Errorf("%d rows of %s in %s, want 1", n, kept, table)
					}
				}
			}
		})
	}
}

// While nobody sends, nothing is dropped; once the fleet is back, what is too
// old goes.
func TestRetentionGoesOnWithTheFleet(t *testing.T) {
	pool := dbtest.New(t)
	clock := clockAt(noon)
	store := NewStore(Config{Pool: pool, Now: clock.now})
	in := run(t, IngestConfig{Store: store})
	nodes := []int32{newNode(t, pool, "gone"), newNode(t, pool, "lost"), newNode(t, pool, "back")}
	for _, node := range nodes {
		mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: wire.NewRunID(), Samples: []wire.Sample{sampleAt(1, noon)}}))
	}
	in.flush(t.Context(), time.Minute)
	clock.add(20 * day)
	rollUp(t, store)
	maintain(t, store)
	if n := value[int](t, pool, "SELECT count(*) FROM sample"); n != 3 {
		t.Errorf("%d samples are left while nobody sends, want 3", n)
	}
	heardAt(t, pool, nodes[2], clock.now()) // more nodes are gone than are back
	maintain(t, store)
	if n := value[int](t, pool, "SELECT count(*) FROM sample"); n != 0 {
		t.Errorf("%d samples are left once the fleet is back, want 0", n)
	}
}

// A clock that stands still, of one node of two, is not the fleet's.
func TestRetentionGoesOnBesideAClockThatIsBehind(t *testing.T) {
	pool := dbtest.New(t)
	clock := clockAt(noon)
	store := NewStore(Config{Pool: pool, Now: clock.now})
	in := run(t, IngestConfig{Store: store})
	right, behind := newNode(t, pool, "right"), newNode(t, pool, "behind")
	for _, node := range []int32{right, behind} {
		mustStore(t, in, node, encode(t, wire.Metrics{V: 1, Run: wire.NewRunID(), Samples: []wire.Sample{sampleAt(1, noon)}}))
	}
	in.flush(t.Context(), time.Minute)
	clock.add(20 * day)
	rollUp(t, store)
	heardAt(t, pool, right, clock.now())
	if _, err := pool.Exec(t.Context(), "UPDATE sample_latest SET received_at = $2 WHERE node_no = $1", behind, clock.now()); err != nil {
		t.Fatal(err)
	}
	maintain(t, store)
	if n := value[int](t, pool, "SELECT count(*) FROM sample"); n != 0 {
		t.Errorf("%d samples are left, want 0", n)
	}
}
