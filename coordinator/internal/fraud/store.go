package fraud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/fraud/sqlgen"
)

// Config of a Store. Pool is required, for a judge and decisions all of it.
type Config struct {
	Pool *db.Pool
	// Fastest is how many puzzle hashes a second one core of a model makes at
	// most; known is false for another machine.
	Fastest func(model string) (hashesPerSecond float64, known bool)
	// CohortTime is how long a node of a model has for so many puzzles in a cohort.
	CohortTime func(model string, count, difficulty int) time.Duration
	// CancelPayouts cancels what a node has pending, in the caller's transaction.
	CancelPayouts func(ctx context.Context, tx db.Tx, by audit.By, nodeNo int32, reason string, at time.Time) error
	// Vetted tells whether a node's vetting has ended: until then its earnings
	// stay held, whatever becomes of a flag.
	Vetted func(ctx context.Context, tx db.Tx, nodeNo int32, at time.Time) (bool, error)

	Now    func() time.Time
	Logger *slog.Logger
}

// Store keeps flags, holds, appeals and decisions in Postgres.
type Store struct {
	cfg      Config
	suspects atomic.Pointer[suspicion]
}

// NewStore makes a Store.
func NewStore(c Config) (*Store, error) {
	if c.Pool == nil || c.Fastest == nil || c.CohortTime == nil || c.CancelPayouts == nil || c.Vetted == nil {
		return nil, errors.New("fraud: Pool, Fastest, CohortTime, CancelPayouts and Vetted are required")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Store{cfg: c}, nil
}

// Changed is the body of a fraud event.
type Changed struct {
	Change   Change   `json:"change" doc:"flagged, held, appealed, dismissed, confirmed or released."`
	FlagID   string   `json:"flag_id,omitempty"`
	Rule     string   `json:"rule,omitempty"`
	Layer    *Layer   `json:"layer,omitempty" doc:"0 to 5."`
	Severity Severity `json:"severity,omitempty"`
	Summary  string   `json:"summary"`
}

// Change is what happened to a flag, or to a node's money.
type Change string

// Changes.
const (
	changeFlagged   Change = "flagged"
	changeHeld      Change = "held"
	changeAppealed  Change = "appealed"
	changeDismissed Change = "dismissed"
	changeConfirmed Change = "confirmed"
	changeReleased  Change = "released"
)

// keep stores flags that were not known yet, with their events, and tells how
// many those were.
func (s *Store) keep(ctx context.Context, tx db.Tx, flags []Found) (int, error) {
	if len(flags) == 0 {
		return 0, nil
	}
	q, now := sqlgen.New(tx), s.cfg.Now()
	p := sqlgen.InsertFlagsParams{FoundAt: now, Daily: dailyRules(), QuietSince: now.Add(-quietFor)}
	nodeNos := make([]int32, len(flags))
	for i, f := range flags {
		evidence, err := json.Marshal(f.Evidence)
		if err != nil {
			return 0, fmt.Errorf("evidence of %s: %w", f.Rule.ID, err)
		}
		nodeNos[i] = f.NodeNo
		p.NodeNos, p.Rules, p.Versions = append(p.NodeNos, f.NodeNo), append(p.Rules, f.Rule.ID), append(p.Versions, int32(f.Rule.Version))
		p.Layers, p.Severities = append(p.Layers, int16(f.Rule.Layer)), append(p.Severities, string(f.Rule.Severity))
		p.Subjects, p.Evidences, p.Ats = append(p.Subjects, f.Subject), append(p.Evidences, string(evidence)), append(p.Ats, f.At)
	}
	rows, err := q.InsertFlags(ctx, p)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	names, err := namesOf(ctx, q, nodeNos)
	if err != nil {
		return 0, err
	}
	events := make([]event.Event, len(rows))
	for i, r := range rows {
		rule, _ := RuleByID(r.Rule)
		events[i] = names[r.NodeNo].event(flagEvent(changeFlagged, r.FlagNo, rule), now)
	}
	return len(rows), event.Publish(ctx, tx, events...)
}

func flagEvent(c Change, flagNo int64, r Rule) Changed {
	return Changed{Change: c, FlagID: idOf(flagNo), Rule: r.ID, Layer: &r.Layer, Severity: r.Severity, Summary: r.Summary}
}

// name is what a node and its pool are called outside.
type name struct{ nodeID, poolID string }

func (n name) event(c Changed, at time.Time) event.Event {
	return event.Event{Kind: event.Fraud, NodeID: n.nodeID, PoolID: n.poolID, Body: c, At: at}
}

func namesOf(ctx context.Context, q *sqlgen.Queries, nodeNos []int32) (map[int32]name, error) {
	rows, err := q.NodeIDs(ctx, nodeNos)
	if err != nil {
		return nil, fmt.Errorf("read the ids of nodes: %w", err)
	}
	names := make(map[int32]name, len(rows))
	for _, r := range rows {
		names[r.NodeNo] = name{r.NodeID, r.PoolID}
	}
	return names, nil
}
