package rail

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/rail/sqlgen"
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain"
)

const (
	// stray is how long after a restore a transaction of before may still come:
	// the network lets none live longer.
	stray = 24 * time.Hour
	// searchBlocks bounds one run.
	searchBlocks = 200
)

// identity of a database: a restored backup has another timeline, a dump that
// was read into another server another system. One that was read into the same
// server made its tables anew, so their numbers count as part of the system.
type identity struct {
	system   string
	timeline int32
}

func (r *Runner) identity(ctx context.Context) (id identity, err error) {
	err = r.cfg.Pool.QueryRow(ctx, `SELECT system_identifier || '/' || 'rail_attempt'::regclass::oid, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
		FROM pg_control_system()`).Scan(&id.system, &id.timeline)
	if err != nil {
		return id, fmt.Errorf("ask which database this is: %w", err)
	}
	return id, nil
}

// sameDatabase reports whether everything that was ever sent is surely known
// here. If the database is another one than at the last run, payouts are halted
// until the wallet's outflows since then are looked through.
func (r *Runner) sameDatabase(ctx context.Context, h heads) (sound bool, err error) {
	id, err := r.identity(ctx)
	if err != nil {
		return false, err
	}
	q, seen := sqlgen.New(r.cfg.Pool), h.lower().ID
	state, err := q.State(ctx)
	now := sqlgen.SetStateParams{Network: r.cfg.Network, SystemID: id.system, Timeline: id.timeline, SeenBlock: seen[:]}
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return true, q.SetState(ctx, now)
	case err != nil:
		return false, fmt.Errorf("read what the rail knew: %w", err)
	case state.Network != r.cfg.Network:
		return false, fmt.Errorf("this database pays on %s, not on %s: use another one", state.Network, r.cfg.Network)
	case state.SystemID != id.system || state.Timeline != id.timeline:
		until := r.cfg.Now().Add(stray)
		now.SeenBlock, now.ScanNext, now.ScanUntil = state.SeenBlock, state.SeenBlock, &until
		if state.ScanNext != nil { // restored while it was looking
			now.ScanNext = state.ScanNext
		}
		return false, r.haltRestored(ctx, now)
	case state.ScanNext != nil:
		return false, nil
	}
	if tron.BlockID(state.SeenBlock).Number() >= seen.Number() {
		return true, nil
	}
	return true, q.SetState(ctx, now)
}

func (r *Runner) haltRestored(ctx context.Context, state sqlgen.SetStateParams) error {
	return db.InTx(ctx, r.cfg.Pool, func(tx db.Tx) error {
		if err := sqlgen.New(tx).SetState(ctx, state); err != nil {
			return err
		}
		return payout.Halt(ctx, tx, By(), haltRestore, r.cfg.Now())
	})
}

// search looks through the next final blocks for transactions of the wallet
// that this database does not know. Once the last that can come has had its
// time and all are matched, payouts go on.
func (r *Runner) search(ctx context.Context, h heads) error {
	q := sqlgen.New(r.cfg.Pool)
	state, err := q.State(ctx)
	if err != nil {
		return fmt.Errorf("read what the rail knew: %w", err)
	}
	last := tron.BlockID(state.ScanNext)
	for range searchBlocks {
		if last.Number() >= h.lower().ID.Number() {
			break
		}
		block, err := r.sameBlock(ctx, last)
		if err != nil {
			return fmt.Errorf("look for outflows of the wallet: %w", err)
		}
		if err := r.note(ctx, block); err != nil {
			return err
		}
		last = block.ID
	}
	next := sqlgen.SetStateParams{
		Network: state.Network, SystemID: state.SystemID, Timeline: state.Timeline, SeenBlock: state.SeenBlock,
		ScanNext: last[:], ScanUntil: state.ScanUntil,
	}
	open, err := q.OpenOutflows(ctx)
	if err != nil {
		return fmt.Errorf("list outflows: %w", err)
	}
	if len(open) > 0 {
		err = fmt.Errorf("%d transactions of the wallet are not known here: match each with lucid-coordinator rail match", len(open))
	} else if done := h.lower(); last == done.ID && done.Time.After(*state.ScanUntil) {
		if err := r.lift(ctx, haltRestore); err != nil {
			return err
		}
		next.SeenBlock, next.ScanNext, next.ScanUntil = last[:], nil, nil
	}
	return errors.Join(q.SetState(ctx, next), err)
}

// sameBlock is the block after last, which both nodes must tell alike.
func (r *Runner) sameBlock(ctx context.Context, last tron.BlockID) (chain.Block, error) {
	var told [2]chain.Block
	for i, node := range r.cfg.Solid {
		b, err := node.SolidBlock(ctx, last.Number()+1)
		if err != nil {
			return b, err
		}
		if b.Parent != last {
			return b, fmt.Errorf("block %d of %s does not follow %s", b.ID.Number(), node.Host(), last)
		}
		told[i] = b
	}
	if told[0].ID != told[1].ID || len(told[0].Transactions) != len(told[1].Transactions) {
		return told[0], fmt.Errorf("%s and %s tell different blocks %d", r.cfg.Solid[0].Host(), r.cfg.Solid[1].Host(), told[0].ID.Number())
	}
	return told[0], nil
}

// note writes down the wallet's transactions in a block that nobody here knows.
func (r *Runner) note(ctx context.Context, b chain.Block) error {
	var ids [][]byte
	for _, t := range b.Transactions {
		if tron.SpentBy(t.Raw, r.wallet) {
			ids = append(ids, t.ID[:])
		}
	}
	if len(ids) == 0 {
		return nil
	}
	q := sqlgen.New(r.cfg.Pool)
	known, err := q.KnownTransactions(ctx, ids)
	if err != nil {
		return fmt.Errorf("look up transactions of the wallet: %w", err)
	}
	mine := make(map[string]bool, len(known))
	for _, id := range known {
		mine[string(id)] = true
	}
	for _, id := range ids {
		if mine[string(id)] {
			continue
		}
		if err := q.AddOutflow(ctx, sqlgen.AddOutflowParams{TxID: id, BlockNo: b.ID.Number(), FoundAt: r.cfg.Now()}); err != nil {
			return fmt.Errorf("write down an outflow: %w", err)
		}
	}
	return nil
}
