package main

import (
	"context"
	"fmt"
	"net/http"

	"lucid.internal/coordinator/client"
)

type poolsNodesCmd struct {
	onePool
	paging
}

// Run lists a pool's nodes.
func (c *poolsNodesCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	nodes, err := gather(a, c.paging, func(at place) ([]client.PoolNode, *string, bool, error) {
		l, err := answer[client.PoolNodeList](api.ListPoolNodes(ctx, c.ID, &client.ListPoolNodesParams{Page: at.page, Limit: at.limit}))
		return l.Nodes, l.Pagination.NextCursor, l.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	return list(a.printer, nodes, []column[client.PoolNode]{
		{"node_id", false, func(n client.PoolNode) any { return n.NodeId }},
		{"name", false, func(n client.PoolNode) any { return n.Name }},
		{"status", false, func(n client.PoolNode) any { return n.Status }},
		{"status_reason", true, func(n client.PoolNode) any { return n.StatusReason }},
		{"standby", true, func(n client.PoolNode) any { return n.Standby }},
		{"online", false, func(n client.PoolNode) any { return n.Online }},
		{"node_type", false, func(n client.PoolNode) any { return n.NodeType }},
		{"poot_score", false, func(n client.PoolNode) any { return points(n.PootScore) }},
		{"priority", false, func(n client.PoolNode) any { return n.Priority }},
		{"joined_at", false, func(n client.PoolNode) any { return n.JoinedAt }},
	})
}

// nodeOfPool are the arguments of what is about a node in a pool.
type nodeOfPool struct {
	PoolID string `arg:"" name:"pool_id" help:"Id of the pool."`
	NodeID string `arg:"" name:"node_id" help:"Id of the node."`
}

type poolsAddCmd struct {
	nodeOfPool
	Priority int64 `default:"50" help:"1 to 100: the highest are activated first, and parked and moved last."`
}

// Run adds a node to a pool.
func (c *poolsAddCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	body := client.AddPoolNode{NodeId: &c.NodeID, Priority: &c.Priority}
	if err := done(api.AddPoolNode(ctx, c.PoolID, nil, body)); err != nil {
		return err
	}
	a.note("%s is in %s", c.NodeID, c.PoolID)
	return nil
}

type poolsRemoveCmd struct{ nodeOfPool }

// Run takes a node out of a pool, after asking.
func (c *poolsRemoveCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	if err := a.confirm(ctx, "Take %s out of %s?", c.NodeID, c.PoolID); err != nil {
		return err
	}
	if err := done(api.RemovePoolNode(ctx, c.PoolID, c.NodeID)); err != nil {
		return err
	}
	a.note("%s is out of %s", c.NodeID, c.PoolID)
	return nil
}

type poolsScaleCmd struct {
	onePool
	Nodes  int64  `arg:"" help:"Nodes that shall be at work."`
	Reason string `required:"" help:"Why; kept in the audit log."`
}

// Run scales a pool.
func (c *poolsScaleCmd) Run(ctx context.Context, a *app) error {
	return showAnswer(a, func(api *client.Client) (*http.Response, error) {
		return api.ScalePool(ctx, c.ID, client.Scale{TargetNodes: c.Nodes, Reason: c.Reason})
	}, []column[client.Scaled]{
		{"pool_id", false, func(s client.Scaled) any { return s.PoolId }},
		{"target_nodes", false, func(s client.Scaled) any { return s.TargetNodes }},
		{"working_before", false, func(s client.Scaled) any { return s.WorkingBefore }},
		{"working_after", false, func(s client.Scaled) any { return s.WorkingAfter }},
		{"activated", false, func(s client.Scaled) any { return s.Activated }},
		{"parked", false, func(s client.Scaled) any { return s.Parked }},
	})
}

type poolsScalingCmd struct {
	onePool
	paging
}

// Run lists how a pool was scaled.
func (c *poolsScalingCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	decisions, err := gather(a, c.paging, func(at place) ([]client.Scaling, *string, bool, error) {
		l, err := answer[client.ScalingList](api.ListPoolScaling(ctx, c.ID, &client.ListPoolScalingParams{Cursor: at.cursor, Limit: at.limit}))
		return l.Decisions, l.Pagination.NextCursor, l.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	return list(a.printer, decisions, []column[client.Scaling]{
		{"at", false, func(s client.Scaling) any { return s.At }},
		{"action", false, func(s client.Scaling) any { return s.Action }},
		{"reason", false, func(s client.Scaling) any { return s.Reason }},
		{"note", true, func(s client.Scaling) any { return s.Note }},
		{"working_before", false, func(s client.Scaling) any { return s.WorkingBefore }},
		{"working_after", false, func(s client.Scaling) any { return s.WorkingAfter }},
		{"cpu_usage_percent", false, func(s client.Scaling) any { return s.Inputs.CpuUsagePercent }},
		{"measured_count", true, func(s client.Scaling) any { return s.Inputs.MeasuredCount }},
		{"standby_count", true, func(s client.Scaling) any { return s.Inputs.StandbyCount }},
		{"last_scaled_at", true, func(s client.Scaling) any { return s.Inputs.LastScaledAt }},
		{"activated", true, func(s client.Scaling) any { return s.Activated }},
		{"parked", true, func(s client.Scaling) any { return s.Parked }},
		{"checked_at", true, func(s client.Scaling) any { return s.CheckedAt }},
		{"checked_working_count", true, checked(func(in client.ScalingInputs) any { return in.WorkingCount })},
		{"checked_cpu_usage_percent", true, checked(func(in client.ScalingInputs) any { return in.CpuUsagePercent })},
		{"checked_measured_count", true, checked(func(in client.ScalingInputs) any { return in.MeasuredCount })},
		{"checked_standby_count", true, checked(func(in client.ScalingInputs) any { return in.StandbyCount })},
		{"checked_last_scaled_at", true, checked(func(in client.ScalingInputs) any { return in.LastScaledAt })},
	})
}

// checked shows one of the newest inputs of what was found more than once.
func checked(of func(client.ScalingInputs) any) func(client.Scaling) any {
	return func(s client.Scaling) any {
		if s.CheckedInputs == nil {
			return nil
		}
		return of(*s.CheckedInputs)
	}
}

type poolsMovesCmd struct {
	Limit int64 `default:"20" help:"Proposals at most, 1 to 100."`
	Apply bool  `help:"Make these moves, after asking."`
}

// Run lists the moves that would even the pools out, or makes them.
func (c *poolsMovesCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	l, err := answer[client.MoveList](api.ListPoolMoves(ctx, &client.ListPoolMovesParams{Limit: &c.Limit}))
	if err != nil {
		return err
	}
	if c.Apply && len(l.Moves) > 0 {
		return c.apply(ctx, a, api, l.Moves)
	}
	return list(a.printer, l.Moves, []column[client.Move]{
		{"node_id", false, func(m client.Move) any { return m.NodeId }},
		{"from_pool_id", false, func(m client.Move) any { return m.FromPoolId }},
		{"to_pool_id", false, func(m client.Move) any { return m.ToPoolId }},
		{"reason", false, func(m client.Move) any { return m.Reason }},
	})
}

// apply makes the moves that were proposed just now. One that is not possible
// any more leaves the others as they are, and the command failed.
func (c *poolsMovesCmd) apply(ctx context.Context, a *app, api *client.Client, moves []client.Move) error {
	if err := a.confirm(ctx, "Make %d moves?", len(moves)); err != nil {
		return err
	}
	m, err := answer[client.Moved](api.ApplyPoolMoves(ctx, client.ApplyMoves{Moves: moves}))
	if err != nil {
		return err
	}
	err = list(a.printer, m.Results, []column[client.MoveResult]{
		{"node_id", false, func(m client.MoveResult) any { return m.NodeId }},
		{"from_pool_id", false, func(m client.MoveResult) any { return m.FromPoolId }},
		{"to_pool_id", false, func(m client.MoveResult) any { return m.ToPoolId }},
		{"applied", false, func(m client.MoveResult) any { return m.Applied }},
		{"code", true, func(m client.MoveResult) any { return m.Code }},
		{"message", false, func(m client.MoveResult) any { return m.Message }},
	})
	if err == nil && m.Summary.Refused > 0 {
		return fmt.Errorf("%d of %d moves were not made", m.Summary.Refused, m.Summary.Total)
	}
	return err
}

type fleetCmd struct{}

// Run shows the fleet in numbers.
func (fleetCmd) Run(ctx context.Context, a *app) error {
	return showAnswer(a, func(api *client.Client) (*http.Response, error) {
		return api.GetFleetSummary(ctx)
	}, []column[client.Fleet]{
		{"nodes", false, func(f client.Fleet) any { return f.Nodes.Total }},
		{"online", false, func(f client.Fleet) any { return f.Nodes.Online }},
		{"active", false, func(f client.Fleet) any { return f.Nodes.ByStatus.Active }},
		{"suspended", false, func(f client.Fleet) any { return f.Nodes.ByStatus.Suspended }},
		{"error", false, func(f client.Fleet) any { return f.Nodes.ByStatus.Error }},
		{"without_pool", false, func(f client.Fleet) any { return f.Nodes.WithoutPool }},
		{"poot_score", false, func(f client.Fleet) any { return (*points)(f.PootScore) }},
		{"cpu_usage_percent", false, func(f client.Fleet) any { return f.Usage.CpuUsagePercent }},
		{"memory_used_bytes", false, func(f client.Fleet) any { return sizeOf(f.Usage.MemoryUsedBytes) }},
		{"memory_total_bytes", false, func(f client.Fleet) any { return sizeOf(f.Usage.MemoryTotalBytes) }},
		{"pools", false, func(f client.Fleet) any { return f.Pools.Total }},
		{"pools_degraded", false, func(f client.Fleet) any { return f.Pools.Degraded }},
		{"pools_critical", false, func(f client.Fleet) any { return f.Pools.Critical }},
		{"alerts_warning", false, func(f client.Fleet) any { return f.Alerts.Warning }},
		{"alerts_critical", false, func(f client.Fleet) any { return f.Alerts.Critical }},
		{"free_places", false, func(f client.Fleet) any { return f.Pools.FreePlaces }},
	})
}
