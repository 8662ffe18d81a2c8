package payout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout/sqlgen"
)

// Budget is what automatic rounds may spend in any 24 hours. They pay nobody
// without one.
type Budget struct {
	PerDay     ledger.Amount // 0: none was approved
	Spent      ledger.Amount // in the 24 hours before
	ApprovedBy string
	ApprovedAt time.Time
}

// Left is what may still be spent now.
func (b Budget) Left() ledger.Amount { return max(0, b.PerDay-b.Spent) }

// Budget reads the standing one.
func (s *Store) Budget(ctx context.Context) (Budget, error) {
	return readBudget(ctx, s.cfg.Pool, s.cfg.Now())
}

// HadBudget tells whether one was ever approved.
func (s *Store) HadBudget(ctx context.Context) (bool, error) {
	had, err := sqlgen.New(s.cfg.Pool).HadBudget(ctx)
	if err != nil {
		return false, fmt.Errorf("look for a budget of automatic payouts: %w", err)
	}
	return had, nil
}

func readBudget(ctx context.Context, on sqlgen.DBTX, at time.Time) (Budget, error) {
	q := sqlgen.New(on)
	row, err := q.Budget(ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return Budget{}, nil
	} else if err != nil {
		return Budget{}, fmt.Errorf("read the budget of automatic payouts: %w", err)
	}
	spent, err := q.CreatedSince(ctx, sqlgen.CreatedSinceParams{Creators: []string{audit.System}, Since: at.Add(-day)})
	if err != nil {
		return Budget{}, fmt.Errorf("sum up automatic payouts: %w", err)
	}
	return Budget{ledger.Amount(row.PerDay), ledger.Amount(spent), row.ApprovedBy, row.ApprovedAt}, nil
}

// SetBudget replaces the standing budget, on the word of a person; 0 ends it.
func (s *Store) SetBudget(ctx context.Context, by Person, perDay ledger.Amount) (b Budget, err error) {
	if !by.Human {
		return Budget{}, fault.New(fault.RoleTooLow, "an API key decides nothing about money: log in as a user")
	}
	if perDay < 0 {
		return Budget{}, fault.New(fault.Validation, "a budget is not below 0").WithFields(fault.Field{Name: "per_day", Reason: "is below 0"})
	}
	at := s.cfg.Now()
	err = db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		if err := ledger.Lock(ctx, tx); err != nil { // rounds spend under it
			return err
		}
		before, err := readBudget(ctx, tx, at)
		if err != nil {
			return err
		}
		q := sqlgen.New(tx)
		if err := q.EndBudget(ctx, &at); err != nil {
			return fmt.Errorf("end the budget: %w", err)
		}
		if perDay > 0 {
			err = q.InsertBudget(ctx, sqlgen.InsertBudgetParams{PerDay: int64(perDay), ApprovedBy: by.Actor, ApprovedAt: at})
		}
		if err == nil {
			b, err = readBudget(ctx, tx, at)
		}
		if err != nil {
			return fmt.Errorf("set the budget: %w", err)
		}
		change := func(b Budget) map[string]ledger.Amount { return map[string]ledger.Amount{"per_day": b.PerDay} }
		return audit.Write(ctx, tx, by.Record("payout.budget", "", change(before), change(b)).AtTime(at))
	})
	return b, err
}
