package node

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node/sqlgen"
	"lucid.internal/shared/wire"
)

// defaultRing is where a node is without the label "ring".
const defaultRing = "stable"

func ringOf(labels map[string]string) string {
	if ring, given := labels["ring"]; given {
		return ring
	}
	return defaultRing
}

// Announcement is a version of the agent that a ring is told of.
type Announcement struct {
	wire.Update
	At time.Time
}

// Announce tells a part of the fleet of a version of the agent, in place of the
// one before, and gives how many nodes are in it. Nobody installs anything: the
// agents show it.
func (s *Store) Announce(ctx context.Context, by audit.By, u wire.Update) (nodes int64, err error) {
	if err := u.Check(); err != nil {
		return 0, fault.New(fault.Validation, "the update cannot be announced: %s", err)
	}
	now := s.Now()
	err = db.InTx(ctx, s.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		if err := q.Announce(ctx, sqlgen.AnnounceParams{Ring: u.Ring, Version: u.Version, TimeWindow: u.Window, AnnouncedAt: now}); err != nil {
			return err
		}
		if nodes, err = q.NewConfigOfRing(ctx, sqlgen.NewConfigOfRingParams{Ring: u.Ring, AtMs: now.UnixMilli()}); err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("update.announce", "ring_"+u.Ring, nil, u).AtTime(now))
	})
	if err != nil {
		return 0, fmt.Errorf("announce %s to ring %s: %w", u.Version, u.Ring, err)
	}
	return nodes, nil
}

// Withdraw takes a ring's announcement back.
func (s *Store) Withdraw(ctx context.Context, by audit.By, ring string) (nodes int64, err error) {
	now := s.Now()
	err = db.InTx(ctx, s.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		if gone, err := q.Withdraw(ctx, ring); err != nil || gone == 0 {
			return orUnknown(err, ring)
		}
		if nodes, err = q.NewConfigOfRing(ctx, sqlgen.NewConfigOfRingParams{Ring: ring, AtMs: now.UnixMilli()}); err != nil {
			return err
		}
		return audit.Write(ctx, tx, by.Record("update.withdraw", "ring_"+ring, nil, nil).AtTime(now))
	})
	if err != nil {
		return 0, fmt.Errorf("withdraw the update of ring %s: %w", ring, err)
	}
	return nodes, nil
}

func orUnknown(err error, ring string) error {
	if err != nil {
		return err
	}
	return fault.New(fault.OtherNotFound, "nothing is announced to ring %s", ring)
}

// Announcements lists what each ring is told of.
func (s *Store) Announcements(ctx context.Context) ([]Announcement, error) {
	rows, err := sqlgen.New(s.Pool).Announcements(ctx)
	if err != nil {
		return nil, fmt.Errorf("list announced updates: %w", err)
	}
	list := make([]Announcement, len(rows))
	for i, r := range rows {
		list[i] = Announcement{wire.Update{Version: r.Version, Ring: r.Ring, Window: r.TimeWindow}, r.AnnouncedAt}
	}
	return list, nil
}
