package api

import (
	"context"
	"net/http"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/pool"
)

func (s *server) poolOperations() {
	register(s, operation{
		id: "listPools", method: http.MethodGet, path: basePath + "/nodes/pools/", collection: true, tag: "pools", role: access.Viewer,
		summary: "List pools", description: "Pools by name.",
		example: poolListBody{Pools: []poolBody{examplePool()}, Pagination: PageInput{Page: 1, Limit: 20}.of(1)},
	}, s.listPools)
	register(s, operation{
		id: "getPool", method: http.MethodGet, path: basePath + "/nodes/pools/{pool_id}", tag: "pools", role: access.Viewer,
		summary: "Read a pool", description: "The pool with its places, its nodes in numbers and its reward.",
		errors: []fault.Code{fault.PoolNotFound}, example: examplePool(),
	}, s.getPool)
}

type poolListInput struct {
	PageInput
	Query string `query:"q" maxLength:"100" pattern:"^[^\\x00-\\x1f]*$" patternDescription:"text without control characters" doc:"Part of the name or id, in any case."`
}

type poolListBody struct {
	Pools      []poolBody `json:"pools" nullable:"false"`
	Pagination pagination `json:"pagination"`
}

func (s *server) listPools(ctx context.Context, in *poolListInput) (*answer[poolListBody], error) {
	pools, total, err := s.Pools.List(ctx, pool.Filter{Query: in.Query, Limit: in.Limit, Offset: in.offset()})
	if err != nil {
		return nil, err
	}
	return answered(poolListBody{shape(pools, shapePool), in.of(total)})
}

type poolInput struct {
	PoolID string `path:"pool_id" pattern:"^pool_[a-zA-Z0-9_-]+$" maxLength:"64" example:"pool_default" doc:"Id of the pool."`
}

func (s *server) getPool(ctx context.Context, in *poolInput) (*answer[poolBody], error) {
	p, err := s.Pools.Get(ctx, in.PoolID)
	if err != nil {
		return nil, err
	}
	return answered(shapePool(p))
}

type poolBody struct {
	PoolID      string      `json:"pool_id"`
	Name        string      `json:"name"`
	Description string      `json:"description"`
	NodeCount   int         `json:"node_count"`
	OnlineCount int         `json:"online_count"`
	MaxNodes    int         `json:"max_nodes" minimum:"1" maximum:"100"`
	PootScore   points      `json:"poot_score" doc:"Mean of the pool's nodes; 0 without any."`
	Pricing     pricingBody `json:"pricing"`
	CreatedAt   time.Time   `json:"created_at"`
	UpdatedAt   time.Time   `json:"updated_at"`
}

type pricingBody struct {
	RewardPerEpoch usdt `json:"reward_per_epoch" doc:"USDT that the pool's nodes share each epoch."`
}

func shapePool(p pool.Pool) poolBody {
	return poolBody{
		PoolID: p.ID, Name: p.Name, Description: p.Description, NodeCount: p.NodeCount, OnlineCount: p.OnlineCount,
		MaxNodes: p.MaxNodes, PootScore: points(p.ScoreNano), Pricing: pricingBody{usdt(p.RewardPerEpoch)},
		CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
}

func examplePool() poolBody {
	return shapePool(pool.Pool{
		ID: "pool_default", Name: "default", Description: "Where new nodes begin", MaxNodes: 100, NodeCount: 3, OnlineCount: 2,
		ScoreNano: 950_000_000, RewardPerEpoch: ledger.USDT(3) / 2, CreatedAt: exampleTime(), UpdatedAt: exampleTime(),
	})
}
