package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"lucid.internal/coordinator/client"
)

type alertsCmd struct {
	List alertsListCmd `cmd:"" help:"List alerts, newest first."`
}

// alertKinds are the kinds of alert, as flags and arguments take them.
const alertKinds = "cpu, memory, disk, temperature, throttled, under_voltage, offline, clock_skew, proof_failures, sd_errors"

type alertsListCmd struct {
	paging
	Node     string `placeholder:"NODE_ID" help:"Only alerts of this node."`
	Pool     string `placeholder:"POOL_ID" help:"Only alerts of this pool's nodes."`
	Kind     string `enum:",${alert_kinds}" default:"" placeholder:"KIND" help:"Only alerts of this kind: ${alert_kinds}."`
	Severity string `enum:",warning,critical" default:"" placeholder:"SEVERITY" help:"Only alerts of this severity: warning or critical."`
	Active   bool   `help:"Leave out what has ended."`
}

// Run lists alerts.
func (c *alertsListCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	p := client.ListAlertsParams{
		NodeId: given(c.Node), PoolId: given(c.Pool), Kind: given(c.Kind), Severity: given(c.Severity), ActiveOnly: &c.Active,
	}
	alerts, err := gather(a, c.paging, func(at place) ([]client.Alert, *string, bool, error) {
		p.Page, p.Limit = at.page, at.limit
		l, err := answer[client.AlertList](api.ListAlerts(ctx, &p))
		return l.Alerts, nil, l.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	return list(a.printer, alerts, []column[client.Alert]{
		{"alert_id", false, func(x client.Alert) any { return x.AlertId }},
		{"node_name", false, func(x client.Alert) any { return x.NodeName }},
		{"node_id", true, func(x client.Alert) any { return x.NodeId }},
		{"pool_id", false, func(x client.Alert) any { return x.PoolId }},
		{"kind", false, func(x client.Alert) any { return x.Kind }},
		{"state", false, func(x client.Alert) any { return x.State }},
		{"severity", false, func(x client.Alert) any { return x.Severity }},
		{"summary", false, func(x client.Alert) any { return x.Summary }},
		{"value", true, func(x client.Alert) any { return x.Value }},
		{"threshold", true, func(x client.Alert) any { return x.Threshold }},
		{"unit", true, func(x client.Alert) any { return x.Unit }},
		{"started_at", false, func(x client.Alert) any { return x.StartedAt }},
		{"fired_at", true, func(x client.Alert) any { return x.FiredAt }},
		{"observed_at", true, func(x client.Alert) any { return x.ObservedAt }},
		{"resolved_at", true, func(x client.Alert) any { return x.ResolvedAt }},
		{"silenced", false, func(x client.Alert) any { return x.Silenced }},
		{"silence_reason", true, func(x client.Alert) any { return x.SilenceReason }},
	})
}

// alertsText is what is wrong with a node, in one line.
func alertsText(alerts []client.NodeAlert) string {
	var texts []string
	for _, x := range alerts {
		text := x.Severity
		if x.State != "firing" {
			text += ", " + x.State
		}
		if x.Silenced {
			text += ", silenced"
		}
		texts = append(texts, fmt.Sprintf("%s (%s)", x.Summary, text))
	}
	return strings.Join(texts, "; ")
}

type silencesCmd struct {
	List   silencesListCmd   `cmd:"" help:"List silences, newest first."`
	Create silencesCreateCmd `cmd:"" help:"Keep alerts from being delivered for a time."`
	End    silencesEndCmd    `cmd:"" help:"End a silence."`
}

func silenceColumns() []column[client.Silence] {
	return []column[client.Silence]{
		{"silence_id", false, func(s client.Silence) any { return s.SilenceId }},
		{"node_id", false, func(s client.Silence) any { return s.NodeId }},
		{"pool_id", false, func(s client.Silence) any { return s.PoolId }},
		{"kind", false, func(s client.Silence) any { return s.Kind }},
		{"starts_at", false, func(s client.Silence) any { return s.StartsAt }},
		{"ends_at", false, func(s client.Silence) any { return s.EndsAt }},
		{"reason", false, func(s client.Silence) any { return s.Reason }},
		{"author", true, func(s client.Silence) any { return s.Author }},
		{"created_at", true, func(s client.Silence) any { return s.CreatedAt }},
	}
}

type silencesListCmd struct {
	paging
	Active bool `help:"Leave out those that have ended."`
}

// Run lists silences.
func (c *silencesListCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	silences, err := gather(a, c.paging, func(at place) ([]client.Silence, *string, bool, error) {
		l, err := answer[client.SilenceList](api.ListSilences(ctx, &client.ListSilencesParams{Page: at.page, Limit: at.limit, ActiveOnly: &c.Active}))
		return l.Silences, nil, l.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	return list(a.printer, silences, silenceColumns())
}

type silencesCreateCmd struct {
	Reason string        `arg:"" help:"Why."`
	Node   string        `xor:"scope" placeholder:"NODE_ID" help:"Of this node only."`
	Pool   string        `xor:"scope" placeholder:"POOL_ID" help:"Of this pool's nodes only."`
	Kind   string        `enum:",${alert_kinds}" default:"" placeholder:"KIND" help:"Of this kind only: ${alert_kinds}."`
	Life   time.Duration `default:"1h" help:"How long, from now."`
}

// Run makes a silence.
func (c *silencesCreateCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	s, err := answer[client.Silence](api.CreateSilence(ctx, client.NewSilence{
		NodeId: given(c.Node), PoolId: given(c.Pool), Kind: given(c.Kind), EndsAt: a.now().Add(c.Life), Reason: c.Reason,
	}))
	if err != nil {
		return err
	}
	return show(a.printer, s, silenceColumns())
}

type silencesEndCmd struct {
	ID string `arg:"" name:"silence_id" help:"Id of the silence."`
}

// Run ends a silence.
func (c *silencesEndCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	if err := done(api.EndSilence(ctx, c.ID)); err != nil {
		return err
	}
	a.note("%s has ended", c.ID)
	return nil
}
