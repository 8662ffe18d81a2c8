package sample

import (
	"context"
	"testing"

	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/wire"
)

// A node that connects anew while the database is slow sends again what still
// waits: both copies stand in one group, and neither is in the table yet.
func TestMessageThatComesAgainBeforeItIsCommittedIsADuplicate(t *testing.T) {
	pool := dbtest.New(t)
	in, err := NewIngest(IngestConfig{Store: newStore(pool)})
	if err != nil {
		t.Fatal(err)
	}
	maintain(t, in.store)
	node, id := newNode(t, pool, "roamer"), wire.NewRunID()
	settled := make(chan error, 6)
	take := func(first, last uint64) {
		in.Take(node, "node_roamer", payloadOf(t, id, first, last), Alone(func(err error) { settled <- err }))
	}
	for range 2 { // one connection, then the next
		take(1, 3)
		take(4, 6)
		take(7, 9)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); in.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	for range cap(settled) {
		if err := <-settled; err != nil {
			t.Fatal(err)
		}
	}
	wantCounts(t, pool, 9, 0)
	if !value[bool](t, pool, "SELECT chain_known FROM node_run") {
		t.Error("the run's hash is doubted, though nothing else came than what is stored")
	}
}
