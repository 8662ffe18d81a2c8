// Package alert owns what is wrong with nodes: thresholds, the alerts that
// follow from them, and silences.
//
// It must never read history to decide: it looks at what is newest and
// remembers since when it was so. It sends nothing: whoever delivers alerts is
// given them in the transaction that found them. It changes no node.
package alert

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/span"
)

// Alert is one thing that is wrong with one node, from its first sign to its
// end.
type Alert struct {
	No            int64
	NodeID        string
	NodeName      string
	PoolID        string // "" outside a pool
	Kind          Kind
	State         State
	Severity      Severity
	Worst         Severity // that it had while firing
	Value         float64  // as last observed, in the kind's unit
	Threshold     float64
	Detail        string
	StartedAt     time.Time // of the breach
	FiredAt       *time.Time
	ObservedAt    time.Time
	ResolvedAt    *time.Time
	EndReason     string // why it ended, when no observation ended it
	Silenced      bool   // now, by a silence or by the node's maintenance
	SilenceReason string
}

// ID is the alert's name outside.
func (a Alert) ID() string { return idPrefix + strconv.FormatInt(a.No, 10) }

// Summary says in one sentence what it is about.
func (a Alert) Summary() string { return describe(a.Kind, a.Value, a.Threshold, a.Detail) }

const (
	idPrefix        = "alert_"
	silenceIDPrefix = "silence_"
)

// numberOf reads the number out of an id; 0 when it is none.
func numberOf(prefix, id string) int64 {
	digits, found := strings.CutPrefix(id, prefix)
	no, err := strconv.ParseInt(digits, 10, 64)
	if !found || err != nil {
		return 0
	}
	return no
}

// Changed is the body of an alert event.
type Changed struct {
	Change    Change     `json:"change" doc:"pending, firing, severity, resolved or dismissed."`
	AlertID   string     `json:"alert_id"`
	Kind      Kind       `json:"kind"`
	State     State      `json:"state"`
	Severity  Severity   `json:"severity"`
	Value     float64    `json:"value"`
	Threshold float64    `json:"threshold"`
	Unit      Unit       `json:"unit" doc:"Of value and threshold: percent, celsius, seconds, count, or flag, which is 1 for yes."`
	Detail    string     `json:"detail,omitempty"`
	Summary   string     `json:"summary"`
	StartedAt time.Time  `json:"started_at"`
	FiredAt   *time.Time `json:"fired_at,omitempty"`
	Reason    string     `json:"reason,omitempty" doc:"Why it ended, when no observation ended it."`
}

func (a Alert) event(c Change, at time.Time) event.Event {
	return event.Event{Kind: event.Alert, NodeID: a.NodeID, PoolID: a.PoolID, At: at, Body: Changed{
		Change: c, AlertID: a.ID(), Kind: a.Kind, State: a.State, Severity: a.Severity, Value: a.Value, Threshold: a.Threshold, Unit: a.Kind.Unit(),
		Detail: a.Detail, Summary: a.Summary(), StartedAt: a.StartedAt, FiredAt: a.FiredAt, Reason: a.EndReason,
	}}
}

// Config of a Store. Pool is required, for a Watch FaultWindows too.
type Config struct {
	Pool *db.Pool
	// FaultWindows are our own faults between two times. It must refuse while one
	// may be missing.
	FaultWindows func(ctx context.Context, tx db.Tx, from, to time.Time) ([]span.Interval, error)
	// Tell takes, in the transaction that found them, the alerts that began to
	// fire, changed or ended, and are not silenced. It may be nil.
	Tell   func(ctx context.Context, tx db.Tx, alerts []Alert) error
	Now    func() time.Time
	Logger *slog.Logger
}

// Store keeps alerts, thresholds and silences in Postgres.
type Store struct {
	cfg Config
}

// NewStore makes a Store.
func NewStore(c Config) *Store {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Tell == nil {
		c.Tell = func(context.Context, db.Tx, []Alert) error { return nil }
	}
	return &Store{cfg: c}
}
