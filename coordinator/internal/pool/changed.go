package pool

import (
	"context"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/ledger"
)

// What can change, as Changed says.
const (
	changedCreated = "created"
	changedUpdated = "updated"
	changedDeleted = "deleted"
	changedJoined  = "node_joined"
	changedLeft    = "node_left"
	changedScaled  = "scaled"
	changedHealth  = "health"
)

// Changed is the body of a pool event: what changed, and how the pool stands
// after it.
type Changed struct {
	Change         string        `json:"change" doc:"created, updated, deleted, node_joined, node_left, scaled or health."`
	Name           string        `json:"name"`
	MaxNodes       int           `json:"max_nodes"`
	NodeCount      int           `json:"node_count"`
	RewardPerEpoch ledger.Amount `json:"reward_per_epoch" doc:"USDT."`
	Health         State         `json:"health,omitempty" doc:"healthy, degraded or critical; of a change of health only."`
	HealthReasons  []Reason      `json:"health_reasons,omitempty" doc:"Why the pool is not healthy."`
	Working        *int          `json:"working_count,omitempty" doc:"Nodes starting or active; of a scaling only."`
	Reason         string        `json:"reason,omitempty" doc:"Why the pool was scaled or the node moved."`
}

func (s Settings) changed(what string, nodes int) Changed {
	return Changed{Change: what, Name: s.Name, MaxNodes: s.MaxNodes, NodeCount: nodes, RewardPerEpoch: s.RewardPerEpoch}
}

// publish tells of a change within the caller's transaction; nodeID is the node
// that joined or left, else "".
func publish(ctx context.Context, tx db.Tx, poolID, nodeID string, c Changed, at time.Time) error {
	return event.Publish(ctx, tx, event.Event{Kind: event.Pool, PoolID: poolID, NodeID: nodeID, Body: c, At: at})
}
