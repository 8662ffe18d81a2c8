package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/pool/sqlgen"
)

const (
	// usageLife is how old a measurement may be that scaling acts upon.
	usageLife = 10 * time.Minute
	// scalingKept is how long decisions stay on record.
	scalingKept = 90 * 24 * time.Hour
)

// situation is all that a decision about a locked pool is made by.
func (s *Store) situation(ctx context.Context, tx db.Tx, l scalable) (Situation, error) {
	q, now := sqlgen.New(tx), s.now()
	in := Situation{At: now, Settings: l.settings, Working: len(l.working), Standby: len(l.standby)}
	usage, err := q.UsageOf(ctx, sqlgen.UsageOfParams{PoolNo: l.row.PoolNo, NotBefore: now.Add(-usageLife)})
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return in, err
	}
	in.Measured, in.CPUPercent = int(usage.Measured), usage.CpuPercent
	last, err := q.LastScaledAt(ctx, l.row.PoolNo)
	if errors.Is(err, pgx.ErrNoRows) {
		return in, nil
	}
	in.LastScaledAt = &last
	return in, err
}

// AutoScale applies the policy of every pool that has one, each in a
// transaction of its own: one that fails does not keep the others from it.
func (s *Store) AutoScale(ctx context.Context) error {
	pools, err := sqlgen.New(s.pool).ScalingPools(ctx)
	if err != nil {
		return fmt.Errorf("list the pools that scale: %w", err)
	}
	var errs []error
	for _, id := range pools {
		err := db.InTx(ctx, s.pool, func(tx db.Tx) error { return s.autoScale(ctx, tx, id) })
		errs = append(errs, about(err, "scale pool %s by its policy", id))
	}
	return errors.Join(append(errs, sqlgen.New(s.pool).ForgetScalings(ctx, s.now().Add(-scalingKept)))...)
}

func (s *Store) autoScale(ctx context.Context, tx db.Tx, poolID string) error {
	l, err := s.lockScaling(ctx, tx, poolID)
	if err != nil || !l.settings.AutoScaling.Enabled {
		return err
	}
	in, err := s.situation(ctx, tx, l)
	if err != nil {
		return err
	}
	by, d := audit.By{Actor: audit.System}, Decide(in)
	if d.Action == Hold {
		done := Scaled{Target: d.Target, Before: in.Working, After: in.Working, Activated: []string{}, Parked: []string{}}
		return s.record(ctx, tx, by, l, in, d, done)
	}
	_, err = s.carryOut(ctx, tx, by, l, in, d, "policy: "+string(d.Reason))
	return err
}

// record keeps a decision with what it was made by. A hold for the same reason
// as before is the same decision, with what it was made by first and last.
func (s *Store) record(ctx context.Context, tx db.Tx, by audit.By, l scalable, in Situation, d Decision, done Scaled) error {
	q, now := sqlgen.New(tx), s.now()
	last, err := q.LastScaling(ctx, l.row.PoolNo)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	inputs := in.inputs()
	if d.Action == Hold && last.Action == string(Hold) && last.Reason == string(d.Reason) {
		checked, err := json.Marshal(inputs)
		if err != nil {
			return err
		}
		return q.ConfirmScaling(ctx, sqlgen.ConfirmScalingParams{ScalingNo: last.ScalingNo, CheckedAt: now, CheckedInputs: checked})
	}
	policy, err := json.Marshal(inputs.Policy)
	if err != nil {
		return err
	}
	return q.InsertScaling(ctx, sqlgen.InsertScalingParams{
		PoolNo: l.row.PoolNo, At: now, Action: string(d.Action), Reason: string(d.Reason), Note: done.Reason, Actor: by.Actor,
		Target: int32(d.Target), WorkingBefore: int32(done.Before), WorkingAfter: int32(done.After), Activated: done.Activated, Parked: done.Parked,
		Standby: int32(inputs.Standby), Measured: int32(inputs.Measured), CpuPercent: inputs.CPUPercent, LastScaledAt: inputs.LastScaledAt, Policy: policy,
	})
}

// Policy is by what a pool was scaled at a time.
type Policy struct {
	AutoScaling
	Places int `json:"max_nodes_of_pool"`
}

// Inputs are what a decision on record was made by.
type Inputs struct {
	Working      int        `json:"working"` // nodes, before it
	Standby      int        `json:"standby"`
	Measured     int        `json:"measured"`
	CPUPercent   *float64   `json:"cpu_percent"`
	LastScaledAt *time.Time `json:"last_scaled_at"`
	Policy       Policy     `json:"policy"`
}

func (s Situation) inputs() Inputs {
	return Inputs{s.Working, s.Standby, s.Measured, s.CPUPercent, s.LastScaledAt, Policy{s.Settings.AutoScaling, s.Settings.MaxNodes}}
}

// Scaling is a decision on record.
type Scaling struct {
	No            int64
	At            time.Time
	CheckedAt     time.Time // a hold: until when it was so
	Decision      Decision
	Note          string // of who asked for it
	Actor         string
	Before        int // nodes at work
	After         int
	Activated     []string // node ids
	Parked        []string
	Inputs        Inputs  // at At
	CheckedInputs *Inputs // at CheckedAt; nil: it was found once
}

// Scalings are a pool's decisions of the last 90 days, newest first. before is
// the No that they precede; 0 begins with the newest. next is that of the page that
// follows, 0 on the last one.
func (s *Store) Scalings(ctx context.Context, poolID string, limit int, before int64) (list []Scaling, next int64, err error) {
	q := sqlgen.New(s.pool)
	known, err := q.PoolNo(ctx, poolID)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, 0, unknown(poolID)
	} else if err != nil {
		return nil, 0, fmt.Errorf("read pool %s: %w", poolID, err)
	}
	rows, err := q.Scalings(ctx, sqlgen.ScalingsParams{PoolNo: known.PoolNo, Before: before, Most: int32(limit + 1)})
	if err != nil {
		return nil, 0, fmt.Errorf("read how pool %s was scaled: %w", poolID, err)
	}
	rows, more := db.Cut(rows, limit)
	if more {
		next = rows[limit-1].ScalingNo
	}
	list = make([]Scaling, len(rows))
	for i, r := range rows {
		if list[i], err = scalingOf(r); err != nil {
			return nil, 0, fmt.Errorf("scaling %d: %w", r.ScalingNo, err)
		}
	}
	return list, next, nil
}

func scalingOf(r sqlgen.ScalingsRow) (Scaling, error) {
	s := Scaling{
		No: r.ScalingNo, At: r.At, CheckedAt: r.CheckedAt, Decision: Decision{Action(r.Action), int(r.Target), ScaleReason(r.Reason)},
		Note: r.Note, Actor: r.Actor, Before: int(r.WorkingBefore), After: int(r.WorkingAfter), Activated: r.Activated, Parked: r.Parked,
		Inputs: Inputs{Working: int(r.WorkingBefore), Standby: int(r.Standby), Measured: int(r.Measured), CPUPercent: r.CpuPercent, LastScaledAt: r.LastScaledAt},
	}
	if err := json.Unmarshal(r.Policy, &s.Inputs.Policy); err != nil {
		return s, fmt.Errorf("policy: %w", err)
	}
	if r.CheckedInputs == nil {
		return s, nil
	}
	if err := json.Unmarshal(r.CheckedInputs, &s.CheckedInputs); err != nil {
		return s, fmt.Errorf("inputs of the newest look: %w", err)
	}
	return s, nil
}
