package epoch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/epoch/sqlgen"
	"lucid.internal/coordinator/internal/ledger"
)

// closing is one epoch of several pools being closed in one transaction.
type closing struct {
	reading
	cfg Config
	now time.Time
}

// pool is one pool in a closing.
type pool struct {
	turn
	epochNo int64
	lines   []Line
	entry   ledger.Entry // what its reward pays; none for a reward of 0
}

// run closes what can be closed: what another closer was first with, and what
// is not decided yet, is left out.
func (c *closing) run(ctx context.Context, group []turn) (closed []int32, earnings []Earning, err error) {
	group, err = c.again(ctx, group)
	if err != nil || len(group) == 0 {
		return nil, nil, err
	}
	pools, err := c.compute(ctx, group)
	if err != nil {
		return nil, nil, err
	}
	if pools, err = c.storeEpochs(ctx, pools); err != nil || len(pools) == 0 {
		return nil, nil, err
	}
	if err = c.storeLines(ctx, pools); err != nil {
		return nil, nil, err
	}
	var entries []ledger.Entry
	for _, p := range pools {
		closed = append(closed, p.poolNo)
		if p.reward > 0 {
			entries = append(entries, p.entry)
		}
	}
	_, balances, err := ledger.PostAll(ctx, c.tx, entries)
	if err != nil {
		return nil, nil, err
	}
	if earnings, err = c.earnings(ctx, pools, balances); err != nil {
		return nil, nil, err
	}
	return closed, earnings, c.publishEarnings(ctx, pools, earnings)
}

// again reads within the transaction which of the group still have this epoch
// to close, and for what reward.
func (c *closing) again(ctx context.Context, group []turn) ([]turn, error) {
	turns, err := c.cfg.turns(ctx, c.tx, poolNosOf(group), c.now)
	if err != nil {
		return nil, fmt.Errorf("read pools: %w", err)
	}
	return slices.DeleteFunc(turns, func(t turn) bool { return t.epoch != c.epoch }), nil
}

func poolNosOf(group []turn) []int32 {
	poolNos := make([]int32, len(group))
	for i, t := range group {
		poolNos[i] = t.poolNo
	}
	return poolNos
}

// compute turns evidence into lines and entries, of the pools that are decided.
func (c *closing) compute(ctx context.Context, group []turn) ([]pool, error) {
	members, windows, err := c.evidence(ctx, poolNosOf(group), 0)
	if err != nil {
		return nil, err
	}
	if err := setScores(ctx, c.tx, c.cfg.ScoreAsOf, members, c.epoch.To); err != nil {
		return nil, err
	}
	left, err := c.allowance(ctx, group, members)
	if err != nil {
		return nil, err
	}
	var pools []pool
	for _, t := range group {
		left.grant(members[t.poolNo])
		lines, decided, err := Statement(c.epoch, t.reward, members[t.poolNo], windows, c.now)
		if err != nil {
			return nil, err
		}
		if decided {
			left.spend(lines)
			pools = append(pools, pool{turn: t, lines: lines, entry: Accrual(t.poolID, c.epoch.From, c.now, t.reward, lines)})
		}
	}
	return pools, nil
}

// storeEpochs makes the rows that no other closer was first with, and gives
// their pools.
func (c *closing) storeEpochs(ctx context.Context, pools []pool) ([]pool, error) {
	params := sqlgen.InsertEpochsParams{StartsAt: c.epoch.From, EndsAt: c.epoch.To, ClosedAt: c.now}
	for _, p := range pools {
		var entryID uuid.UUID
		if p.reward > 0 {
			entryID = p.entry.ID()
		}
		params.PoolNos, params.Rewards = append(params.PoolNos, p.poolNo), append(params.Rewards, int64(p.reward))
		params.EntryIds = append(params.EntryIds, entryID)
	}
	rows, err := sqlgen.New(c.tx).InsertEpochs(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("store the epoch from %s: %w", c.epoch.From.Format(time.RFC3339), err)
	}
	numbers := make(map[int32]int64, len(rows))
	for _, r := range rows {
		numbers[r.PoolNo] = r.EpochNo
	}
	var stored []pool
	for _, p := range pools {
		if no, made := numbers[p.poolNo]; made {
			p.epochNo = no
			stored = append(stored, p)
		}
	}
	return stored, nil
}

func (c *closing) storeLines(ctx context.Context, pools []pool) error {
	var params []sqlgen.InsertLinesParams
	for _, p := range pools {
		for _, l := range p.lines {
			params = append(params, sqlgen.InsertLinesParams{
				EpochNo: p.epochNo, NodeNo: l.NodeNo, MemberMs: l.MemberMs, CreditedMs: l.CreditedMs,
				Score: l.ScoreNano, Factors: l.Factors, Weight: l.Weight,
				Share: int64(l.Share), Destination: l.Destination, Reasons: l.Reasons,
			})
		}
	}
	if _, err := sqlgen.New(c.tx).InsertLines(ctx, params); err != nil {
		return fmt.Errorf("store %d statement lines: %w", len(params), err)
	}
	return nil
}
