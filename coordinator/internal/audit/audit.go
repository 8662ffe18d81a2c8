// Package audit owns the log of who changed what: append-only, each entry
// bound by its hash to all before it.
//
// It must never hold a secret: what is written here is read by every admin and
// can never be taken back. It decides nothing about what it records.
package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"lucid.internal/coordinator/internal/audit/sqlgen"
	"lucid.internal/coordinator/internal/db"
)

// Actors that are no credential. Everybody else is the id of a key or a user.
const (
	System = "system" // the coordinator by itself
	CLI    = "cli"    // somebody with a shell beside the database; the coordinator's commands add who: cli:ada
	Device = "device" // a machine that showed its enrolment token
)

// By says on whose behalf a store changes something. Stores that change
// anything take it right after the context.
type By struct {
	Actor     string // key_..., user_..., cli:..., device or system
	RequestID string // of the API's request; "" elsewhere
}

// Record is one change. Before and After are what is worth knowing of the
// target, as JSON: nil before it existed or after it is gone. Neither may hold
// a secret.
type Record struct {
	Actor         string
	Action        string // pool.create: the noun, then what was done to it
	Target        string // id of what was changed
	Before, After any
	RequestID     string
	At            time.Time // zero: now, by the database's clock
}

// Record is the record of a change that was made on behalf of b.
func (b By) Record(action, target string, before, after any) Record {
	return Record{Actor: b.Actor, Action: action, Target: target, Before: before, After: after, RequestID: b.RequestID}
}

// AtTime gives the record the time of the change itself.
func (r Record) AtTime(at time.Time) Record {
	r.At = at
	return r
}

// Write appends the record within the caller's transaction: it stands exactly
// if the change does. It takes the log's turn until the transaction ends, so
// call it last, after every other lock.
func Write(ctx context.Context, tx db.Tx, r Record) error {
	e, err := r.entry()
	if err != nil {
		return fmt.Errorf("audit %s of %s: %w", r.Action, r.Target, err)
	}
	q := sqlgen.New(tx)
	head, err := q.LockHead(ctx)
	if err != nil {
		return fmt.Errorf("lock the audit log's head: %w", err)
	}
	if e.At.IsZero() {
		e.At = head.Now
	}
	e.At = e.At.UTC().Truncate(time.Microsecond) // what the database keeps
	hash := e.chainHash(Hash(head.Hash))
	err = q.Insert(ctx, sqlgen.InsertParams{
		At: e.At, Actor: e.Actor, Action: e.Action, Target: e.Target, Before: e.Before, After: e.After, RequestID: e.RequestID,
		PrevHash: head.Hash, Hash: hash[:],
	})
	if err != nil {
		return fmt.Errorf("audit %s of %s: %w", r.Action, r.Target, err)
	}
	return nil
}

// entry is the record as it is stored, without its place in the chain.
func (r Record) entry() (Entry, error) {
	if r.Actor == "" || r.Action == "" {
		return Entry{}, errors.New("an audit record needs an actor and an action")
	}
	before, err := document(r.Before)
	if err != nil {
		return Entry{}, err
	}
	after, err := document(r.After)
	if err != nil {
		return Entry{}, err
	}
	return Entry{
		At: r.At, Actor: clean(r.Actor), Action: clean(r.Action), Target: clean(r.Target),
		Before: before, After: after, RequestID: clean(r.RequestID),
	}, nil
}

func document(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	return json.Marshal(v)
}

// clean keeps a text from outside storable: a log that refuses an odd id would
// stop the change that it records.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "�"), "\x00", "�")
}
