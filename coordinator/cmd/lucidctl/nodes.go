package main

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"lucid.internal/coordinator/client"
)

type nodesCmd struct {
	List   nodesListCmd   `cmd:"" help:"List nodes."`
	Get    nodesGetCmd    `cmd:"" help:"Show a node."`
	Status nodesStatusCmd `cmd:"" help:"Show a node's status."`
	Create nodesCreateCmd `cmd:"" help:"Make a node and print the one-time token that its device enrols with."`
	Update nodesUpdateCmd `cmd:"" help:"Change a node; what is not given stays."`
	Delete nodesDeleteCmd `cmd:"" help:"Delete a node: its keys are revoked at once."`
	Start  nodesStartCmd  `cmd:"" help:"Let a node work again."`
	Stop   nodesStopCmd   `cmd:"" help:"Let a node stay connected, but not work."`

	PayoutAddress nodesPayoutAddressCmd `cmd:"" help:"Hand in a new payout address that a node's machine signed."`

	Resources nodesResourcesCmd `cmd:"" help:"Show how full and busy a node is."`
	Metrics   nodesMetricsCmd   `cmd:"" help:"List a node's figures over time."`
}

func nodeColumns() []column[client.Node] {
	return []column[client.Node]{
		{"node_id", false, func(n client.Node) any { return n.NodeId }},
		{"name", false, func(n client.Node) any { return n.Name }},
		{"status", false, func(n client.Node) any { return n.Status }},
		{"status_reason", true, func(n client.Node) any { return n.StatusReason }},
		{"status_until", true, func(n client.Node) any { return n.StatusUntil }},
		{"online", false, func(n client.Node) any { return n.Online }},
		{"node_type", false, func(n client.Node) any { return n.NodeType }},
		{"pool_id", false, func(n client.Node) any { return n.PoolId }},
		{"poot_score", false, func(n client.Node) any { return points(n.PootScore) }},
		{"last_heartbeat", false, func(n client.Node) any { return n.LastHeartbeat }},
		{"agent_version", true, func(n client.Node) any { return n.AgentVersion }},
		{"model", true, func(n client.Node) any { return n.HardwareInfo.Model }},
		{"country", true, func(n client.Node) any { return n.Location.Country }},
		{"city", true, func(n client.Node) any { return n.Location.City }},
		{"payout_address", true, func(n client.Node) any { return n.PayoutAddress }},
		{"challenge_difficulty", true, func(n client.Node) any { return n.Configuration.Challenge.Difficulty }},
		{"labels", true, func(n client.Node) any { return labelText(n.Labels) }},
		{"created_at", true, func(n client.Node) any { return n.CreatedAt }},
		{"updated_at", true, func(n client.Node) any { return n.UpdatedAt }},
	}
}

type nodesListCmd struct {
	paging
	Status  string `enum:",pending,starting,active,stopping,inactive,maintenance,suspended,error" default:"" placeholder:"STATUS" help:"Only nodes in this status: pending, starting, active, stopping, inactive, maintenance, suspended or error."`
	Type    string `enum:",worker,validator,storage,compute" default:"" placeholder:"TYPE" help:"Only nodes of this type: worker, validator, storage or compute."`
	Pool    string `placeholder:"POOL_ID" help:"Only nodes in this pool."`
	Online  bool   `xor:"online" help:"Only nodes that are connected."`
	Offline bool   `xor:"online" help:"Only nodes that are not."`
	Label   string `placeholder:"KEY:VALUE,..." help:"Only nodes with all of these labels."`
	Query   string `short:"q" placeholder:"TEXT" help:"Part of the name, id, model or city."`
	Sort    string `enum:"created_at,updated_at,name,poot_score,last_heartbeat" default:"created_at" help:"By what to sort: created_at, updated_at, name, poot_score or last_heartbeat."`
	Order   string `enum:"asc,desc" default:"desc" help:"asc or desc."`
}

// Run lists nodes.
func (c *nodesListCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	p := client.ListNodesParams{
		Status: given(c.Status), NodeType: given(c.Type), PoolId: given(c.Pool), Labels: given(c.Label), Q: given(c.Query),
		Sort: &c.Sort, Order: &c.Order,
	}
	if c.Online || c.Offline {
		p.Online = &c.Online
	}
	nodes, err := gather(a, c.paging, func(at place) ([]client.Node, *string, bool, error) {
		p.Page, p.Cursor, p.Limit = at.page, at.cursor, at.limit
		l, err := answer[client.NodeList](api.ListNodes(ctx, &p))
		return l.Nodes, l.Pagination.NextCursor, l.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	return list(a.printer, nodes, nodeColumns())
}

// oneNode is the argument of what is about one node.
type oneNode struct {
	ID string `arg:"" name:"node_id" help:"Id of the node."`
}

type nodesGetCmd struct{ oneNode }

// Run shows a node.
func (c *nodesGetCmd) Run(ctx context.Context, a *app) error {
	return showAnswer(a, func(api *client.Client) (*http.Response, error) {
		return api.GetNode(ctx, c.ID)
	}, nodeColumns())
}

type nodesStatusCmd struct{ oneNode }

// Run shows a node's status.
func (c *nodesStatusCmd) Run(ctx context.Context, a *app) error {
	return showAnswer(a, func(api *client.Client) (*http.Response, error) {
		return api.GetNodeStatus(ctx, c.ID)
	}, []column[client.NodeStatus]{
		{"node_id", false, func(s client.NodeStatus) any { return s.NodeId }},
		{"status", false, func(s client.NodeStatus) any { return s.Status }},
		{"status_reason", false, func(s client.NodeStatus) any { return s.StatusReason }},
		{"online", false, func(s client.NodeStatus) any { return s.Online }},
		{"alerts", false, func(s client.NodeStatus) any { return alertsText(s.Alerts) }},
		{"uptime_seconds", false, func(s client.NodeStatus) any { return s.UptimeSeconds }},
		{"last_heartbeat", false, func(s client.NodeStatus) any { return s.LastHeartbeat }},
		{"poot_score", false, func(s client.NodeStatus) any { return points(s.PootScore) }},
		{"pool_id", false, func(s client.NodeStatus) any { return s.PoolId }},
		{"agent_version", false, func(s client.NodeStatus) any { return s.AgentVersion }},
	})
}

type nodesCreateCmd struct {
	Name          string            `arg:"" help:"3 to 100 letters, digits, _ or -."`
	Type          string            `enum:"worker,validator,storage,compute" default:"worker" help:"worker, validator, storage or compute."`
	Pool          string            `placeholder:"POOL_ID" help:"Pool that it joins (default: by assignment)."`
	PayoutAddress string            `placeholder:"ADDRESS" help:"TRON address that its earnings are paid to."`
	Label         map[string]string `placeholder:"KEY=VALUE" help:"Label; may be given several times."`
	enrolFile
}

// Run makes a node.
func (c *nodesCreateCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	body := client.CreateNode{Name: c.Name, NodeType: c.Type, InitialPoolId: given(c.Pool), PayoutAddress: given(c.PayoutAddress)}
	if len(c.Label) > 0 {
		body.Labels = &c.Label
	}
	var n client.CreatedNode
	err = c.write(a, func() (string, error) {
		n, err = answer[client.CreatedNode](api.CreateNode(ctx, nil, body))
		return n.Enrolment.EnrollToml, err
	})
	if err != nil {
		return err
	}
	if c.File != "" {
		n.Enrolment.Token, n.Enrolment.EnrollToml = "", ""
	}
	return show(a.printer, n, []column[client.CreatedNode]{
		{"node_id", false, func(n client.CreatedNode) any { return n.Node.NodeId }},
		{"name", false, func(n client.CreatedNode) any { return n.Node.Name }},
		{"status", false, func(n client.CreatedNode) any { return n.Node.Status }},
		{"pool_id", false, func(n client.CreatedNode) any { return n.Node.PoolId }},
		{"token", false, func(n client.CreatedNode) any { return n.Enrolment.Token }},
		{"token_expires_at", false, func(n client.CreatedNode) any { return n.Enrolment.ExpiresAt }},
	})
}

type nodesUpdateCmd struct {
	oneNode
	Name          *string           `help:"New name."`
	Type          *string           `help:"worker, validator, storage or compute."`
	Pool          *string           `placeholder:"POOL_ID" help:"Another pool; empty leaves the pool."`
	Status        *string           `help:"Set it aside: maintenance, inactive or suspended."`
	Reason        *string           `help:"Why; needed with maintenance and suspended."`
	PayoutAddress *string           `placeholder:"ADDRESS" help:"TRON address; empty takes it away."`
	Label         map[string]string `placeholder:"KEY=VALUE" help:"Labels, in place of all that there are."`
	IfMatch       string            `placeholder:"ETAG" help:"Only when the node is still as it was read."`
	configuration
}

// Run changes a node.
func (c *nodesUpdateCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	body := client.UpdateNode{
		Name: c.Name, NodeType: c.Type, PoolId: c.Pool, Status: c.Status, StatusReason: c.Reason, PayoutAddress: c.PayoutAddress,
	}
	if len(c.Label) > 0 {
		body.Labels = &c.Label
	}
	var read string
	if body.Configuration, read, err = c.read(ctx, api, c.ID); err != nil {
		return err
	}
	n, err := answer[client.Node](api.UpdateNode(ctx, c.ID, &client.UpdateNodeParams{IfMatch: given(cmp.Or(c.IfMatch, read))}, body))
	if err != nil {
		return err
	}
	return show(a.printer, n, nodeColumns())
}

type nodesDeleteCmd struct{ oneNode }

// Run deletes a node, after asking.
func (c *nodesDeleteCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	if err := a.confirm(ctx, "Delete node %s? Its keys are revoked for good.", c.ID); err != nil {
		return err
	}
	if err := done(api.DeleteNode(ctx, c.ID, nil)); err != nil {
		return err
	}
	a.note("%s is deleted", c.ID)
	return nil
}

type nodesStartCmd struct{ oneNode }

// Run starts a node.
func (c *nodesStartCmd) Run(ctx context.Context, a *app) error {
	return commandNode(ctx, a, c.ID, func(api *client.Client) (*http.Response, error) { return api.StartNode(ctx, c.ID) })
}

type nodesStopCmd struct{ oneNode }

// Run stops a node.
func (c *nodesStopCmd) Run(ctx context.Context, a *app) error {
	return commandNode(ctx, a, c.ID, func(api *client.Client) (*http.Response, error) { return api.StopNode(ctx, c.ID) })
}

// commandNode prints what a start and a stop have in common.
func commandNode(ctx context.Context, a *app, id string, send func(*client.Client) (*http.Response, error)) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	s, err := answer[client.Started](send(api))
	if err != nil {
		return err
	}
	a.note("%s is told; `lucidctl nodes status %s` shows when it has confirmed", id, id)
	// Of a stop the time of the command has another name, so it is left out.
	return show(a.printer, commanded{s.NodeId, s.Status, s.CommandId, s.ConfirmBy}, []column[commanded]{
		{"node_id", false, func(c commanded) any { return c.NodeID }},
		{"status", false, func(c commanded) any { return c.Status }},
		{"command_id", false, func(c commanded) any { return c.CommandID }},
		{"confirm_by", false, func(c commanded) any { return c.ConfirmBy }},
	})
}

type commanded struct {
	NodeID    string    `json:"node_id"`
	Status    string    `json:"status"`
	CommandID string    `json:"command_id"`
	ConfirmBy time.Time `json:"confirm_by"`
}

// given is nil for what was not given.
func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func labelText(labels map[string]string) any {
	if len(labels) == 0 {
		return nil
	}
	text, _ := json.Marshal(labels) // strings, in the order of their keys
	return string(text)
}
