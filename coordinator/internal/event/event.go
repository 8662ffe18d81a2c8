// Package event owns what happened: events that are published in the
// transaction of the change itself, numbered in an order that readers can
// trust, and handed on to whoever listens in this process.
//
// It must never hold anybody up: a publisher waits for nobody, and a listener
// that does not keep up is dropped. It knows nothing of MQTT or HTTP, and not
// what an event means.
package event

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event/sqlgen"
)

// Kind is what an event is about.
type Kind string

// The kinds. Samples are told to those who listen at the moment and are not
// stored; all others are.
const (
	Node   Kind = "node"
	Proof  Kind = "proof"
	Score  Kind = "score"
	Alert  Kind = "alert"
	Fraud  Kind = "fraud"
	Payout Kind = "payout"
	Pool   Kind = "pool"
	Sample Kind = "sample"
)

// Event is something that happened. Body is told as JSON.
type Event struct {
	Kind   Kind
	NodeID string // "" when it is about no node
	PoolID string // "" when it is about no pool
	Body   any
	At     time.Time // zero: now, by the database's clock
}

// Publish stores the events within the caller's transaction: they are told to
// listeners exactly if the change stands, in this order. It takes no lock and
// waits for nobody.
func Publish(ctx context.Context, tx db.Tx, events ...Event) error {
	if len(events) == 0 {
		return nil
	}
	rows := make([]sqlgen.PublishManyParams, len(events))
	for i, e := range events {
		body, err := json.Marshal(e.Body)
		if err != nil {
			return fmt.Errorf("%s event: %w", e.Kind, err)
		}
		rows[i] = sqlgen.PublishManyParams{At: e.At, Kind: string(e.Kind), NodeID: e.NodeID, PoolID: e.PoolID, Body: body}
	}
	if err := insert(ctx, sqlgen.New(tx), rows); err != nil {
		return fmt.Errorf("publish %d events, the first of kind %s: %w", len(events), events[0].Kind, err)
	}
	return nil
}

// manyEvents is from how many rows on COPY is quicker, although it asks for the
// table's columns first.
const manyEvents = 100

func insert(ctx context.Context, q *sqlgen.Queries, rows []sqlgen.PublishManyParams) error {
	timed := !slices.ContainsFunc(rows, func(r sqlgen.PublishManyParams) bool { return r.At.IsZero() })
	if timed && len(rows) >= manyEvents {
		_, err := q.PublishMany(ctx, rows)
		return err
	}
	var all sqlgen.PublishParams
	for _, r := range rows {
		all.Ats, all.Kinds = append(all.Ats, r.At), append(all.Kinds, r.Kind)
		all.NodeIds, all.PoolIds, all.Bodies = append(all.NodeIds, r.NodeID), append(all.PoolIds, r.PoolID), append(all.Bodies, string(r.Body))
	}
	return q.Publish(ctx, all)
}
