package payout

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/payout/sqlgen"
)

// Stoppage is a reason for which no payout begins to be paid.
type Stoppage struct {
	No     int64
	Reason string
	By     string
	At     time.Time
}

// Halt stops all payouts within the caller's transaction, until somebody lifts
// it: none begins to be paid any more, by whatever rail. What is processing is
// not touched. Halting again for the same reason changes nothing.
func Halt(ctx context.Context, tx db.Tx, by audit.By, reason string, at time.Time) error {
	_, err := halt(ctx, tx, by, reason, at)
	return err
}

// halt is Halt; halted is false when payouts were halted for that reason before.
func halt(ctx context.Context, tx db.Tx, by audit.By, reason string, at time.Time) (halted bool, err error) {
	if err := checkText("reason", reason, maxReason); err != nil {
		return false, err
	}
	row, err := sqlgen.New(tx).InsertHalt(ctx, sqlgen.InsertHaltParams{Reason: reason, HaltedBy: by.Actor, HaltedAt: at})
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("halt payouts: %w", err)
	}
	if err := publishHalt(ctx, tx, "halted", stoppageOf(row), at); err != nil {
		return false, err
	}
	return true, audit.Write(ctx, tx, by.Record("payout.halt", strconv.FormatInt(row.HaltNo, 10), nil, stoppageOf(row)).AtTime(at))
}

// Halt stops all payouts.
func (s *Store) Halt(ctx context.Context, by audit.By, reason string) error {
	return db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error { return Halt(ctx, tx, by, reason, s.cfg.Now()) })
}

// Lift ends one reason; payouts go on when none is left.
func (s *Store) Lift(ctx context.Context, by audit.By, no int64) error {
	at := s.cfg.Now()
	return db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		row, err := sqlgen.New(tx).LiftHalt(ctx, sqlgen.LiftHaltParams{HaltNo: no, LiftedBy: &by.Actor, LiftedAt: &at})
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.New(fault.OtherNotFound, "payouts are not halted under number %d; list what halts them", no)
		} else if err != nil {
			return fmt.Errorf("lift a halt: %w", err)
		}
		if err := publishHalt(ctx, tx, "lifted", stoppageOf(row), at); err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("payout.lift", strconv.FormatInt(no, 10), stoppageOf(row), nil).AtTime(at))
	})
}

// Stoppages lists why payouts are halted; none while they are not.
func (s *Store) Stoppages(ctx context.Context) ([]Stoppage, error) { return stoppages(ctx, s.cfg.Pool) }

func stoppages(ctx context.Context, q sqlgen.DBTX) ([]Stoppage, error) {
	rows, err := sqlgen.New(q).OpenHalts(ctx)
	if err != nil {
		return nil, fmt.Errorf("read what halts payouts: %w", err)
	}
	list := make([]Stoppage, len(rows))
	for i, row := range rows {
		list[i] = stoppageOf(row)
	}
	return list, nil
}

func stoppageOf(r sqlgen.PayoutHalt) Stoppage {
	return Stoppage{r.HaltNo, r.Reason, r.HaltedBy, r.HaltedAt}
}

// passGate refuses while payouts are halted, and keeps them from being halted
// until the transaction ends.
func passGate(ctx context.Context, tx db.Tx) error {
	if err := sqlgen.New(tx).HoldGate(ctx); err != nil {
		return fmt.Errorf("hold the gate of payouts: %w", err)
	}
	halted, err := stoppages(ctx, tx)
	if err != nil || len(halted) == 0 {
		return err
	}
	reasons := make([]string, len(halted))
	for i, h := range halted {
		reasons[i] = fmt.Sprintf("%d: %s", h.No, h.Reason)
	}
	return fault.New(fault.StateNotAllowed, "payouts are halted (%s); none begins to be paid before all of it is lifted", strings.Join(reasons, "; "))
}
