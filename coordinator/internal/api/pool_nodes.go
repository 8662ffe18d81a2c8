package api

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/coordinator/internal/pool"
)

func (s *server) poolNodeOperations() {
	register(s, operation{
		id: "listPoolNodes", method: http.MethodGet, path: basePath + "/nodes/pools/{pool_id}/nodes", collection: true, tag: "pools",
		role: access.Viewer, summary: "List a pool's nodes", description: "Those of the highest priority first, then by name.",
		errors:  []fault.Code{fault.PoolNotFound},
		example: poolNodeListBody{Nodes: []poolNodeBody{examplePoolNode()}, Pagination: PageInput{Page: 1, Limit: 20}.of(1)},
	}, s.listPoolNodes)
	register(s, operation{
		id: "addPoolNode", method: http.MethodPost, path: basePath + "/nodes/pools/{pool_id}/nodes", collection: true, tag: "pools",
		role: access.Operator, money: true, summary: "Add a node to a pool",
		description: "node_id and priority come in the body or in the query. A node is in one pool at most. " +
			"Nodes of a high priority are activated first, and parked and moved last.",
		errors:  []fault.Code{fault.PoolNotFound, fault.NodeNotFound, fault.PoolFull, fault.NodeInPool},
		request: addPoolNodeBody{NodeID: "node_4f1c2a", Priority: pool.DefaultPriority},
		example: poolMembershipBody{PoolID: "pool_default", NodeID: "node_4f1c2a", Priority: pool.DefaultPriority},
	}, s.addPoolNode)
	register(s, operation{
		id: "removePoolNode", method: http.MethodDelete, path: basePath + "/nodes/pools/{pool_id}/nodes/{node_id}", tag: "pools",
		role: access.Operator, money: true, summary: "Take a node out of a pool", description: "What it earned there stays its own. A node on standby stays inactive until it is started.",
		status: http.StatusNoContent, errors: []fault.Code{fault.PoolNotFound, fault.NodeNotFound},
	}, s.removePoolNode)
	register(s, operation{
		id: "scalePool", method: http.MethodPost, path: basePath + "/nodes/pools/{pool_id}/scale", tag: "pools", role: access.Operator, money: true,
		summary: "Scale a pool",
		description: "Brings the number of nodes at work (starting or active) to target_nodes: activates nodes on standby, or parks working ones. " +
			"A node on standby is inactive with status_reason scaled: it stays connected, is not challenged and earns nothing. " +
			"Other nodes are not touched; the cooldown of the pool's own policy begins anew. When too few are on standby, working_after stays below target_nodes.",
		errors: []fault.Code{fault.PoolNotFound, fault.StateNotAllowed}, request: scaleBody{TargetNodes: 3, Reason: "more sessions expected tonight"},
		example: scaledBody{
			PoolID: "pool_default", TargetNodes: 3, WorkingBefore: 2, WorkingAfter: 3, Activated: []string{"node_4f1c2a"}, Parked: []string{},
			Reason: "more sessions expected tonight",
		},
	}, s.scalePool)
}

type poolNodeListInput struct {
	PoolInput
	PageInput
}

type poolNodeListBody struct {
	Nodes      []poolNodeBody `json:"nodes" nullable:"false"`
	Pagination pagination     `json:"pagination"`
}

type poolNodeBody struct {
	NodeID       string    `json:"node_id"`
	Name         string    `json:"name"`
	NodeType     string    `json:"node_type" enum:"worker,validator,storage,compute"`
	Status       string    `json:"status" enum:"pending,starting,active,stopping,inactive,maintenance,suspended,error"`
	StatusReason *string   `json:"status_reason"`
	Standby      bool      `json:"standby" doc:"Parked by scaling."`
	Online       bool      `json:"online"`
	PootScore    points    `json:"poot_score"`
	Priority     int       `json:"priority" minimum:"1" maximum:"100"`
	JoinedAt     time.Time `json:"joined_at"`
}

func (s *server) listPoolNodes(ctx context.Context, in *poolNodeListInput) (*answer[poolNodeListBody], error) {
	seats, total, err := s.Pools.Members(ctx, in.PoolID, in.Limit, in.offset())
	if err != nil {
		return nil, err
	}
	return answered(poolNodeListBody{shape(seats, shapePoolNode), in.of(total)})
}

func shapePoolNode(n pool.Seat) poolNodeBody {
	return poolNodeBody{
		NodeID: n.NodeID, Name: n.Name, NodeType: n.NodeType, Status: string(n.Status), StatusReason: orNil(n.StatusReason),
		Standby: n.Status == node.Inactive && n.StatusReason == pool.Standby, Online: n.Online, PootScore: points(n.ScoreNano),
		Priority: n.Priority, JoinedAt: n.JoinedAt,
	}
}

func examplePoolNode() poolNodeBody {
	return shapePoolNode(pool.Seat{
		NodeID: "node_4f1c2a", Name: "attic-pi", NodeType: "worker", Status: node.Active, Online: true, ScoreNano: 987_654_321,
		Priority: pool.DefaultPriority, JoinedAt: exampleTime(),
	})
}

type addPoolNodeInput struct {
	PoolInput
	NodeID   string `query:"node_id" pattern:"^(node_[a-zA-Z0-9_-]+)?$" patternDescription:"a node's id" maxLength:"64" doc:"Instead of the body's."`
	Priority int    `query:"priority" minimum:"1" maximum:"100" doc:"Instead of the body's."`
	Body     *addPoolNodeBody
}

type addPoolNodeBody struct {
	NodeID   string `json:"node_id,omitempty" pattern:"^node_[a-zA-Z0-9_-]+$" patternDescription:"a node's id" maxLength:"64"`
	Priority int    `json:"priority,omitempty" minimum:"1" maximum:"100" doc:"50 without it."`
}

// merged takes node and priority from wherever they came; given twice, they
// must agree.
func (in *addPoolNodeInput) merged() addPoolNodeBody {
	b := orZero(in.Body)
	return addPoolNodeBody{cmp.Or(in.NodeID, b.NodeID), cmp.Or(in.Priority, b.Priority, pool.DefaultPriority)}
}

// Resolve compares the two.
func (in *addPoolNodeInput) Resolve(huma.Context) (errs []error) {
	b := orZero(in.Body)
	if in.NodeID != "" && b.NodeID != "" && in.NodeID != b.NodeID {
		errs = complaints("body", badField("node_id", "differs between query and body"))
	}
	if in.Priority != 0 && b.Priority != 0 && in.Priority != b.Priority {
		errs = append(errs, complaints("body", badField("priority", "differs between query and body"))...)
	}
	if in.NodeID == "" && b.NodeID == "" {
		errs = append(errs, complaints("body", badField("node_id", "is missing, in the body and in the query"))...)
	}
	return errs
}

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

type poolMembershipBody struct {
	PoolID   string `json:"pool_id"`
	NodeID   string `json:"node_id"`
	Priority int    `json:"priority" minimum:"1" maximum:"100"`
}

func (s *server) addPoolNode(ctx context.Context, in *addPoolNodeInput) (*answer[poolMembershipBody], error) {
	wanted := in.merged()
	if err := s.Pools.Add(ctx, by(ctx), in.PoolID, wanted.NodeID, wanted.Priority); err != nil {
		return nil, err
	}
	return answered(poolMembershipBody{in.PoolID, wanted.NodeID, wanted.Priority})
}

type removePoolNodeInput struct {
	PoolInput
	NodeInput
}

func (s *server) removePoolNode(ctx context.Context, in *removePoolNodeInput) (*struct{}, error) {
	return nil, s.Pools.Remove(ctx, by(ctx), in.PoolID, in.NodeID)
}

type scalePoolInput struct {
	PoolInput
	Body scaleBody
}

type scaleBody struct {
	TargetNodes int    `json:"target_nodes" minimum:"0" maximum:"100" doc:"Nodes that shall be at work."`
	Reason      string `json:"reason" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f]*$" patternDescription:"text without control characters" doc:"Kept in the audit log."`
}

type scaledBody struct {
	PoolID        string   `json:"pool_id"`
	TargetNodes   int      `json:"target_nodes"`
	WorkingBefore int      `json:"working_before"`
	WorkingAfter  int      `json:"working_after"`
	Activated     []string `json:"activated" nullable:"false" doc:"Ids of nodes, now starting."`
	Parked        []string `json:"parked" nullable:"false" doc:"Ids of nodes, now on standby."`
	Reason        string   `json:"reason"`
}

func (s *server) scalePool(ctx context.Context, in *scalePoolInput) (*answer[scaledBody], error) {
	done, err := s.Pools.Scale(ctx, by(ctx), in.PoolID, in.Body.TargetNodes, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return answered(scaledBody{in.PoolID, done.Target, done.Before, done.After, done.Activated, done.Parked, done.Reason})
}
