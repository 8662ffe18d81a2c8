package sample

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/shared/wire"
)

// lossyConn is a connection to Postgres that, once armed, sends the next
// COMMIT, waits for its answer, and breaks instead of giving it.
type lossyConn struct {
	net.Conn
	armed *atomic.Bool
	lost  atomic.Bool
}

func (c *lossyConn) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("commit\x00")) && c.armed.CompareAndSwap(true, false) {
		c.lost.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *lossyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.lost.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func TestAnswerToTheCommitIsLost(t *testing.T) {
	url := dbtest.URL(t)
	watch := openPool(t, url, nil)
	armed := new(atomic.Bool)
	in := run(t, IngestConfig{Store: newStore(openPool(t, url, armed))})
	node, id := newNode(t, watch, "lossy"), wire.NewRunID()
	mustStore(t, in, node, payloadOf(t, id, 1, 2))
	armed.Store(true)
	if err := in.Store(node, payloadOf(t, id, 3, 5)); err == nil {
		t.Fatal("Store knows of a commit whose answer never came")
	}
	wantCounts(t, watch, 5, 0) // it was committed all the same
	mustStore(t, in, node, payloadOf(t, id, 3, 5))
	mustStore(t, in, node, payloadOf(t, id, 6, 6))
	wantCounts(t, watch, 6, 0)
}

func openPool(t *testing.T, url string, armed *atomic.Bool) *db.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	if armed != nil {
		dial := config.ConnConfig.DialFunc
		config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			return &lossyConn{Conn: c, armed: armed}, err
		}
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// The backend is killed while it waits inside the commit, so nothing of the
// group may be there, and the same bytes sent again are stored once.
func TestBackendIsKilledInsideTheCommit(t *testing.T) {
	pool := dbtest.New(t)
	in := run(t, IngestConfig{Store: newStore(pool)})
	node, id := newNode(t, pool, "killed"), wire.NewRunID()
	mustStore(t, in, node, payloadOf(t, id, 1, 1))
	const key = 4711
	dbtest.Exec(t, pool, `CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END $$`)
	dbtest.Exec(t, pool, `CREATE CONSTRAINT TRIGGER wait AFTER UPDATE ON node_run DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION wait_at_commit()`)
	holder, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Release()
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock($1)", key); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() { result <- in.Store(node, payloadOf(t, id, 2, 4)) }()
	for killed := false; !killed; { // until the commit waits for the lock
		killed = value[bool](t, pool, `SELECT coalesce(bool_or(pg_terminate_backend(pid)), false) FROM pg_locks
			WHERE locktype = 'advisory' AND objid = $1 AND NOT granted`, key)
	}
	if err := <-result; err == nil {
		t.Fatal("Store succeeded although the commit was killed")
	}
	wantCounts(t, pool, 1, 0)
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_unlock($1)", key); err != nil {
		t.Fatal(err)
	}
	mustStore(t, in, node, payloadOf(t, id, 2, 4))
	wantCounts(t, pool, 4, 0)
}

// Backends die at any moment while nodes send and send again, as agents do.
func TestBackendsAreKilledAtRandom(t *testing.T) {
	pool := dbtest.New(t)
	in := run(t, IngestConfig{Store: newStore(openPool(t, pool.Config().ConnString(), nil))})
	const nodes, messages = 6, 40
	var wg sync.WaitGroup
	var failures atomic.Int64
	for n := range nodes {
		node, id := newNode(t, pool, fmt.Sprintf("random%d", n)), wire.NewRunID()
		wg.Go(func() {
			for i := range uint64(messages) {
				payload := payloadOf(t, id, 3*i+1, 3*i+3)
				for in.Store(node, payload) != nil {
					failures.Add(1)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	kills := 0
	for running := true; running; {
		select {
		case <-ended:
			running = false
		default:
			kills += value[int](t, pool, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND random() < 0.05`)
		}
	}
	t.Logf("%d backends killed, %d messages sent again", kills, failures.Load())
	wantCounts(t, pool, nodes*messages*3, 0)
}

// While a writer is stuck, Store gives up in time and Postgres decides later.
func TestStoreGivesUpInTime(t *testing.T) {
	pool := dbtest.New(t)
	in := run(t, IngestConfig{Store: newStore(pool), Wait: 50 * time.Millisecond})
	node, id := newNode(t, pool, "stuck"), wire.NewRunID()
	untilStored := func(payload []byte) { // a busy machine may need more than one try
		for in.Store(node, payload) != nil {
		}
	}
	untilStored(payloadOf(t, id, 1, 1))
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE node_run"); err != nil {
		t.Fatal(err)
	}
	err = in.Store(node, payloadOf(t, id, 2, 2))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Store with a stuck database: %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	untilStored(payloadOf(t, id, 2, 2))
	wantCounts(t, pool, 2, 0)
}
