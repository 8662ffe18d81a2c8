package sample

import (
	"testing"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/wire"
)

// All connections of the others are taken, and more of them wait: ingest, with
// connections of its own, commits all the same, also on a day whose partition it
// has to make.
func TestOwnConnectionsAreNotQueuedFor(t *testing.T) {
	pool := dbtest.New(t)
	own, err := db.Reserve(t.Context(), pool, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Close)
	in := run(t, IngestConfig{Store: newStore(pool), Pool: own})
	node := newNode(t, pool, "reserved")
	for range pool.Config().MaxConns {
		taken, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(taken.Release)
	}
	mustStore(t, in, node, payloadOf(t, wire.NewRunID(), 1, 3))
}
