package job_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/job"
)

// holder is a coordinator with a slot.
type holder struct {
	slot  chan int32
	taken chan int32 // slots that it emptied
	leave func()     // returns when it has let go
}

func hold(t *testing.T, pool *db.Pool, empty func(slot int32) error) *holder {
	t.Helper()
	h := &holder{slot: make(chan int32, 8), taken: make(chan int32, 8)}
	slots := job.NewSlots(newLease(pool))
	slots.Look = 10 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		slots.Run(ctx,
			func(ctx context.Context, slot int32) { h.slot <- slot; <-ctx.Done() },
			func(_ context.Context, slot int32) error {
				if err := empty(slot); err != nil {
					return err
				}
				h.taken <- slot
				return nil
			})
	})
	h.leave = func() { cancel(); running.Wait() }
	t.Cleanup(h.leave)
	return h
}

func nothing(int32) error { return nil }

// Two hold different slots; when one is gone the other empties its slot, which
// is then forgotten; a third takes a new one.
func TestSlots(t *testing.T) {
	pool := dbtest.New(t)
	first := hold(t, pool, nothing)
	one := <-first.slot
	second := hold(t, pool, nothing)
	two := <-second.slot
	if one == two {
		t.Fatalf("both hold slot %d", one)
	}
	first.leave()
	if gone := <-second.taken; gone != one {
		t.Errorf("slot %d was taken over, want %d", gone, one)
	}
	awaitRow(t, pool, "SELECT count(*) = 1 FROM broker_slot")
	third := hold(t, pool, nothing)
	if three := <-third.slot; three == two {
		t.Errorf("two hold slot %d", three)
	}
	if len(first.taken) != 0 || len(third.taken) != 0 {
		t.Error("a slot with a holder was taken over")
	}
}

// What cannot be emptied is tried again, and not forgotten before.
func TestSlotIsKeptUntilItIsEmpty(t *testing.T) {
	pool := dbtest.New(t)
	tried := make(chan struct{}, 100)
	fail := 3
	second := hold(t, pool, func(int32) error {
		tried <- struct{}{}
		if fail--; fail >= 0 {
			return errors.New("the broker is away")
		}
		return nil
	})
	<-second.slot
	first := hold(t, pool, nothing)
	one := <-first.slot
	first.leave()
	for range 3 {
		<-tried
	}
	if gone := <-second.taken; gone != one {
		t.Errorf("slot %d was emptied, want %d", gone, one)
	}
}

// Who comes back first takes the slot that nobody has, with what waits in it.
func TestSlotWithoutHolderIsClaimedFirst(t *testing.T) {
	pool := dbtest.New(t)
	first := hold(t, pool, nothing)
	one := <-first.slot
	first.leave()
	// The server lets go of the lock when it sees that the connection has ended.
	awaitRow(t, pool, `SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory'
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	again := hold(t, pool, nothing)
	if slot := <-again.slot; slot != one {
		t.Errorf("slot %d was claimed, want %d", slot, one)
	}
}
