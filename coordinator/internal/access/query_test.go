package access_test

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// queries is a tracer that counts what a pool sends.
type queries struct{ atomic.Int64 }

// TraceQueryStart counts one.
func (q *queries) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	q.Add(1)
	return ctx
}

// TraceQueryEnd does nothing.
func (q *queries) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
