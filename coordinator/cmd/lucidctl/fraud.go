package main

import (
	"context"
	"net/http"

	"lucid.internal/coordinator/client"
)

type fraudCmd struct {
	List   fraudListCmd   `cmd:"" help:"List flags, newest first."`
	Appeal fraudAppealCmd `cmd:"" help:"Say what speaks against a flag of a node of yours."`
	Decide fraudDecideCmd `cmd:"" help:"Decide a flag, for good: dismissed (with the same daily rule's earlier ones) releases what it held, confirmed takes what the node has."`
}

func flagColumns() []column[client.Flag] {
	return []column[client.Flag]{
		{"flag_id", false, func(f client.Flag) any { return f.FlagId }},
		{"node_name", false, func(f client.Flag) any { return f.NodeName }},
		{"node_id", false, func(f client.Flag) any { return f.NodeId }},
		{"pool_id", true, func(f client.Flag) any { return f.PoolId }},
		{"layer", false, func(f client.Flag) any { return f.Layer }},
		{"rule", false, func(f client.Flag) any { return f.Rule }},
		{"severity", false, func(f client.Flag) any { return f.Severity }},
		{"state", false, func(f client.Flag) any { return f.State }},
		{"at", false, func(f client.Flag) any { return f.At }},
		{"summary", false, func(f client.Flag) any { return f.Summary }},
		{"evidence", true, func(f client.Flag) any { return f.Evidence }},
		{"found_at", true, func(f client.Flag) any { return f.FoundAt }},
		{"appeal", true, func(f client.Flag) any { return f.Appeal }},
		{"appealed_by", true, func(f client.Flag) any { return f.AppealedBy }},
		{"reason", true, func(f client.Flag) any { return f.Reason }},
		{"decided_by", true, func(f client.Flag) any { return f.DecidedBy }},
		{"decided_at", true, func(f client.Flag) any { return f.DecidedAt }},
	}
}

type fraudListCmd struct {
	paging
	Node     string `placeholder:"NODE_ID" help:"Only flags of this node; an owner names one of his."`
	Rule     string `placeholder:"RULE" help:"Only flags of this rule, such as altered_hash."`
	Severity string `enum:",notice,warning,critical" default:"" placeholder:"SEVERITY" help:"Only flags of this severity: notice, warning or critical."`
	State    string `enum:",open,appealed,dismissed,confirmed" default:"" placeholder:"STATE" help:"Only flags in this state: open, appealed, dismissed or confirmed."`
}

// Run lists flags.
func (c *fraudListCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	flags, err := gather(a, c.paging, func(at place) ([]client.Flag, *string, bool, error) {
		l, err := c.page(ctx, api, at)
		return l.Flags, nil, l.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	return list(a.printer, flags, flagColumns())
}

// page asks for the node's own list where it can: that is open to its owner.
func (c *fraudListCmd) page(ctx context.Context, api *client.Client, at place) (client.FlagList, error) {
	rule, severity, state := given(c.Rule), given(c.Severity), given(c.State)
	if c.Node != "" {
		return answer[client.FlagList](api.ListNodeFlags(ctx, c.Node, &client.ListNodeFlagsParams{
			Page: at.page, Limit: at.limit, Rule: rule, Severity: severity, State: state,
		}))
	}
	return answer[client.FlagList](api.ListFlags(ctx, &client.ListFlagsParams{Page: at.page, Limit: at.limit, Rule: rule, Severity: severity, State: state}))
}

type fraudAppealCmd struct {
	Node string `arg:"" name:"node_id" help:"Id of the node."`
	Flag string `arg:"" name:"flag_id" help:"Id of the flag."`
	Text string `arg:"" help:"What speaks against it."`
}

// Run stores an appeal.
func (c *fraudAppealCmd) Run(ctx context.Context, a *app) error {
	return showAnswer(a, func(api *client.Client) (*http.Response, error) {
		return api.AppealFlag(ctx, c.Node, c.Flag, client.Appeal{Text: c.Text})
	}, flagColumns())
}

type fraudDecideCmd struct {
	Flag     string `arg:"" name:"flag_id" help:"Id of the flag."`
	Decision string `arg:"" enum:"dismissed,confirmed" help:"dismissed or confirmed."`
	Reason   string `arg:"" help:"Why; the owner reads it."`
}

// Run decides a flag. What a confirmed one takes does not come back.
func (c *fraudDecideCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	if c.Decision == "confirmed" {
		if err := a.confirm(ctx, "Confirm %s? What its node has goes back to its pools, and it is suspended.", c.Flag); err != nil {
			return err
		}
	}
	f, err := answer[client.Flag](api.DecideFlag(ctx, c.Flag, client.Decision{Decision: c.Decision, Reason: c.Reason}))
	if err != nil {
		return err
	}
	return show(a.printer, f, flagColumns())
}
