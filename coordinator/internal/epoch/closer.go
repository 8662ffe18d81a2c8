package epoch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

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
	var errs []error
	closedAny := false
	waiting, err := c.due(ctx, nil)
	if err != nil {
		return err
	}
	for turn := 0; turn < c.cfg.CatchUp && len(waiting) > 0; turn++ {
		closed, err := c.closeAll(ctx, groups(waiting))
		errs = append(errs, err)
		if len(closed) == 0 {
			break
		}
		closedAny = true
		// Who could not close one has to wait; the others may have more to close.
		if waiting, err = c.due(ctx, closed); err != nil {
			errs = append(errs, err)
			break
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

// turn is a pool and the epoch that it has to close next.
type turn struct {
	poolNo int32
	poolID string
	epoch  span.Interval
	reward ledger.Amount
	nodes  int // about as many members
}

// due lists the pools whose next epoch and its grace time are over: all of them
// for nil, else of those. The epoch in which a pool was deleted is its last one.
func (c *Closer) due(ctx context.Context, poolNos []int32) ([]turn, error) {
	turns, err := c.cfg.turns(ctx, c.cfg.Pool, poolNos, c.cfg.Now())
	if err != nil {
		return nil, fmt.Errorf("list pools with epochs to close: %w", err)
	}
	return turns, nil
}

func (c Config) turns(ctx context.Context, q sqlgen.DBTX, poolNos []int32, now time.Time) ([]turn, error) {
	rows, err := sqlgen.New(q).Pools(ctx, poolNos)
	if err != nil {
		return nil, err
	}
	var turns []turn
	for _, r := range rows {
		last := r.LastEnd
		if last.Unix() == 0 {
			last = time.Time{} // none closed yet
		}
		interval, reward := c.next(r.CreatedAt, last, ledger.Amount(r.RewardPerEpoch))
		over := !now.Before(interval.To.Add(c.Grace))
		if over && (r.DeletedAt == nil || interval.From.Before(*r.DeletedAt)) {
			turns = append(turns, turn{r.PoolNo, r.PoolID, interval, reward, int(r.NodeCount)})
		}
	}
	return turns, nil
}

// What is closed in one transaction: enough that statements cost little, so
// little that a transaction stays short and fits in memory.
const (
	groupPools = 200
	groupNodes = 10_000
)

// groups puts turns of the same epoch together, the oldest first.
func groups(turns []turn) (all [][]turn) {
	slices.SortStableFunc(turns, func(a, b turn) int {
		return cmp.Or(a.epoch.To.Compare(b.epoch.To), a.epoch.From.Compare(b.epoch.From))
	})
	nodes := 0
	for i, t := range turns {
		last := len(all) - 1
		if last < 0 || turns[i-1].epoch != t.epoch || len(all[last]) == groupPools || nodes+t.nodes > groupNodes {
			all, nodes, last = append(all, nil), 0, last+1
		}
		all[last], nodes = append(all[last], t), nodes+t.nodes
	}
	return all
}

// closers is how many groups are closed at a time: while one waits for the
// database, others compute. Only the posting itself is one after another.
const closers = 4

// closeAll closes the groups and gives the pools whose epoch was closed here.
func (c *Closer) closeAll(ctx context.Context, groups [][]turn) (closed []int32, err error) {
	var (
		mu   sync.Mutex
		errs []error
		work sync.WaitGroup
	)
	todo := make(chan []turn)
	for range min(closers, len(groups)) {
		work.Go(func() {
			for group := range todo {
				nos, err := c.close(ctx, group)
				mu.Lock()
				closed, errs = append(closed, nos...), append(errs, err)
				mu.Unlock()
			}
		})
	}
	for _, group := range groups {
		todo <- group
	}
	close(todo)
	work.Wait()
	return closed, errors.Join(errs...)
}

// close closes the epochs of a group in one transaction and gives the pools
// whose epoch was closed here. After an error it tries halves of the group,
// down to the pool that fails.
func (c *Closer) close(ctx context.Context, group []turn) (closed []int32, err error) {
	var earnings []Earning
	err = db.InTx(ctx, c.cfg.Pool, func(tx db.Tx) (err error) {
		closed, earnings = nil, nil
		read := reading{tx: tx, epoch: group[0].epoch, faultWindows: c.cfg.FaultWindows}
		e := closing{reading: read, cfg: c.cfg, now: c.cfg.Now().UTC().Truncate(time.Microsecond)}
		closed, earnings, err = e.run(ctx, group)
		return err
	})
	switch {
	case err == nil:
	case errors.Is(err, ErrNotYet):
		return nil, nil
	case len(group) == 1:
		return nil, fmt.Errorf("close an epoch of pool %s: %w", group[0].poolID, err)
	case errors.As(err, new(unsettled)) || ctx.Err() != nil:
		return nil, fmt.Errorf("close epochs of %d pools: %w", len(group), err)
	default:
		half := len(group) / 2
		first, firstErr := c.close(ctx, group[:half])
		second, secondErr := c.close(ctx, group[half:])
		return append(first, second...), errors.Join(firstErr, secondErr)
	}
	for _, earned := range earnings {
		c.cfg.OnEarning(earned)
	}
	if len(closed) > 0 {
		c.cfg.Logger.Debug("epochs closed", "pools", len(closed), "epoch_end", group[0].epoch.To, "earning_nodes", len(earnings))
	}
	return closed, nil
}
