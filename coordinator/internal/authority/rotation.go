package authority

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/authority/sqlgen"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
)

// Overlap of an old and a new CA.
const (
	MinOverlap = time.Hour // running coordinators look once a minute
	MaxOverlap = 365 * 24 * time.Hour
)

// Plans reads which CAs follow the first one, oldest first.
func Plans(pool *db.Pool) func(context.Context) ([]Plan, error) {
	return func(ctx context.Context) (plans []Plan, err error) {
		rows, err := sqlgen.New(pool).Rotations(ctx)
		for _, r := range rows {
			plans = append(plans, Plan{Name: r.SecretName, Announced: r.AnnouncedAt, IssuesFrom: r.IssuesFrom, OldUntil: r.OldUntil})
		}
		return plans, err
	}
}

// Rotate makes the next CA. It is trusted at once, makes certificates when the
// overlap has passed, and is the only one after another overlap. Refused while
// the one before is trusted still.
func (a *Authority) Rotate(ctx context.Context, by audit.By, pool *db.Pool, overlap time.Duration) (Plan, error) {
	if overlap < MinOverlap || overlap > MaxOverlap {
		return Plan{}, fmt.Errorf("an overlap lasts from %s to %s, not %s", MinOverlap, MaxOverlap, overlap)
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // crypto/rand.Read never fails
	now := a.now().UTC().Truncate(time.Microsecond)
	p := Plan{Name: firstCA + "_" + hex.EncodeToString(id[:]), Announced: now, IssuesFrom: now.Add(overlap), OldUntil: now.Add(2 * overlap)}
	if _, err := a.secret(ctx, p.Name, func() ([]byte, error) { return newCA(now) }); err != nil {
		return Plan{}, fmt.Errorf("make a CA: %w", err)
	}
	err := db.InTx(ctx, pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		if err := q.TakeTurn(ctx); err != nil {
			return err
		}
		last, err := q.LastEnd(ctx)
		if err != nil {
			return err
		}
		if last.After(now) {
			return fault.New(fault.StateNotAllowed, "the CA before is trusted until %s: another one would be too many", last.UTC().Format(time.RFC3339))
		}
		err = q.AddRotation(ctx, sqlgen.AddRotationParams{SecretName: p.Name, AnnouncedAt: p.Announced, IssuesFrom: p.IssuesFrom, OldUntil: p.OldUntil})
		if err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("ca.rotate", p.Name, map[string]any{"pin": a.Pin()},
			map[string]any{"issues_from": p.IssuesFrom, "old_until": p.OldUntil}).AtTime(now))
	})
	if err != nil {
		return Plan{}, fmt.Errorf("rotate the CA: %w", err)
	}
	return p, a.Reload(ctx)
}
