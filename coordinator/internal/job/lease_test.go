package job_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/job"
)

func newLease(pool *db.Pool) *job.Lease {
	return job.NewLease(job.LeaseConfig{Pool: pool, Retry: 10 * time.Millisecond, Check: 20 * time.Millisecond})
}

// coordinator runs a leased work that reports when it begins and why it ended.
type coordinator struct {
	began chan struct{}
	ended chan error
	leave context.CancelFunc
}

func start(t *testing.T, pool *db.Pool, working *atomic.Int32) *coordinator {
	ctx, leave := context.WithCancel(t.Context())
	c := &coordinator{began: make(chan struct{}, 8), ended: make(chan error, 8), leave: leave}
	var run sync.WaitGroup
	run.Go(func() {
		newLease(pool).Run(ctx, "closer", func(ctx context.Context) {
			if working.Add(1) > 1 {
				t.Error("two hold the lease at once")
			}
			c.began <- struct{}{}
			<-ctx.Done()
			working.Add(-1)
			c.ended <- context.Cause(ctx)
		})
	})
	t.Cleanup(func() { leave(); run.Wait() })
	return c
}

// awaitRow polls until the query gives true: a fact inside the server that
// sends no signal.
func awaitRow(t *testing.T, pool *db.Pool, query string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var ok bool
		if err := pool.QueryRow(t.Context(), query).Scan(&ok); err != nil {
			t.Fatal(err)
		}
		if ok {
			return
		}
		<-tick.C
	}
}

// twoAsked: both coordinators' connections have asked for the lease; the
// holder's may by now have been checked with a ping.
const twoAsked = `SELECT count(*) = 2 FROM pg_stat_activity
	WHERE application_name = 'lucid lease closer' AND datname = current_database() AND state = 'idle'
	AND (query LIKE '%pg_try_advisory_lock%' OR query = '-- ping')`

func TestOneOfTwoHoldsTheLeaseAndTheOtherFollows(t *testing.T) {
	pool := dbtest.New(t)
	var working atomic.Int32
	first := start(t, pool, &working)
	<-first.began
	second := start(t, pool, &working)
	awaitRow(t, pool, twoAsked)
	select {
	case <-second.began:
		t.Fatal("the second began while the first holds the lease")
	default:
	}
	first.leave()
	<-second.began
	if err := <-first.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the first ended by %v, want its own cancel", err)
	}
}

func TestALostConnectionEndsTheWorkAndItIsTakenUpAgain(t *testing.T) {
	pool := dbtest.New(t)
	var working atomic.Int32
	only := start(t, pool, &working)
	<-only.began
	var killed bool
	err := pool.QueryRow(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&killed)
	if err != nil || !killed {
		t.Fatalf("ending the lease's connection: %v %v", killed, err)
	}
	if err := <-only.ended; !errors.Is(err, job.ErrLost) {
		t.Errorf("the work ended by %v, want ErrLost", err)
	}
	<-only.began
}

func TestLeasesOfOtherNamesAreFree(t *testing.T) {
	pool := dbtest.New(t)
	lease := newLease(pool)
	reached := false
	lease.Run(t.Context(), "closer", func(ctx context.Context) {
		lease.Run(ctx, "partitions", func(context.Context) { reached = true })
	})
	if !reached {
		t.Error("the inner work never ran")
	}
}

func TestRunEndsWhenTheWorkEnds(t *testing.T) {
	pool := dbtest.New(t)
	lease := newLease(pool)
	runs := 0
	for range 3 { // each needs the lease that the one before gave back
		lease.Run(t.Context(), "closer", func(context.Context) { runs++ })
	}
	if runs != 3 {
		t.Errorf("%d runs, want 3", runs)
	}
}
