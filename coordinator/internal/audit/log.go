package audit

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit/sqlgen"
	"lucid.internal/coordinator/internal/db"
)

// Log reads what was written.
type Log struct{ pool *db.Pool }

// NewLog makes a Log.
func NewLog(pool *db.Pool) *Log { return &Log{pool} }

// Filter selects entries; zero values select all.
type Filter struct {
	Actor  string
	Action string
	Target string
	Since  time.Time // at or after
	Until  time.Time // before
	Before int64     // only entries of a lower number: the cursor of the next page
	Limit  int       // default 100
}

// List reads one page, newest first, and the cursor of the next one: 0 when
// nothing follows.
func (l *Log) List(ctx context.Context, f Filter) (entries []Entry, next int64, err error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	p := sqlgen.ListParams{
		Before: f.Before, Actor: clean(f.Actor), Action: clean(f.Action), Target: clean(f.Target), // as they were written
		Since: optional(f.Since), Until: optional(f.Until), Most: int32(f.Limit) + 1,
	}
	if p.Before <= 0 {
		p.Before = math.MaxInt64
	}
	rows, err := sqlgen.New(l.pool).List(ctx, p)
	if err != nil {
		return nil, 0, fmt.Errorf("read the audit log: %w", err)
	}
	if len(rows) > f.Limit {
		rows = rows[:f.Limit]
		next = rows[f.Limit-1].EntryNo
	}
	entries = make([]Entry, len(rows))
	for i, r := range rows {
		entries[i] = entryOf(r)
	}
	return entries, next, nil
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func entryOf(r sqlgen.AuditEntry) Entry {
	return Entry{
		No: r.EntryNo, At: r.At.UTC(), Actor: r.Actor, Action: r.Action, Target: r.Target,
		Before: r.Before, After: r.After, RequestID: r.RequestID, Hash: Hash(r.Hash),
	}
}

// Verdict is the result of Verify.
type Verdict struct {
	Entries    int64
	Head       Hash   // of the last entry read
	Difference string // the first one found; empty when all is sound
}

const verifyPage = 1000

// Verify recomputes the chain at one moment: every hash follows from its
// entry's content and the entry before it, and the last one is the head's. It
// stops at the first difference. Who keeps an earlier Head elsewhere can tell
// whether the whole chain was written anew.
func (l *Log) Verify(ctx context.Context) (Verdict, error) {
	var v Verdict
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, l.pool, options, func(tx db.Tx) error {
		q, last := sqlgen.New(tx), int64(math.MinInt64)
		for {
			rows, err := q.Chain(ctx, sqlgen.ChainParams{After: last, Most: verifyPage})
			if err != nil {
				return err
			}
			for _, r := range rows {
				if v.check(r); v.Difference != "" {
					return nil
				}
				last = r.EntryNo
			}
			if len(rows) < verifyPage {
				return v.checkHead(ctx, q)
			}
		}
	})
	if err != nil {
		return Verdict{}, fmt.Errorf("verify the audit log: %w", err)
	}
	return v, nil
}

func (v *Verdict) check(r sqlgen.AuditEntry) {
	e := entryOf(r)
	name := fmt.Sprintf("entry %d (%s of %s by %s at %s)", e.No, e.Action, e.Target, e.Actor, e.At.Format(time.RFC3339))
	switch {
	case Hash(r.PrevHash) != v.Head:
		v.Difference = name + ": its previous hash is not the hash of the entry before it; one in between is missing or was changed"
	case e.Hash != e.chainHash(v.Head):
		v.Difference = name + ": its hash does not follow from its content; it was changed"
	default:
		v.Entries++
		v.Head = e.Hash
	}
}

func (v *Verdict) checkHead(ctx context.Context, q *sqlgen.Queries) error {
	head, err := q.Head(ctx)
	if err == nil && Hash(head) != v.Head {
		v.Difference = fmt.Sprintf("the chain ends with %x, but its head says %x: the last entries are missing", v.Head, head)
	}
	return err
}
