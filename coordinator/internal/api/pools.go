package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/pool"
)

func (s *server) poolOperations() {
	register(s, operation{
		id: "listPools", method: http.MethodGet, path: basePath + "/nodes/pools/", collection: true, tag: "pools", role: access.Viewer,
		summary: "List pools", description: "Pools by name. Filters are combined with and. What is counted of a pool's nodes, its health and its usage are at most a second old.",
		example: poolListBody{Pools: []poolItem{examplePoolItem()}, Pagination: PageInput{Page: 1, Limit: 20}.of(1)},
	}, s.listPools)
	register(s, operation{
		id: "createPool", method: http.MethodPost, path: basePath + "/nodes/pools/", collection: true, tag: "pools", role: access.Operator, money: true,
		summary: "Make a pool", description: "A pool has 1 to 100 places. Its name is unique among the pools that exist.",
		status: http.StatusCreated, errors: []fault.Code{fault.NameTaken}, example: examplePool(),
		request: createPoolBody{
			Name: "default", Description: "Where new nodes begin", MaxNodes: 100, Placement: &poolPlacementBody{NodeTypes: []string{"worker"}, Regions: []string{"DE"}},
			AutoScaling: &poolScalingBody{Policy: poolScalingPolicy{ScaleUpThreshold: 80, ScaleDownThreshold: 30, MaxNodes: 100, CooldownMinutes: 5}, TargetCPUPercent: 70},
			Pricing:     &pricingInput{&usdtInput{"1.5"}},
			Challenge:   &challengeSettingsBody{Difficulty: orNil(14)},
		},
	}, s.createPool)
	register(s, operation{
		id: "getPool", method: http.MethodGet, path: basePath + "/nodes/pools/{pool_id}", tag: "pools", role: access.Viewer,
		summary: "Read a pool", description: "The pool with its places, its nodes in numbers, its health and its reward.",
		errors: []fault.Code{fault.PoolNotFound}, example: examplePool(),
	}, s.getPool)
	register(s, operation{
		id: "updatePool", method: http.MethodPut, path: basePath + "/nodes/pools/{pool_id}", tag: "pools", role: access.Operator, money: true,
		summary: "Change a pool",
		description: "What is not given stays as it is; an object that is given replaces the whole one. max_nodes cannot go below node_count. " +
			"A changed reward counts from the oldest epoch that is not closed yet. A challenge.difficulty is refused when its puzzles are more than a quarter " +
			"of what the fastest machine could search before the deadline.",
		errors:  []fault.Code{fault.PoolNotFound, fault.NameTaken, fault.StateNotAllowed, fault.ChangedMeanwhile},
		request: updatePoolBody{MaxNodes: orNil(50), Pricing: &pricingInput{&usdtInput{"2"}}, Challenge: &challengeSettingsBody{Difficulty: orNil(15)}},
		example: examplePool(),
	}, s.updatePool)
	register(s, operation{
		id: "deletePool", method: http.MethodDelete, path: basePath + "/nodes/pools/{pool_id}", tag: "pools", role: access.Admin,
		summary: "Delete a pool",
		description: "Only an empty pool can be deleted. Its history and money stay on record, and its last epoch is still paid. " +
			"Its name is free again.",
		status: http.StatusNoContent, errors: []fault.Code{fault.PoolNotFound, fault.PoolNotEmpty, fault.ChangedMeanwhile},
	}, s.deletePool)
	s.poolNodeOperations()
	s.poolBalanceOperations()
	s.poolScalingOperations()
}

type poolListInput struct {
	CursorInput
	AutoScaling optional[bool] `query:"auto_scaling" doc:"Only pools whose auto_scaling is enabled, or is not."`
	Query       string         `query:"q" maxLength:"100" pattern:"^[^\\x00-\\x1f]*$" patternDescription:"text without control characters" doc:"Part of the name or id, in any case."`
}

type poolListBody struct {
	Pools      []poolItem `json:"pools" nullable:"false"`
	Pagination pagination `json:"pagination"`
}

func (b poolListBody) appendJSON(to []byte) ([]byte, error) {
	return appendPage(to, "pools", b.Pools, b.Pagination)
}

func (in *poolListInput) filter() pool.Filter {
	return pool.Filter{Query: in.Query, AutoScaling: in.AutoScaling.pointer(), Limit: in.Limit, Offset: in.offset(), After: in.Cursor}
}

// Resolve asks the noun.
func (in *poolListInput) Resolve(huma.Context) []error {
	return complaints("query", in.filter().Check())
}

func (s *server) listPools(ctx context.Context, in *poolListInput) (*answer[poolListBody], error) {
	pools, total, next, err := s.Pools.List(ctx, in.filter())
	if err != nil {
		return nil, err
	}
	return answered(poolListBody{shape(pools, itemOfPool), in.of(total, next)})
}

// PoolInput names the pool that an operation is about.
type PoolInput struct {
	PoolID string `path:"pool_id" pattern:"^pool_[a-zA-Z0-9_-]+$" patternDescription:"a pool's id" maxLength:"64" example:"pool_default" doc:"Id of the pool."`
}

func (s *server) getPool(ctx context.Context, in *PoolInput) (*tagged[poolBody], error) {
	return answeredPool(s.Pools.Get(ctx, in.PoolID))
}

func answeredPool(p pool.Pool, err error) (*tagged[poolBody], error) {
	if err != nil {
		return nil, err
	}
	return answeredTagged(shapePool(p), p.Version)
}

type createPoolInput struct {
	Body createPoolBody
}

type createPoolBody struct {
	Name           string             `json:"name" pattern:"^[a-zA-Z0-9_-]{3,100}$" patternDescription:"3 to 100 letters, digits, _ or -" example:"default"`
	Description    string             `json:"description,omitempty" maxLength:"500"`
	MaxNodes       int                `json:"max_nodes,omitempty" minimum:"1" maximum:"100" doc:"Places; without it as many as a pool may have, usually 100."`
	ResourceLimits *poolLimitsInput   `json:"resource_limits,omitempty"`
	AutoScaling    *poolScalingBody   `json:"auto_scaling,omitempty"`
	Placement      *poolPlacementBody `json:"placement,omitempty"`
	Pricing        *pricingInput      `json:"pricing,omitempty"`

	Challenge *challengeSettingsBody `json:"challenge,omitempty" doc:"Of the pool's nodes that have no setting of their own; none is asked for more than its model can do."`
}

// pool is what shall be made; the error is about the reward alone.
func (in *createPoolInput) pool() (pool.New, error) {
	b := in.Body
	p := poolPatch(nil, nil, nil, b.ResourceLimits, b.AutoScaling, b.Placement)
	made := pool.New{Name: b.Name, Description: b.Description, MaxNodes: b.MaxNodes}
	reward, err := b.Pricing.reward()
	given(&made.RewardPerEpoch, reward)
	given(&made.Limits, p.Limits)
	given(&made.AutoScaling, p.AutoScaling)
	given(&made.Wanted, p.Wanted)
	given(&made.Challenge, (*node.Challenge)(b.Challenge))
	return made, err
}

// Resolve asks the noun.
func (in *createPoolInput) Resolve(h huma.Context) []error {
	made, err := in.pool()
	return append(complaints("body", err), complaints("body", serverOf(h).Pools.Check(made))...)
}

func (s *server) createPool(ctx context.Context, in *createPoolInput) (*tagged[poolBody], error) {
	made, err := in.pool()
	if err != nil {
		return nil, err
	}
	return answeredPool(s.Pools.Create(ctx, by(ctx), made))
}

func given[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

type updatePoolInput struct {
	PoolInput
	IfMatchInput
	Body updatePoolBody
}

type updatePoolBody struct {
	Name           *string            `json:"name,omitempty" pattern:"^[a-zA-Z0-9_-]{3,100}$" patternDescription:"3 to 100 letters, digits, _ or -"`
	Description    *string            `json:"description,omitempty" maxLength:"500"`
	MaxNodes       *int               `json:"max_nodes,omitempty" minimum:"1" maximum:"100" doc:"Places; never below node_count."`
	ResourceLimits *poolLimitsInput   `json:"resource_limits,omitempty"`
	AutoScaling    *poolScalingBody   `json:"auto_scaling,omitempty"`
	Placement      *poolPlacementBody `json:"placement,omitempty"`
	Pricing        *pricingInput      `json:"pricing,omitempty"`

	Challenge *challengeSettingsBody `json:"challenge,omitempty" doc:"Of the pool's nodes that have no setting of their own; none is asked for more than its model can do."`
}

// patch is what shall change; the error is about the reward alone.
func (in *updatePoolInput) patch() (pool.Patch, error) {
	b := in.Body
	patch := poolPatch(b.Name, b.Description, b.MaxNodes, b.ResourceLimits, b.AutoScaling, b.Placement)
	patch.Challenge = (*node.Challenge)(b.Challenge)
	var err error
	patch.RewardPerEpoch, err = b.Pricing.reward()
	return patch, err
}

// Resolve asks the noun.
func (in *updatePoolInput) Resolve(h huma.Context) []error {
	patch, err := in.patch()
	return append(complaints("body", err), complaints("body", serverOf(h).Pools.CheckPatch(patch))...)
}

func (s *server) updatePool(ctx context.Context, in *updatePoolInput) (*tagged[poolBody], error) {
	patch, err := in.patch()
	if err != nil {
		return nil, err
	}
	return answeredPool(s.Pools.Update(ctx, by(ctx), in.PoolID, in.versions(), patch))
}

func poolPatch(name, description *string, maxNodes *int, limits *poolLimitsInput, scaling *poolScalingBody, placement *poolPlacementBody) pool.Patch {
	p := pool.Patch{Name: name, Description: description, MaxNodes: maxNodes}
	if limits != nil {
		p.Limits = new(pool.ResourceLimits(*limits))
	}
	if scaling != nil {
		p.AutoScaling = &pool.AutoScaling{
			Enabled: scaling.Enabled, Policy: pool.ScalingPolicy(scaling.Policy), TargetCPUPercent: scaling.TargetCPUPercent,
		}
	}
	if placement != nil {
		p.Wanted = new(pool.Wanted(*placement))
	}
	return p
}

type deletePoolInput struct {
	PoolInput
	IfMatchInput
}

func (s *server) deletePool(ctx context.Context, in *deletePoolInput) (*struct{}, error) {
	return nil, s.Pools.Delete(ctx, by(ctx), in.PoolID, in.versions())
}
