package epoch

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/epoch/sqlgen"
	"lucid.internal/coordinator/internal/ledger"
)

// ReasonCapped is why a share is cut: the node reached the most that it earns in
// a day, and the rest stays unallocated.
const ReasonCapped = "capped"

// capped cuts the lines' shares to what their members may still earn that day.
func capped(lines []Line, members []Member) {
	for i, m := range members {
		if m.Left != nil && lines[i].Share > *m.Left {
			lines[i].Share, lines[i].Reasons = *m.Left, append(lines[i].Reasons, ReasonCapped)
		}
	}
}

// allowance is what nodes may still earn on the day of an epoch.
type allowance map[int32]ledger.Amount

// allowance asks for those nodes only that could pass the cap: whoever was in
// one pool all day has at most what that pool gave in all its epochs.
func (c *closing) allowance(ctx context.Context, group []turn, members map[int32][]Member) (allowance, error) {
	if c.cfg.DailyCap == 0 {
		return nil, nil
	}
	day := c.epoch.From.UTC().Truncate(24 * time.Hour)
	q := sqlgen.New(c.tx)
	most, err := q.MostReward(ctx, sqlgen.MostRewardParams{PoolNos: poolNosOf(group), Since: day})
	if err != nil {
		return nil, fmt.Errorf("read what pools gave today: %w", err)
	}
	rewards := make(map[int32]ledger.Amount, len(most))
	for _, r := range most {
		rewards[r.PoolNo] = ledger.Amount(r.Reward)
	}
	slots := ledger.Amount(24 * time.Hour / c.cfg.Epoch)
	var nodeNos []int32
	for _, t := range group {
		rich := max(rewards[t.poolNo], t.reward) > c.cfg.DailyCap/slots
		for _, m := range members[t.poolNo] {
			if rich || m.Evidence.Membership[0].From.After(day) {
				nodeNos = append(nodeNos, m.NodeNo)
			}
		}
	}
	left := make(allowance, len(nodeNos))
	for _, no := range nodeNos {
		left[no] = c.cfg.DailyCap
	}
	rows, err := q.EarnedOn(ctx, sqlgen.EarnedOnParams{NodeNos: nodeNos, Since: day, Until: day.Add(24 * time.Hour)})
	if err != nil {
		return nil, fmt.Errorf("read what nodes earned today: %w", err)
	}
	for _, r := range rows {
		left[r.NodeNo] = max(c.cfg.DailyCap-ledger.Amount(r.Earned), 0)
	}
	return left, nil
}

// grant tells members what they may still earn.
func (a allowance) grant(members []Member) {
	for i, m := range members {
		if left, known := a[m.NodeNo]; known {
			members[i].Left = &left
		}
	}
}

// spend takes off what lines give: a node may be a member of several pools.
func (a allowance) spend(lines []Line) {
	for _, l := range lines {
		if left, known := a[l.NodeNo]; known {
			a[l.NodeNo] = left - l.Share
		}
	}
}
