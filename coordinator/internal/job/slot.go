package job

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Slots gives each coordinator a number of its own for as long as it lives.
// What is kept elsewhere under a number whose coordinator is gone is taken
// over by another one and then forgotten.
type Slots struct {
	lease *Lease
	// Look is how often numbers without a holder are looked for. Default 2 s.
	Look time.Duration
}

// NewSlots hands numbers out through leases.
func NewSlots(lease *Lease) *Slots { return &Slots{lease: lease, Look: 2 * time.Second} }

// Run holds a number until ctx ends and calls use with it; use must return when
// its context ends, which it does when the number is lost, and is then called
// with another. Meanwhile takeOver is called with each number that has no
// holder; after nil the number is forgotten.
func (s *Slots) Run(ctx context.Context, use func(ctx context.Context, slot int32), takeOver func(ctx context.Context, slot int32) error) {
	for ctx.Err() == nil {
		conn, slot, err := s.claim(ctx)
		if err == nil {
			err = s.lease.hold(ctx, conn, func(ctx context.Context) {
				var working sync.WaitGroup
				working.Go(func() { use(ctx, slot) })
				working.Go(func() { s.watch(ctx, slot, takeOver) })
				working.Wait()
			})
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.lease.log.Warn("without a slot, trying again", "error", err, "in", s.lease.config.Retry)
		}
		wait(ctx, s.lease.config.Retry)
	}
}

// claim takes a number without a holder, or a new one.
func (s *Slots) claim(ctx context.Context) (*pgx.Conn, int32, error) {
	known, err := s.all(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, slot := range known {
		if conn, err := s.try(ctx, slot); conn != nil || err != nil {
			return conn, slot, err
		}
	}
	return s.add(ctx)
}

// add makes a new number and takes it. It is locked before it can be seen:
// else another coordinator would take it for one whose holder is gone.
func (s *Slots) add(ctx context.Context) (conn *pgx.Conn, slot int32, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("new slot: %w", err)
		}
	}()
	pool := s.lease.config.Pool
	if err := pool.QueryRow(ctx, "SELECT nextval(pg_get_serial_sequence('broker_slot', 'slot_no'))").Scan(&slot); err != nil {
		return nil, 0, err
	}
	conn, held, err := s.lock(ctx, slot)
	if err == nil && !held {
		err = fmt.Errorf("somebody holds number %d, which is new", slot)
	}
	if err == nil {
		_, err = pool.Exec(ctx, "INSERT INTO broker_slot (slot_no) OVERRIDING SYSTEM VALUE VALUES ($1)", slot)
	}
	if err != nil && conn != nil {
		s.lease.drop(conn)
		conn = nil
	}
	return conn, slot, err
}

// lock asks for a number's lock, without waiting. The connection holds it.
func (s *Slots) lock(ctx context.Context, slot int32) (conn *pgx.Conn, held bool, err error) {
	name := "slot " + strconv.Itoa(int(slot))
	if conn, err = s.lease.connect(ctx, name); err != nil {
		return nil, false, err
	}
	held, err = s.lease.try(ctx, conn, name)
	return conn, held, err
}

// try takes a number, without waiting; a nil connection means that somebody has
// it.
func (s *Slots) try(ctx context.Context, slot int32) (*pgx.Conn, error) {
	conn, held, err := s.lock(ctx, slot)
	if conn == nil {
		return nil, err
	}
	if held { // and nobody forgot it just before
		err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM broker_slot WHERE slot_no = $1)", slot).Scan(&held)
	}
	if err != nil || !held {
		s.lease.drop(conn)
		return nil, err
	}
	return conn, nil
}

func (s *Slots) all(ctx context.Context) ([]int32, error) {
	rows, err := s.lease.config.Pool.Query(ctx, "SELECT slot_no FROM broker_slot ORDER BY slot_no")
	if err != nil {
		return nil, fmt.Errorf("read slots: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[int32])
}

func (s *Slots) watch(ctx context.Context, own int32, takeOver func(ctx context.Context, slot int32) error) {
	Loop(ctx, s.lease.log, "slots", s.Look, func(ctx context.Context) error {
		known, err := s.all(ctx)
		if err != nil {
			return err
		}
		for _, slot := range known {
			if slot == own {
				continue
			}
			if err := s.takeOver(ctx, slot, takeOver); err != nil {
				return fmt.Errorf("slot %d, whose coordinator is gone: %w", slot, err)
			}
		}
		return nil
	})
}

// takeOver empties a number if nobody has it. It is deleted while it is held,
// so that nobody claims it in between.
func (s *Slots) takeOver(ctx context.Context, slot int32, empty func(ctx context.Context, slot int32) error) error {
	conn, err := s.try(ctx, slot)
	if conn == nil {
		return err
	}
	var failed error
	err = s.lease.hold(ctx, conn, func(ctx context.Context) {
		if failed = empty(ctx, slot); failed == nil {
			_, failed = s.lease.config.Pool.Exec(ctx, "DELETE FROM broker_slot WHERE slot_no = $1", slot)
		}
	})
	if failed != nil {
		return failed
	}
	return err
}
