package dbtest

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"lucid.internal/coordinator/internal/db"
)

// Forgetting gives a pool on p's database that is another one from the nth
// statement with the text on, as behind an address that moves to a standby: just
// before, sql takes away what the standby never had, whatever refers to it.
func Forgetting(t testing.TB, p *db.Pool, text string, nth int32, sql string) *db.Pool {
	t.Helper()
	config := p.Config()
	f := &forgetting{t: t, url: config.ConnString(), text: text, sql: sql}
	f.left.Store(nth)
	config.ConnConfig.Tracer = f
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pool.Close()
		if f.left.Load() > 0 {
			t.Errorf("nothing was forgotten: %q was not asked %d times", text, nth)
		}
	})
	return pool
}

type forgetting struct {
	t              testing.TB
	url, text, sql string
	left           atomic.Int32
}

// TraceQueryStart is pgx's way to tell of a statement.
func (f *forgetting) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	if strings.Contains(d.SQL, f.text) && f.left.Add(-1) == 0 {
		if err := execute(f.url, "SET session_replication_role = replica; "+f.sql); err != nil {
			f.t.Error(err)
		}
	}
	return ctx
}

// TraceQueryEnd completes pgx.QueryTracer.
func (*forgetting) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
