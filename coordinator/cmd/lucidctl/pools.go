package main

import (
	"context"
	"net/http"

	"lucid.internal/coordinator/client"
)

type poolsCmd struct {
	List    poolsListCmd    `cmd:"" help:"List pools."`
	Get     poolsGetCmd     `cmd:"" help:"Show a pool."`
	Create  poolsCreateCmd  `cmd:"" help:"Make a pool."`
	Update  poolsUpdateCmd  `cmd:"" help:"Change a pool; what is not given stays."`
	Delete  poolsDeleteCmd  `cmd:"" help:"Delete an empty pool."`
	Nodes   poolsNodesCmd   `cmd:"" help:"List a pool's nodes."`
	Add     poolsAddCmd     `cmd:"" help:"Add a node to a pool."`
	Remove  poolsRemoveCmd  `cmd:"" help:"Take a node out of a pool."`
	Scale   poolsScaleCmd   `cmd:"" help:"Set how many nodes of a pool are at work."`
	Scaling poolsScalingCmd `cmd:"" help:"List how a pool was scaled, and why."`
	Moves   poolsMovesCmd   `cmd:"" help:"Propose moves between pools."`
}

func poolColumns() []column[client.Pool] {
	health := func(p client.Pool, of func(client.PoolHealth) any) any {
		if p.Health == nil {
			return nil
		}
		return of(*p.Health)
	}
	return []column[client.Pool]{
		{"pool_id", false, func(p client.Pool) any { return p.PoolId }},
		{"name", false, func(p client.Pool) any { return p.Name }},
		{"health", false, func(p client.Pool) any { return health(p, func(h client.PoolHealth) any { return h.State }) }},
		{"health_reasons", true, func(p client.Pool) any { return health(p, func(h client.PoolHealth) any { return h.Reasons }) }},
		{"node_count", false, func(p client.Pool) any { return p.NodeCount }},
		{"max_nodes", false, func(p client.Pool) any { return p.MaxNodes }},
		{"online_count", false, func(p client.Pool) any { return p.OnlineCount }},
		{"working_count", true, func(p client.Pool) any { return p.WorkingCount }},
		{"standby_count", true, func(p client.Pool) any { return p.StandbyCount }},
		{"poot_score", false, func(p client.Pool) any { return points(p.PootScore) }},
		{"cpu_usage_percent", true, func(p client.Pool) any { return cpuOf(p.Usage) }},
		{"reward_per_epoch", false, func(p client.Pool) any { return amount(p.Pricing.RewardPerEpoch) }},
		{"challenge_difficulty", true, func(p client.Pool) any { return p.Challenge.Difficulty }},
		{"auto_scaling", true, func(p client.Pool) any { return p.AutoScaling.Enabled }},
		{"description", true, func(p client.Pool) any { return p.Description }},
		{"created_at", true, func(p client.Pool) any { return p.CreatedAt }},
		{"updated_at", true, func(p client.Pool) any { return p.UpdatedAt }},
	}
}

// cpuOf is nil before the first check.
func cpuOf(u *client.Usage) *float64 {
	if u == nil {
		return nil
	}
	return u.CpuUsagePercent
}

type poolsListCmd struct {
	paging
	Query string `short:"q" placeholder:"TEXT" help:"Part of the name or id."`
}

// Run lists pools.
func (c *poolsListCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	p := client.ListPoolsParams{Q: given(c.Query)}
	pools, err := gather(a, c.paging, func(at place) ([]client.Pool, *string, bool, error) {
		p.Page, p.Cursor, p.Limit = at.page, at.cursor, at.limit
		l, err := answer[client.PoolList](api.ListPools(ctx, &p))
		return l.Pools, l.Pagination.NextCursor, l.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	return list(a.printer, pools, poolColumns())
}

// onePool is the argument of what is about one pool.
type onePool struct {
	ID string `arg:"" name:"pool_id" help:"Id of the pool."`
}

type poolsGetCmd struct{ onePool }

// Run shows a pool.
func (c *poolsGetCmd) Run(ctx context.Context, a *app) error {
	return showAnswer(a, func(api *client.Client) (*http.Response, error) {
		return api.GetPool(ctx, c.ID)
	}, poolColumns())
}

type poolsCreateCmd struct {
	Name        string `arg:"" help:"3 to 100 letters, digits, _ or -."`
	Description string `help:"What it is for."`
	MaxNodes    int64  `help:"Places, 1 to 100 (default: as many as a pool may have)."`
	Reward      string `placeholder:"USDT" help:"What its nodes share each epoch, with at most six decimals."`
	Difficulty  *int64 `placeholder:"BITS" help:"Bits to search for each puzzle of a challenge to its nodes."`
}

// Run makes a pool.
func (c *poolsCreateCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	body := client.CreatePool{Name: c.Name, Description: given(c.Description)}
	if c.MaxNodes != 0 {
		body.MaxNodes = &c.MaxNodes
	}
	body.Challenge = difficulty{Difficulty: c.Difficulty}.settings()
	if body.Pricing, err = pricing(c.Reward); err != nil {
		return err
	}
	p, err := answer[client.Pool](api.CreatePool(ctx, body))
	if err != nil {
		return err
	}
	return show(a.printer, p, poolColumns())
}

// pricing sends the amount as the text that was typed: no float rounds it.
func pricing(reward string) (*client.PricingInput, error) {
	if reward == "" {
		return nil, nil
	}
	var amount client.PricingInput_RewardPerEpoch
	if err := amount.FromPricingInputRewardPerEpoch1(reward); err != nil {
		return nil, err
	}
	return &client.PricingInput{RewardPerEpoch: &amount}, nil
}

type poolsUpdateCmd struct {
	onePool
	Name        *string `help:"New name."`
	Description *string `help:"New description."`
	MaxNodes    *int64  `help:"Places, never below the nodes that are in."`
	Reward      string  `placeholder:"USDT" help:"What its nodes share each epoch."`
	IfMatch     string  `placeholder:"ETAG" help:"Only when the pool is still as it was read."`
	difficulty
}

// Run changes a pool.
func (c *poolsUpdateCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	body := client.UpdatePool{Name: c.Name, Description: c.Description, MaxNodes: c.MaxNodes, Challenge: c.settings()}
	if body.Pricing, err = pricing(c.Reward); err != nil {
		return err
	}
	p, err := answer[client.Pool](api.UpdatePool(ctx, c.ID, &client.UpdatePoolParams{IfMatch: given(c.IfMatch)}, body))
	if err != nil {
		return err
	}
	return show(a.printer, p, poolColumns())
}

type poolsDeleteCmd struct{ onePool }

// Run deletes a pool, after asking.
func (c *poolsDeleteCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	if err := a.confirm(ctx, "Delete pool %s?", c.ID); err != nil {
		return err
	}
	if err := done(api.DeletePool(ctx, c.ID, nil)); err != nil {
		return err
	}
	a.note("%s is deleted", c.ID)
	return nil
}
