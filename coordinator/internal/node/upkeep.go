package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/node/sqlgen"
)

// RunOnce does what time brings: it sends commands and configurations that were given elsewhere,
// gives up on those that nobody confirmed, lifts what has its end, and closes
// connections made with keys that are no more. Only the coordinator with the broker calls it.
func (s *Store) RunOnce(ctx context.Context) error {
	return errors.Join(s.sendCommands(ctx), s.sendConfigs(ctx), s.expireCommands(ctx), s.lift(ctx), s.closeRevoked(ctx))
}

func (s *Store) expireCommands(ctx context.Context) error {
	now := s.Now()
	late, err := sqlgen.New(s.Pool).LateCommands(ctx, now)
	if err != nil {
		return fmt.Errorf("read commands without a result: %w", err)
	}
	var failed error
	for _, c := range late {
		reason := fmt.Sprintf("%s not confirmed within %s", c.Kind, c.ExpiresAt.Sub(c.IssuedAt).Round(time.Second))
		err := db.InTx(ctx, s.Pool, func(tx db.Tx) error {
			return endCommand(ctx, tx, c.NodeNo, c.CommandID, "expired", reason, now)
		})
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("give up on the %s command of node %d: %w", c.Kind, c.NodeNo, err))
		}
	}
	return failed
}

// clocksApart is how far apart the clocks of two coordinators may be.
const clocksApart = time.Minute

// RunOnceHeartbeats lowers what lies in the future: whoever was heard then, by
// a clock of ours that was ahead, was heard by now at the latest. Heartbeats only
// rise by themselves, so that such a node would never be seen to fall silent.
func (s *Store) RunOnceHeartbeats(ctx context.Context) error {
	now := s.Now()
	if err := sqlgen.New(s.Pool).LowerHeartbeats(ctx, sqlgen.LowerHeartbeatsParams{Now: now, After: now.Add(clocksApart)}); err != nil {
		return fmt.Errorf("lower heartbeats of the future: %w", err)
	}
	return nil
}

// lift ends maintenance and suspensions whose time has come.
func (s *Store) lift(ctx context.Context) error {
	now := s.Now()
	due, err := sqlgen.New(s.Pool).Lifting(ctx, now)
	if err != nil {
		return fmt.Errorf("read what lifts itself: %w", err)
	}
	var failed error
	for _, nodeNo := range due {
		if err := db.InTx(ctx, s.Pool, func(tx db.Tx) error { return liftOne(ctx, tx, nodeNo, now) }); err != nil {
			failed = errors.Join(failed, fmt.Errorf("lift node %d: %w", nodeNo, err))
		}
	}
	return failed
}

func liftOne(ctx context.Context, tx db.Tx, nodeNo int32, now time.Time) error {
	row, err := sqlgen.New(tx).LockLifting(ctx, sqlgen.LockLiftingParams{NodeNo: nodeNo, At: now})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // changed meanwhile
	} else if err != nil {
		return err
	}
	return SetStatus(ctx, tx, nodeNo, afterLift(row.AgentStopped), row.Status+" ended", now)
}

// closeRevoked makes up for a deletion or a new enrolment that another
// coordinator made, and ends sessions by a key whose overlap is over.
func (s *Store) closeRevoked(ctx context.Context) error {
	rows, err := sqlgen.New(s.Pool).RevokedOnline(ctx, s.Now())
	if err != nil {
		return fmt.Errorf("read connected nodes whose key is no more: %w", err)
	}
	for _, row := range rows {
		s.Disconnect(row.NodeID, row.Reason)
	}
	return nil
}
