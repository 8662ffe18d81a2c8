package alert

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/alert/sqlgen"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
)

// Scope is what a threshold or a silence is for: a node, a pool, or the whole
// fleet when it names neither.
type Scope struct{ NodeID, PoolID string }

// String is the scope's id, as the audit log names it.
func (s Scope) String() string {
	switch {
	case s.NodeID != "":
		return s.NodeID
	case s.PoolID != "":
		return s.PoolID
	}
	return "fleet"
}

// place is a scope as the tables know it.
type place struct{ poolNo, nodeNo *int32 }

// find locks what the scope names against being deleted meanwhile.
func (s Scope) find(ctx context.Context, q *sqlgen.Queries) (place, error) {
	switch {
	case s.NodeID != "":
		row, err := q.NodeNo(ctx, s.NodeID)
		if errors.Is(err, pgx.ErrNoRows) {
			return place{}, fault.New(fault.NodeNotFound, "no node %s", s.NodeID)
		}
		return place{nodeNo: &row.NodeNo}, err
	case s.PoolID != "":
		no, err := q.PoolNo(ctx, s.PoolID)
		if errors.Is(err, pgx.ErrNoRows) {
			return place{}, fault.New(fault.PoolNotFound, "no pool %s", s.PoolID)
		}
		return place{poolNo: &no}, err
	}
	return place{}, nil
}

// Source says whose threshold holds.
type Source string

// The sources, the nearest first.
const (
	OfNode    Source = "node"
	OfPool    Source = "pool"
	OfFleet   Source = "fleet"
	ByDefault Source = "default"
)

// Setting is the threshold that holds for a kind, and whose it is.
type Setting struct {
	Kind Kind
	Threshold
	Source Source
}

type byKind map[Kind]Threshold

// thresholds are all that were set.
type thresholds struct {
	fleet  byKind
	pools  map[int32]byKind
	nodes  map[int32]byKind
	backup byKind // the defaults
}

func newThresholds() thresholds {
	t := thresholds{fleet: byKind{}, pools: map[int32]byKind{}, nodes: map[int32]byKind{}, backup: byKind{}}
	for _, k := range Kinds() {
		t.backup[k] = Default(k)
	}
	return t
}

// holding is the threshold of a kind for a node: its own, else its pool's, else
// the fleet's, else the default.
func (t thresholds) holding(nodeNo int32, poolNo *int32, k Kind) (Threshold, Source) {
	if th, ok := t.nodes[nodeNo][k]; ok {
		return th, OfNode
	}
	if poolNo != nil {
		if th, ok := t.pools[*poolNo][k]; ok {
			return th, OfPool
		}
	}
	if th, ok := t.fleet[k]; ok {
		return th, OfFleet
	}
	return t.backup[k], ByDefault
}

func (t thresholds) add(r sqlgen.ThresholdsRow) {
	th := Threshold{
		Enabled: r.Enabled, Warning: levelOf(r.Warning, r.WarningSeconds), Critical: levelOf(r.Critical, r.CriticalSeconds), Hysteresis: r.Hysteresis,
	}
	switch k := Kind(r.Kind); {
	case r.NodeNo != nil:
		put(t.nodes, *r.NodeNo, k, th)
	case r.PoolNo != nil:
		put(t.pools, *r.PoolNo, k, th)
	default:
		t.fleet[k] = th
	}
}

func put(of map[int32]byKind, no int32, k Kind, th Threshold) {
	if of[no] == nil {
		of[no] = byKind{}
	}
	of[no][k] = th
}

func levelOf(value *float64, seconds int32) *Level {
	if value == nil {
		return nil
	}
	return &Level{*value, time.Duration(seconds) * time.Second}
}

// columns are a level as it is stored.
func (l *Level) columns() (value *float64, seconds int32) {
	if l == nil {
		return nil, 0
	}
	return &l.Value, int32(min(l.For/time.Second, math.MaxInt32))
}

func readThresholds(ctx context.Context, q *sqlgen.Queries) (thresholds, error) {
	t := newThresholds()
	rows, err := q.Thresholds(ctx)
	if err != nil {
		return t, fmt.Errorf("read thresholds: %w", err)
	}
	for _, r := range rows {
		t.add(r)
	}
	return t, nil
}

// Settings are the thresholds that hold in a scope, one of each kind.
func (s *Store) Settings(ctx context.Context, scope Scope) ([]Setting, error) {
	var t thresholds
	var at place
	var poolNo *int32
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) (err error) {
		q := sqlgen.New(tx)
		if at, err = scope.find(ctx, q); err != nil {
			return err
		}
		poolNo = at.poolNo
		if scope.NodeID != "" {
			row, err := q.NodeNo(ctx, scope.NodeID)
			if err != nil {
				return err
			}
			poolNo = row.PoolNo
		}
		rows, err := q.ThresholdsFor(ctx, sqlgen.ThresholdsForParams{NodeNo: at.nodeNo, PoolNo: poolNo})
		t = newThresholds()
		for _, r := range rows {
			t.add(sqlgen.ThresholdsRow(r))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("thresholds of %s: %w", scope, err)
	}
	var nodeNo int32 // 0 is no node's
	if at.nodeNo != nil {
		nodeNo = *at.nodeNo
	}
	settings := make([]Setting, 0, len(Kinds()))
	for _, k := range Kinds() {
		th, source := t.holding(nodeNo, poolNo, k)
		settings = append(settings, Setting{k, th, source})
	}
	return settings, nil
}

// CheckThresholds tells every bad field at once.
func CheckThresholds(set map[Kind]Threshold) error {
	var bad []fault.Field
	for _, k := range Kinds() {
		if th, ok := set[k]; ok {
			bad = append(bad, th.check(k)...)
		}
	}
	if len(bad) > 0 {
		return fault.New(fault.Validation, "the thresholds are not allowed as they are; see details").WithFields(bad...)
	}
	return nil
}

// SetThresholds stores thresholds for a scope, each whole: what is narrower
// still goes before it.
func (s *Store) SetThresholds(ctx context.Context, by audit.By, scope Scope, set map[Kind]Threshold) error {
	if err := CheckThresholds(set); err != nil {
		return err
	}
	now := s.now()
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		at, err := scope.find(ctx, q)
		if err != nil {
			return err
		}
		record := map[Kind]any{}
		for _, k := range Kinds() {
			th, ok := set[k]
			if !ok {
				continue
			}
			p := sqlgen.SetThresholdParams{
				PoolNo: at.poolNo, NodeNo: at.nodeNo, Kind: string(k), Enabled: th.Enabled, Hysteresis: th.Hysteresis, UpdatedAt: now,
			}
			p.Warning, p.WarningSeconds = th.Warning.columns()
			p.Critical, p.CriticalSeconds = th.Critical.columns()
			if err := q.SetThreshold(ctx, p); err != nil {
				return err
			}
			record[k] = th.record()
		}
		return audit.Write(ctx, tx, by.Record("threshold.set", scope.String(), nil, record))
	})
	if err != nil {
		return fmt.Errorf("set thresholds of %s: %w", scope, err)
	}
	return nil
}

// record is what the audit log keeps of a threshold.
func (t Threshold) record() map[string]any {
	warning, warningSeconds := t.Warning.columns()
	critical, criticalSeconds := t.Critical.columns()
	return map[string]any{
		"enabled": t.Enabled, "warning": warning, "warning_for_seconds": warningSeconds,
		"critical": critical, "critical_for_seconds": criticalSeconds, "hysteresis": t.Hysteresis,
	}
}

// RemoveThreshold takes back what was set for a kind in a scope, so that the
// wider one holds again. What was not set is not found.
func (s *Store) RemoveThreshold(ctx context.Context, by audit.By, scope Scope, k Kind) error {
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		at, err := scope.find(ctx, q)
		if err != nil {
			return err
		}
		n, err := q.RemoveThreshold(ctx, sqlgen.RemoveThresholdParams{PoolNo: at.poolNo, NodeNo: at.nodeNo, Kind: string(k)})
		if err == nil && n == 0 {
			return fault.New(fault.OtherNotFound, "no threshold of %s is set for %s", k, scope)
		} else if err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("threshold.remove", scope.String(), map[string]Kind{"kind": k}, nil))
	})
	if err != nil {
		return fmt.Errorf("remove the threshold of %s from %s: %w", k, scope, err)
	}
	return nil
}

// now is the present time as Postgres keeps it.
func (s *Store) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }
