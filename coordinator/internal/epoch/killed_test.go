package epoch_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/ledger"
)

// killer lets the server end the connection that sends the nth statement,
// before it is run.
type killer struct {
	t     *testing.T
	admin *db.Pool
	left  atomic.Int64 // statements until then
}

func (k *killer) strike(ctx context.Context, conn *pgx.Conn) context.Context {
	if k.left.Add(-1) != 0 {
		return ctx
	}
	// With a time-out the server waits until the connection is gone.
	if _, err := k.admin.Exec(context.WithoutCancel(ctx), "SELECT pg_terminate_backend($1, 5000)", int32(conn.PgConn().PID())); err != nil {
		k.t.Error(err)
	}
	return ctx
}

func (k *killer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return k.strike(ctx, conn)
}
func (*killer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (k *killer) TraceCopyFromStart(ctx context.Context, conn *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return k.strike(ctx, conn)
}
func (*killer) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}

// mortal is a closer whose connection ends at the nth statement.
func (w *world) mortal() (*epoch.Closer, *killer) {
	w.t.Helper()
	k := &killer{t: w.t.(*testing.T), admin: w.pool}
	config := w.pool.Config()
	config.ConnConfig.Tracer = k
	pool, err := pgxpool.NewWithConfig(w.t.Context(), config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(pool.Close)
	return w.closer(func(c *epoch.Config) { c.Pool = pool }), k
}

// A closer is killed at every one of its statements in turn, an epoch each,
// alone and beside two others. Whatever it left, the next run closes each epoch
// once, and every pool has spent its reward once.
func TestKilledAtEveryStatement(t *testing.T) {
	for name, others := range map[string]int{"alone": 0, "beside two others": 2} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for _, id := range []string{"pool_a", "pool_b", "pool_c"} {
				poolNo := w.addPool(id, 101, at(0))
				w.addNode("node_1_of_"+id, poolNo, at(0))
				w.addNode("node_2_of_"+id, poolNo, at(0))
			}
			mortal, killer := w.mortal()
			epochs := 0
			for killed := true; killed; {
				epochs++
				w.setNow(at(float64(60*epochs + 2)))
				killer.left.Store(int64(epochs))
				var beside sync.WaitGroup
				for range others {
					closer := w.closer()
					beside.Go(func() {
						if err := closer.RunOnce(t.Context()); err != nil {
							t.Error(err)
						}
					})
				}
				_ = mortal.RunOnce(t.Context()) // it may go on by itself, over another connection
				beside.Wait()
				killed = killer.left.Load() <= 0
				w.wantSound()
				w.run(w.closer())
				if n := w.count("epoch"); n != 3*epochs {
					t.Fatalf("killed at statement %d: %d epochs closed, want %d", epochs, n, 3*epochs)
				}
				w.wantBalance(ledger.KindPoolExpense, "pool_b", -101*ledger.Amount(epochs))
			}
			if others == 0 && epochs < 15 {
				t.Errorf("only %d statements were killed: is the tracer asked?", epochs-1)
			}
			w.wantSound()
		})
	}
}
