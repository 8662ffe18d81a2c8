package audit

import (
	"context"
	"fmt"
	"math"
	"strings"
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
	query, args := f.query()
	rows, err := l.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, 0, fmt.Errorf("read the audit log: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sqlgen.AuditEntry])
	if err != nil {
		return nil, 0, fmt.Errorf("read the audit log: %w", err)
	}
	found, more := db.Cut(found, f.Limit)
	if more {
		next = found[f.Limit-1].EntryNo
	}
	entries = make([]Entry, len(found))
	for i, r := range found {
		entries[i] = entryOf(r)
	}
	return entries, next, nil
}

// query names only what the filter asks for, so that the index of it is used
// however large the log is. It reads one entry more than the page holds.
func (f Filter) query() (string, []any) {
	var conditions []string
	var args []any
	where := func(condition string, value any) {
		args = append(args, value)
		conditions = append(conditions, fmt.Sprintf("%s $%d", condition, len(args)))
	}
	for _, c := range []struct{ column, value string }{{"actor", f.Actor}, {"action", f.Action}, {"target", f.Target}} {
		if c.value != "" {
			where(c.column+" =", clean(c.value)) // as it was written
		}
	}
	if !f.Since.IsZero() {
		where("at >=", f.Since)
	}
	if !f.Until.IsZero() {
		where("at <", f.Until)
	}
	if f.Before > 0 {
		where("entry_no <", f.Before)
	}
	query := "SELECT entry_no, at, actor, action, target, before, after, request_id, prev_hash, hash FROM audit_entry"
	if conditions != nil {
		query += " WHERE " + strings.Join(conditions, " AND ")
	}
	return query + fmt.Sprintf(" ORDER BY entry_no DESC LIMIT %d", f.Limit+1), args
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
	err := db.AtOneMoment(ctx, l.pool, func(tx db.Tx) error {
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
