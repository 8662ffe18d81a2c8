package sample

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/wire"
)

// BenchmarkIngest measures Store, durably, called by many nodes at once, without a
// broker, beside the same rows written into the same table by plain COPY, in
// transactions of as many rows, by as many connections.
func BenchmarkIngest(b *testing.B) {
	for _, perMessage := range []int{1, 6} {
		b.Run(fmt.Sprintf("store/samples=%d", perMessage), func(b *testing.B) { benchmarkStore(b, perMessage) })
		b.Run(fmt.Sprintf("copy/samples=%d", perMessage), func(b *testing.B) { benchmarkCopy(b, perMessage) })
	}
	b.Run("decode", func(b *testing.B) {
		payload := payloadOf(b, wire.NewRunID(), 1, 1)
		b.SetBytes(int64(len(payload)))
		b.ReportAllocs()
		for b.Loop() {
			newMessage(1, "node_a", payload, noon, week)
		}
	})
}

const (
	benchNodes   = 1000
	benchWriters = 2
	week         = 7 * 24 * time.Hour
)

func benchmarkStore(b *testing.B, perMessage int) {
	pool := benchPool(b)
	in := run(b, IngestConfig{Store: newStore(pool), Writers: benchWriters})
	perNode := b.N/benchNodes/perMessage + 1
	nodes := make([]int32, benchNodes)
	payloads := make([][][]byte, benchNodes)
	for n := range nodes {
		nodes[n] = newNode(b, pool, fmt.Sprintf("bench%d", n))
		id := wire.NewRunID()
		for i := range perNode {
			first := uint64(i*perMessage + 1)
			payloads[n] = append(payloads[n], payloadOf(b, id, first, first+uint64(perMessage)-1))
		}
	}
	b.ResetTimer()
	var wg sync.WaitGroup
	for n, nodeNo := range nodes {
		wg.Go(func() {
			for _, p := range payloads[n] {
				if err := in.Store(nodeNo, p); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	wantCounts(b, pool, int64(perNode*perMessage*benchNodes), 0)
	b.ReportMetric(float64(perNode*perMessage*benchNodes)/b.Elapsed().Seconds(), "samples/s")
	b.ReportMetric(float64(len(payloads[0][0])), "bytes/message")
}

func benchmarkCopy(b *testing.B, perMessage int) {
	pool := benchPool(b)
	perNode := b.N/benchNodes/perMessage + 1
	groupMessages := benchNodes / benchWriters
	hash, digest := make([]byte, 32), make([]byte, digestBytes)
	// Made before the clock starts: the reference pays for COPY alone.
	groups := make(chan []byte, perNode*benchWriters)
	for i := range perNode {
		for w := range benchWriters {
			var c copyBuffer
			c.reset()
			for n := range groupMessages {
				for k := range perMessage {
					seq := uint64(i*perMessage + k + 1)
					s := sampleAt(seq, noon.Add(-time.Hour+time.Duration(seq)*time.Second))
					if k < perMessage-1 {
						c.row(int32(w*groupMessages+n), int64(n), &s, nil, nil)
					} else {
						c.row(int32(w*groupMessages+n), int64(n), &s, hash, digest)
					}
				}
			}
			c.end()
			groups <- c.b
		}
	}
	close(groups)
	b.ResetTimer()
	var wg sync.WaitGroup
	var written atomic.Int64
	for range benchWriters {
		wg.Go(func() {
			for g := range groups {
				written.Add(copyGroup(b, pool, g))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(written.Load())/b.Elapsed().Seconds(), "samples/s")
}

func copyGroup(b *testing.B, pool *db.Pool, group []byte) (rows int64) {
	err := db.InTx(context.Background(), pool, func(tx db.Tx) error {
		tag, err := tx.Conn().PgConn().CopyFrom(context.Background(), bytes.NewReader(group), copyStatement())
		rows = tag.RowsAffected()
		return err
	})
	if err != nil {
		b.Error(err)
	}
	return rows
}

// benchPool is on a server of its own, with today's partitions.
func benchPool(b *testing.B) *db.Pool {
	b.Helper()
	_, pool := dbtest.Own(b, dbtest.OwnDir(b), nil)
	if err := newStore(pool).RunOnceMaintain(b.Context()); err != nil {
		b.Fatal(err)
	}
	return pool
}
