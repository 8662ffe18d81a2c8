package event

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event/sqlgen"
)

// Message is an event as it is told to the outside, on every way alike.
type Message struct {
	V      int             `json:"v" doc:"Version of the message; fields are only added."`
	No     int64           `json:"event_no,omitempty" doc:"Rises in the order of telling. A sample has none: it is not kept."`
	Kind   Kind            `json:"kind"`
	At     time.Time       `json:"at" doc:"When it happened."`
	NodeID string          `json:"node_id,omitempty"`
	PoolID string          `json:"pool_id,omitempty"`
	Body   json.RawMessage `json:"data"`
}

// version of Message.
const version = 1

// turnClass keeps our advisory lock apart from those of other packages.
const turnClass = 0x0e7e

// page bounds what is numbered, read or removed at once.
const page = 1000

// number moves what was published and committed into the table that readers
// know, and tells whether some may be left for the next time.
//
// Only one transaction at a time gives numbers, and it is visible before the
// next one starts. So numbers become visible in their order: a reader that has
// seen n never finds a new event below n, although publishers commit in any
// order and wait for nobody.
func number(ctx context.Context, pool *db.Pool) (more bool, err error) {
	waiting, err := sqlgen.New(pool).Waiting(ctx)
	if err != nil || !waiting {
		return false, err
	}
	var moved int64
	err = db.InTx(ctx, pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		if err := q.TakeTurn(ctx, turnClass); err != nil {
			return err
		}
		moved, err = q.Number(ctx, page)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("number published events: %w", err)
	}
	return moved == page, nil
}

// bounds are the numbers of the oldest and the newest event that is kept, 0
// when there never was any.
func bounds(ctx context.Context, pool *db.Pool) (first, last int64, err error) {
	b, err := sqlgen.New(pool).Bounds(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("read which events are kept: %w", err)
	}
	return b.First, b.Last, nil
}

// after reads a page of the events above a number, oldest first.
func after(ctx context.Context, pool *db.Pool, no int64, f Filter) ([]Message, error) {
	kinds := make([]string, len(f.Kinds))
	for i, k := range f.Kinds {
		kinds[i] = string(k)
	}
	rows, err := sqlgen.New(pool).After(ctx, sqlgen.AfterParams{After: no, Kinds: kinds, NodeIds: f.NodeIDs, Most: page})
	if err != nil {
		return nil, fmt.Errorf("read events after %d: %w", no, err)
	}
	messages := make([]Message, len(rows))
	for i, r := range rows {
		messages[i] = Message{
			V: version, No: r.EventNo, At: r.At.UTC(), Kind: Kind(r.Kind), NodeID: r.NodeID, PoolID: r.PoolID, Body: r.Body,
		}
	}
	return messages, nil
}

// Retention says which events are kept for readers that come back.
type Retention struct {
	Age  time.Duration // default 24 h
	Most int64         // default 500,000
}

// Trim removes the events that are older than retention says, or too many.
func (f *Feed) Trim(ctx context.Context) error {
	q := sqlgen.New(f.pool)
	_, last, err := bounds(ctx, f.pool)
	if err != nil {
		return err
	}
	p := sqlgen.TrimParams{Most: page, Before: f.now().Add(-f.keep.Age), Floor: last - f.keep.Most}
	for {
		removed, err := q.Trim(ctx, p)
		if err != nil {
			return fmt.Errorf("remove old events: %w", err)
		}
		if removed < page {
			return nil
		}
	}
}
