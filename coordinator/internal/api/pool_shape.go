package api

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/pool"
)

type poolBody struct {
	PoolID         string                 `json:"pool_id"`
	Name           string                 `json:"name"`
	Description    string                 `json:"description"`
	NodeCount      int                    `json:"node_count" doc:"Places taken."`
	OnlineCount    int                    `json:"online_count"`
	WorkingCount   int                    `json:"working_count" doc:"Nodes starting or active."`
	StandbyCount   int                    `json:"standby_count" doc:"Nodes that scaling has parked."`
	MaxNodes       int                    `json:"max_nodes" minimum:"1" maximum:"100"`
	PootScore      points                 `json:"poot_score" doc:"Mean of the pool's nodes; 0 without any."`
	ResourceLimits poolLimitsBody         `json:"resource_limits"`
	AutoScaling    poolScalingBody        `json:"auto_scaling"`
	Placement      poolPlacementBody      `json:"placement"`
	Challenge      challengeSettingsBody  `json:"challenge"`
	Pricing        pricingBody            `json:"pricing"`
	Health         orNull[poolHealthBody] `json:"health" doc:"By the newest check; null before the first."`
	Usage          orNull[usageBody]      `json:"usage" doc:"Of the nodes at work, by the newest check; null before the first."`
	CreatedAt      time.Time              `json:"created_at"`
	UpdatedAt      time.Time              `json:"updated_at"`
}

type poolLimitsBody struct {
	CPUPercent  *int   `json:"cpu_percent" doc:"null: no limit; so for each."`
	MemoryBytes *int64 `json:"memory_bytes"`
	DiskBytes   *int64 `json:"disk_bytes"`
	NetworkMbps *int64 `json:"network_mbps" doc:"Million bits a second."`
}

type poolLimitsInput struct {
	CPUPercent  int   `json:"cpu_percent,omitempty" minimum:"1" maximum:"100" doc:"Absent: no limit; so for each."`
	MemoryBytes int64 `json:"memory_bytes,omitempty" minimum:"1"`
	DiskBytes   int64 `json:"disk_bytes,omitempty" minimum:"1"`
	NetworkMbps int64 `json:"network_mbps,omitempty" minimum:"1" maximum:"1000000" doc:"Million bits a second."`
}

func shapePoolLimits(l pool.ResourceLimits) poolLimitsBody {
	return poolLimitsBody{orNil(l.CPUPercent), orNil(l.MemoryBytes), orNil(l.DiskBytes), orNil(l.NetworkMbps)}
}

type poolScalingBody struct {
	Enabled          bool              `json:"enabled" required:"false"`
	Policy           poolScalingPolicy `json:"policy" required:"false"`
	TargetCPUPercent int               `json:"target_cpu_percent" required:"false" minimum:"30" maximum:"90" doc:"70 without it."`
}

type poolScalingPolicy struct {
	ScaleUpThreshold   int `json:"scale_up_threshold" required:"false" minimum:"50" maximum:"95" doc:"Percent; 80 without it."`
	ScaleDownThreshold int `json:"scale_down_threshold" required:"false" minimum:"10" maximum:"50" doc:"Percent, below scale_up_threshold; 30 without it."`
	MinNodes           int `json:"min_nodes" required:"false" minimum:"0" maximum:"100" doc:"Nodes at work that scaling leaves at least; 0 without it."`
	MaxNodes           int `json:"max_nodes" required:"false" minimum:"1" maximum:"100" doc:"Nodes at work that scaling allows at most, never more than the pool's max_nodes; 100 without it."`
	CooldownMinutes    int `json:"cooldown_minutes" required:"false" minimum:"1" maximum:"1440" doc:"5 without it."`
}

type poolPlacementBody struct {
	NodeTypes []string `json:"node_types" required:"false" nullable:"false" maxItems:"4" enum:"worker,validator,storage,compute" doc:"The pool is meant for nodes of these types; empty: any. New nodes are assigned, and moves proposed, by it."`
	Regions   []string `json:"regions" required:"false" nullable:"false" maxItems:"50" doc:"And for nodes of these regions: a country code such as DE, or DE/Bavaria; empty: any." example:"[\"DE\",\"FR\"]"`
}

type poolHealthBody struct {
	State         string    `json:"state" enum:"healthy,degraded,critical"`
	Reasons       []string  `json:"reasons" nullable:"false" enum:"no_nodes,too_few_online,many_offline,most_offline,nobody_online,low_score,very_low_score,many_alerts,most_alerts" doc:"Why it is not healthy."`
	Since         time.Time `json:"since" doc:"Since when state and reasons are so."`
	CheckedAt     time.Time `json:"checked_at"`
	OnlineCount   int       `json:"online_count" doc:"Of the nodes that are expected to be online, those that are."`
	ExpectedCount int       `json:"expected_count" doc:"Nodes starting, active, suspended or in error."`
	PootScore     *points   `json:"poot_score" nullable:"true" doc:"Mean of the nodes active or suspended; null without any."`
}

type pricingBody struct {
	RewardPerEpoch usdt `json:"reward_per_epoch" doc:"USDT that the pool's nodes share each epoch."`
}

type pricingInput struct {
	RewardPerEpoch *usdtInput `json:"reward_per_epoch,omitempty" doc:"USDT that the pool's nodes share each epoch: a number or a string, with at most six decimals."`
}

// reward reads the amount; nil when none was given.
func (p *pricingInput) reward() (*ledger.Amount, error) {
	if p == nil || p.RewardPerEpoch == nil {
		return nil, nil
	}
	amount, err := ledger.Parse(p.RewardPerEpoch.text)
	if err == nil && amount < 0 {
		return nil, badField("pricing.reward_per_epoch", "must not be below zero")
	} else if err != nil {
		return nil, badField("pricing.reward_per_epoch", err.Error())
	}
	return &amount, nil
}

func badField(name, reason string) error {
	return fault.New(fault.Validation, "some fields are not allowed as they are; see details").
		WithFields(fault.Field{Name: name, Reason: reason})
}

// usdtInput is an amount as it came, a number or a string: ledger.Parse reads
// it exactly, where a float would round.
type usdtInput struct{ text string }

// UnmarshalJSON keeps the digits.
func (u *usdtInput) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte(`"`)) {
		return json.Unmarshal(text, &u.text)
	}
	u.text = string(text)
	return nil
}

// MarshalJSON writes the amount as a string, which every program keeps exact.
func (u usdtInput) MarshalJSON() ([]byte, error) { return json.Marshal(u.text) }

// Schema allows a number or a string.
func (usdtInput) Schema(huma.Registry) *huma.Schema {
	length := 40
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeNumber, Extensions: exactNumber()}, {Type: huma.TypeString, MaxLength: &length}}}
}

func shapePool(p pool.Pool) poolBody {
	return poolBody{
		PoolID: p.ID, Name: p.Name, Description: p.Description, NodeCount: p.NodeCount, OnlineCount: p.OnlineCount,
		WorkingCount: p.WorkingCount, StandbyCount: p.StandbyCount, MaxNodes: p.MaxNodes, PootScore: points(p.ScoreNano),
		ResourceLimits: shapePoolLimits(p.Limits),
		AutoScaling:    shapePoolScaling(p.AutoScaling),
		Placement:      poolPlacementBody(p.Wanted), Challenge: challengeSettingsBody(p.Challenge), Pricing: pricingBody{usdt(p.RewardPerEpoch)},
		Health: orNull[poolHealthBody]{shapePoolHealth(p.Health)}, Usage: orNull[usageBody]{shapeUsage(p.Usage)}, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
}

func shapePoolScaling(a pool.AutoScaling) poolScalingBody {
	return poolScalingBody{Enabled: a.Enabled, Policy: poolScalingPolicy(a.Policy), TargetCPUPercent: a.TargetCPUPercent}
}

func shapePoolHealth(h *pool.Health) *poolHealthBody {
	if h == nil {
		return nil
	}
	return &poolHealthBody{
		State: string(h.State), Reasons: shape(h.Reasons, func(r pool.Reason) string { return string(r) }), Since: h.Since,
		CheckedAt: h.CheckedAt, OnlineCount: h.Online, ExpectedCount: h.Expected, PootScore: (*points)(h.ScoreNano),
	}
}

func examplePool() poolBody { return shapePool(examplePoolRow()) }

func examplePoolItem() poolItem { return itemOfPool(&pool.Listed{Pool: examplePoolRow()}) }

func examplePoolRow() pool.Pool {
	score := int64(950_000_000)
	at := exampleTime()
	return pool.Pool{
		ID: "pool_default", Version: 1, NodeCount: 3, OnlineCount: 2, WorkingCount: 3, ScoreNano: score, CreatedAt: at, UpdatedAt: at,
		Settings: pool.Settings{
			Name: "default", Description: "Where new nodes begin", MaxNodes: 100, RewardPerEpoch: ledger.USDT(3) / 2,
			Limits: pool.ResourceLimits{CPUPercent: 80},
			AutoScaling: pool.AutoScaling{TargetCPUPercent: 70, Policy: pool.ScalingPolicy{
				ScaleUpThreshold: 80, ScaleDownThreshold: 30, MaxNodes: 100, CooldownMinutes: 5,
			}},
			Wanted:    pool.Wanted{NodeTypes: []string{"worker"}, Regions: []string{}},
			Challenge: node.Challenge{Difficulty: orNil(14)},
		},
		Health: &pool.Health{
			State: pool.Degraded, Reasons: []pool.Reason{pool.ManyOffline, pool.TooFewOnline}, Since: at, CheckedAt: at.Add(time.Minute),
			Online: 2, Expected: 3, ScoreNano: &score,
		},
		Usage: exampleUsage(),
	}
}
