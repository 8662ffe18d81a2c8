package alert

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/alert/sqlgen"
	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
)

const (
	// maxSilence bounds a silence: one that is forgotten must end.
	maxSilence = 365 * 24 * time.Hour
	// mostSilences are held against every alert.
	mostSilences = 1000
)

// Silence is a time in which alerts are shown but not delivered. A node in
// maintenance needs none.
type Silence struct {
	No           int64
	Scope        Scope
	Kind         Kind // "": all
	Starts, Ends time.Time
	Reason       string
	Author       string // who made it
	CreatedAt    time.Time
}

// ID is the silence's name outside.
func (s Silence) ID() string { return silenceIDPrefix + strconv.FormatInt(s.No, 10) }

// NewSilence describes a silence to be made.
type NewSilence struct {
	Scope        Scope
	Kind         Kind      // "": all
	Starts, Ends time.Time // zero Starts: now
	Reason       string
}

func (n NewSilence) check(now time.Time) (bad []fault.Field) {
	switch {
	case n.Scope.NodeID != "" && n.Scope.PoolID != "":
		bad = append(bad, fault.Field{Name: "pool_id", Reason: "must not be given with node_id"})
	case n.Kind != "" && !n.Kind.Valid():
		bad = append(bad, fault.Field{Name: "kind", Reason: fmt.Sprintf("must be one of %v", Kinds())})
	}
	switch {
	case !n.Ends.After(n.Starts) || !n.Ends.After(now):
		bad = append(bad, fault.Field{Name: "ends_at", Reason: "must be after starts_at and in the future"})
	case n.Ends.Sub(n.Starts) > maxSilence:
		bad = append(bad, fault.Field{Name: "ends_at", Reason: "must be within a year of starts_at"})
	}
	if n.Reason == "" {
		bad = append(bad, fault.Field{Name: "reason", Reason: "must say why"})
	}
	return bad
}

// Check tells every bad field at once, of a silence that is made now.
func (n NewSilence) Check(now time.Time) error {
	if bad := n.normal(now).check(now); len(bad) > 0 {
		return fault.New(fault.Validation, "the silence cannot be made; see details").WithFields(bad...)
	}
	return nil
}

// normal gives it with its default, and times as Postgres keeps them.
func (n NewSilence) normal(now time.Time) NewSilence {
	if n.Starts.IsZero() {
		n.Starts = now
	}
	n.Starts, n.Ends = n.Starts.UTC().Truncate(time.Microsecond), n.Ends.UTC().Truncate(time.Microsecond)
	return n
}

// Silence makes a silence.
func (s *Store) Silence(ctx context.Context, by audit.By, n NewSilence) (Silence, error) {
	now := s.now()
	if err := n.Check(now); err != nil {
		return Silence{}, err
	}
	n = n.normal(now)
	made := Silence{Scope: n.Scope, Kind: n.Kind, Starts: n.Starts, Ends: n.Ends, Reason: n.Reason, Author: by.Actor, CreatedAt: now}
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		if live, err := q.CountSilences(ctx, sqlgen.CountSilencesParams{At: now, ActiveOnly: true}); err != nil {
			return err
		} else if live >= mostSilences {
			return fault.New(fault.StateNotAllowed, "there are %d silences that have not ended; end one first, or silence a pool", live)
		}
		at, err := n.Scope.find(ctx, q)
		if err != nil {
			return err
		}
		var kind *string
		if n.Kind != "" {
			text := string(n.Kind)
			kind = &text
		}
		made.No, err = q.InsertSilence(ctx, sqlgen.InsertSilenceParams{
			PoolNo: at.poolNo, NodeNo: at.nodeNo, Kind: kind, StartsAt: n.Starts, EndsAt: n.Ends, Reason: n.Reason, Author: by.Actor, CreatedAt: now,
		})
		if err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("silence.create", made.ID(), nil, map[string]any{
			"scope": n.Scope.String(), "kind": n.Kind, "starts_at": n.Starts, "ends_at": n.Ends, "reason": n.Reason,
		}))
	})
	if err != nil {
		return Silence{}, fmt.Errorf("silence %s: %w", n.Scope, err)
	}
	return made, nil
}

// EndSilence ends a silence now. One that has ended stays as it is.
func (s *Store) EndSilence(ctx context.Context, by audit.By, id string) error {
	now := s.now()
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		row, err := q.LockSilence(ctx, numberOf(silenceIDPrefix, id))
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.New(fault.OtherNotFound, "no silence %s", id)
		} else if err != nil {
			return err
		}
		ends := row.EndsAt
		if ends.After(now) {
			ends = now
			if err := q.EndSilence(ctx, sqlgen.EndSilenceParams{SilenceNo: row.SilenceNo, At: now}); err != nil {
				return err
			}
		}
		return audit.Write(ctx, tx, by.Record("silence.end", id, map[string]any{"ends_at": row.EndsAt}, map[string]any{"ends_at": ends}))
	})
	if err != nil {
		return fmt.Errorf("end silence %s: %w", id, err)
	}
	return nil
}

// Silences lists a page of silences, newest first, and how many there are;
// activeOnly leaves out those that have ended.
func (s *Store) Silences(ctx context.Context, activeOnly bool, limit, offset int) ([]Silence, int, error) {
	q, now := sqlgen.New(s.cfg.Pool), s.now()
	total, err := q.CountSilences(ctx, sqlgen.CountSilencesParams{At: now, ActiveOnly: activeOnly})
	if err != nil {
		return nil, 0, fmt.Errorf("count silences: %w", err)
	}
	rows, err := q.Silences(ctx, sqlgen.SilencesParams{At: now, ActiveOnly: activeOnly, Most: int32(limit), Skip: int32(offset)})
	if err != nil {
		return nil, 0, fmt.Errorf("list silences: %w", err)
	}
	list := make([]Silence, len(rows))
	for i, r := range rows {
		list[i] = Silence{
			No: r.SilenceNo, Scope: Scope{NodeID: r.NodeID, PoolID: r.PoolID}, Kind: Kind(r.Kind), Starts: r.StartsAt, Ends: r.EndsAt,
			Reason: r.Reason, Author: r.Author, CreatedAt: r.CreatedAt,
		}
	}
	return list, int(total), nil
}
