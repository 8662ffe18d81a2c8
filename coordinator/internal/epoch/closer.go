package epoch

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/epoch/sqlgen"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/span"
)

// Closer closes epochs: it turns evidence into statement lines and one ledger
// entry each. Several closers may run at once; one of them closes an epoch.
type Closer struct {
	cfg     Config
	settled atomic.Bool // what a crash may have left between two steps is done
}

// NewCloser makes a Closer; it lists every fault of cfg.
func NewCloser(cfg Config) (*Closer, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Closer{cfg: cfg}, nil
}

// RunOnce closes what is due in every pool, oldest first. When it closed
// something, it releases the held earnings of nodes whose vetting has ended
// and calls Config.AfterClosing. A pool that fails does not stop the others.
func (c *Closer) RunOnce(ctx context.Context) error {
	pools, err := sqlgen.New(c.cfg.Pool).PoolNos(ctx)
	if err != nil {
		return fmt.Errorf("list pools with epochs to close: %w", err)
	}
	var errs []error
	closedAny := false
	for _, poolNo := range pools {
		for range c.cfg.CatchUp {
			closed, err := c.closeNext(ctx, poolNo)
			if err != nil {
				errs = append(errs, fmt.Errorf("close an epoch of pool %d: %w", poolNo, err))
			}
			if !closed {
				break
			}
			closedAny = true
		}
	}
	if closedAny || !c.settled.Load() {
		err := errors.Join(c.release(ctx), c.cfg.AfterClosing(ctx))
		c.settled.Store(err == nil)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Earning is a node's share of an epoch that was just closed.
type Earning struct {
	NodeID   string
	Share    ledger.Amount
	Held     bool          // until vetting ends
	Payable  ledger.Amount // what the node has now
	EpochEnd time.Time
}

// closeNext closes the pool's next epoch in one transaction; false: it is not
// due, not decided, or another closer has it.
func (c *Closer) closeNext(ctx context.Context, poolNo int32) (closed bool, err error) {
	var e closing
	var earnings []Earning
	err = db.InTx(ctx, c.cfg.Pool, func(tx db.Tx) (err error) {
		closed, earnings = false, nil
		if e, err = c.begin(ctx, tx, poolNo); err == nil && e.due() {
			closed, earnings, err = e.run(ctx)
		}
		return err
	})
	if err != nil || !closed {
		return false, err
	}
	for _, earned := range earnings {
		c.cfg.OnEarning(earned)
	}
	c.cfg.Logger.Debug("epoch closed", "pool_id", e.poolID, "epoch_end", e.epoch.To, "earning_nodes", len(earnings))
	return true, nil
}

// begin finds the epoch that the pool has to close next.
func (c *Closer) begin(ctx context.Context, tx db.Tx, poolNo int32) (closing, error) {
	row, err := sqlgen.New(tx).Pool(ctx, poolNo)
	if err != nil {
		return closing{}, err
	}
	last := row.LastEnd
	if last.Unix() == 0 {
		last = time.Time{} // none closed yet
	}
	e := closing{cfg: c.cfg, tx: tx, poolNo: poolNo, poolID: row.PoolID, deletedAt: row.DeletedAt, now: c.cfg.Now().UTC().Truncate(time.Microsecond)}
	e.epoch, e.reward = c.cfg.next(row.CreatedAt, last, ledger.Amount(row.RewardPerEpoch))
	return e, nil
}

// closing is one epoch being closed in one transaction.
type closing struct {
	cfg    Config
	tx     db.Tx
	poolNo int32
	poolID string
	epoch  span.Interval
	reward ledger.Amount
	now    time.Time

	deletedAt *time.Time // nil: the pool lives on
}

// due holds when the epoch and its grace time are over. The epoch in which a
// pool was deleted is its last one.
func (c *closing) due() bool {
	over := !c.now.Before(c.epoch.To.Add(c.cfg.Grace))
	return over && (c.deletedAt == nil || c.epoch.From.Before(*c.deletedAt))
}

func (c *closing) run(ctx context.Context) (closed bool, earnings []Earning, err error) {
	members, windows, err := c.evidence(ctx)
	if err != nil {
		return false, nil, err
	}
	lines, decided, err := c.lines(ctx, members, windows)
	if err != nil || !decided {
		return false, nil, err
	}
	shares, unallocated := make([]ledger.Share, len(lines)), c.reward
	for i, l := range lines {
		shares[i] = ledger.Share{NodeID: l.NodeID, Amount: l.Share, Held: l.Destination == DestinationHeld}
		unallocated -= l.Share
	}
	entry := ledger.Accrue(c.poolID+"/"+c.epoch.From.Format(time.RFC3339Nano), c.now, c.poolID, shares, unallocated)
	closed, err = c.store(ctx, lines, entry)
	if err != nil || !closed {
		return false, nil, err
	}
	if c.reward > 0 {
		if _, err := ledger.Post(ctx, c.tx, entry); err != nil {
			return false, nil, err
		}
	}
	if earnings, err = c.earnings(ctx, lines); err != nil {
		return false, nil, err
	}
	return true, earnings, c.publishEarnings(ctx, earnings)
}

// store writes the epoch and its lines; false: another closer was first.
func (c *closing) store(ctx context.Context, lines []Line, entry ledger.Entry) (bool, error) {
	q := sqlgen.New(c.tx)
	var entryID *uuid.UUID
	if c.reward > 0 {
		id := entry.ID()
		entryID = &id
	}
	epochNo, err := q.InsertEpoch(ctx, sqlgen.InsertEpochParams{
		PoolNo: c.poolNo, StartsAt: c.epoch.From, EndsAt: c.epoch.To,
		Reward: int64(c.reward), EntryID: entryID, ClosedAt: c.now,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("store the epoch from %s: %w", c.epoch.From.Format(time.RFC3339), err)
	}
	params := make([]sqlgen.InsertLineParams, len(lines))
	for i, l := range lines {
		params[i] = sqlgen.InsertLineParams{
			EpochNo: epochNo, NodeNo: l.NodeNo, MemberMs: l.MemberMs, CreditedMs: l.CreditedMs,
			Score: l.ScoreNano, Factors: l.Factors, Weight: l.ScoreNano * l.CreditedMs,
			Share: int64(l.Share), Destination: l.Destination, Reasons: l.Reasons,
		}
	}
	var failed error
	q.InsertLine(ctx, params).Exec(func(i int, err error) {
		if err != nil && failed == nil {
			failed = fmt.Errorf("store the statement line of %s: %w", lines[i].NodeID, err)
		}
	})
	return failed == nil, failed
}

// earnings is who got a share, and what they have now.
func (c *closing) earnings(ctx context.Context, lines []Line) ([]Earning, error) {
	var out []Earning
	var owners []string
	for _, l := range lines {
		if l.Share > 0 {
			earned := Earning{NodeID: l.NodeID, Share: l.Share, Held: l.Destination == DestinationHeld, EpochEnd: c.epoch.To}
			out, owners = append(out, earned), append(owners, l.NodeID)
		}
	}
	payable, err := ledger.BalancesOf(ctx, c.tx, ledger.KindPayable, owners)
	for i := range out {
		out[i].Payable = payable[out[i].NodeID]
	}
	return out, err
}
