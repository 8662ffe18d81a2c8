// Package outage owns the knowledge of when our own side was down: the
// coordinator's heartbeat and the fault windows found by it.
//
// It must never decide what a window means for a node: whoever judges or pays
// reads the windows and applies its own rule.
package outage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/outage/sqlgen"
)

// Cause says which part of ours was down.
type Cause string

// Causes of a fault window.
const (
	Coordinator Cause = "coordinator" // no coordinator was running, or it stood still
	Database    Cause = "database"    // it ran, but could not write
	Broker      Cause = "broker"      // nodes could not connect
)

// Window is a time in which our own side was down: From <= t < To. Windows of
// different causes may overlap.
type Window struct {
	No       int64
	Cause    Cause
	From, To time.Time
}

// Querier is a connection pool or a transaction.
type Querier = sqlgen.DBTX

// Windows gives the fault windows that touch [from, to), earliest first.
func Windows(ctx context.Context, q Querier, from, to time.Time) ([]Window, error) {
	rows, err := sqlgen.New(q).Windows(ctx, sqlgen.WindowsParams{Since: from, Until: to})
	if err != nil {
		return nil, fmt.Errorf("reading fault windows: %w", err)
	}
	windows := make([]Window, len(rows))
	for i, r := range rows {
		windows[i] = Window{No: r.WindowNo, Cause: Cause(r.Cause), From: r.FromAt, To: r.ToAt}
	}
	return windows, nil
}

// lastBeat is until when every fault is on record: one that came later is
// found by the next beat. found is false before the first beat of all.
func lastBeat(ctx context.Context, q Querier) (at time.Time, found bool, err error) {
	at, err = sqlgen.New(q).LastBeat(ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, fmt.Errorf("reading the last heartbeat: %w", err)
	}
	return at, true, nil
}

// Record stores a window that a caller has found itself. To must be after From.
func Record(ctx context.Context, q Querier, cause Cause, from, to time.Time) (Window, error) {
	w := Window{Cause: cause, From: from, To: to}
	no, err := sqlgen.New(q).RecordWindow(ctx, sqlgen.RecordWindowParams{Cause: string(cause), FromAt: from, ToAt: to})
	if err != nil {
		return Window{}, fmt.Errorf("recording a fault window of cause %q from %s to %s: %w",
			cause, from.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano), err)
	}
	w.No = no
	return w, nil
}
