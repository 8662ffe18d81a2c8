package sample

import (
	"testing"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// chainAt asks in a transaction of its own.
func chainAt(t *testing.T, s *Store, nodeNo int32, run wire.RunID, seq uint64) (chain [32]byte, known bool) {
	t.Helper()
	err := db.InTx(t.Context(), s.cfg.Pool, func(tx db.Tx) (err error) {
		chain, known, err = s.ChainAt(t.Context(), tx, nodeNo, run, seq)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return chain, known
}

func TestChainFollowsTheMessages(t *testing.T) {
	pool := dbtest.New(t)
	in := run(t, IngestConfig{Store: newStore(pool)})
	node, id := newNode(t, pool, "chain"), wire.NewRunID()
	want := map[uint64][32]byte{0: {}}
	var chain [32]byte
	for _, span := range [][2]uint64{{1, 3}, {4, 4}, {5, 9}, {10, 10}} {
		p := payloadOf(t, id, span[0], span[1])
		mustStore(t, in, node, p)
		mustStore(t, in, node, p) // a duplicate does not move it
		chain = proof.ChainNext(chain, p)
		want[span[1]] = chain
	}
	for seq, expected := range want {
		if got, known := chainAt(t, in.store, node, id, seq); !known || got != expected {
			t.Errorf("chain after %d is %x, known %t, want %x", seq, got, known, expected)
		}
	}
	for _, seq := range []uint64{2, 6, 7, 11} {
		if _, known := chainAt(t, in.store, node, id, seq); known {
			t.Errorf("no message ends at %d, but its chain is known", seq)
		}
	}
	if _, known := chainAt(t, in.store, node, wire.NewRunID(), 3); known {
		t.Error("the chain of an unknown run is known")
	}
}

// A database that was restored, or a standby that took over late, has lost what
// it acknowledged. The node counted that in, and did nothing wrong.
func TestLostAcknowledgedSamplesMakeTheirRunsChainUnknown(t *testing.T) {
	pool := dbtest.New(t)
	node, kept, begun := newNode(t, pool, "restored"), wire.NewRunID(), wire.NewRunID()
	before := run(t, IngestConfig{Store: newStore(pool)})
	mustStore(t, before, node, payloadOf(t, kept, 1, 3))
	after := run(t, IngestConfig{Store: newStore(pool)})
	mustStore(t, after, node, payloadOf(t, kept, 7, 9))  // 4 to 6 are gone
	mustStore(t, after, node, payloadOf(t, begun, 4, 6)) // the whole run is gone
	for id, seq := range map[wire.RunID]uint64{kept: 9, begun: 6} {
		if _, known := chainAt(t, after.store, node, id, seq); known {
			t.Errorf("the chain after %d is known, though what is before it is not", seq)
		}
	}
}

func TestDeadLetterMakesItsRunsChainUnknown(t *testing.T) {
	pool := dbtest.New(t)
	in := run(t, IngestConfig{Store: newStore(pool)})
	first, second, third := wire.NewRunID(), wire.NewRunID(), wire.NewRunID()
	node := newNode(t, pool, "doubt")
	for _, id := range []wire.RunID{first, second} {
		mustStore(t, in, node, payloadOf(t, id, 1, 1))
	}
	mustStore(t, in, node, payloadOf(t, first, 1, 2)) // overlap in the first run
	wantKnown := func(id wire.RunID, want bool) {
		t.Helper()
		if _, known := chainAt(t, in.store, node, id, 1); known != want {
			t.Errorf("chain of %s known: %t, want %t", id, known, want)
		}
	}
	wantKnown(first, false)
	wantKnown(second, true)
	mustStore(t, in, node, []byte("no JSON at all")) // nobody knows which run: the newest
	wantKnown(second, false)
	// A run that begins with a message that cannot be stored, but says its run.
	mustStore(t, in, node, []byte(`{"v":1,"run":"`+third.String()+`","samples":[]}`))
	mustStore(t, in, node, payloadOf(t, third, 1, 1))
	wantKnown(third, false)
}
