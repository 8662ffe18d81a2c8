package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"lucid.internal/coordinator/client"
)

type thresholdsCmd struct {
	Get    thresholdsGetCmd    `cmd:"" help:"Show the thresholds that hold."`
	Set    thresholdsSetCmd    `cmd:"" help:"Set the threshold of a kind of alert."`
	Remove thresholdsRemoveCmd `cmd:"" help:"Take back a threshold, so that the wider one holds again."`
}

// thresholdScope is whose thresholds are meant.
type thresholdScope struct {
	Node string `xor:"scope" placeholder:"NODE_ID" help:"Of this node (default: of the fleet)."`
	Pool string `xor:"scope" placeholder:"POOL_ID" help:"Of this pool."`
}

// thresholdRow is a kind with what holds for it.
type thresholdRow struct {
	Kind string `json:"kind"`
	client.Threshold
}

func (a *app) showThresholds(response *http.Response, err error) error {
	all, err := answer[struct {
		Thresholds map[string]client.Threshold `json:"thresholds"`
	}](response, err)
	if err != nil {
		return err
	}
	var rows []thresholdRow
	for kind, t := range all.Thresholds {
		rows = append(rows, thresholdRow{kind, t})
	}
	slices.SortFunc(rows, func(a, b thresholdRow) int { return bytes.Compare([]byte(a.Kind), []byte(b.Kind)) })
	return list(a.printer, rows, []column[thresholdRow]{
		{"kind", false, func(t thresholdRow) any { return t.Kind }},
		{"enabled", false, func(t thresholdRow) any { return t.Enabled }},
		{"warning", false, func(t thresholdRow) any { return t.Warning }},
		{"warning_for_seconds", false, func(t thresholdRow) any { return t.WarningForSeconds }},
		{"critical", false, func(t thresholdRow) any { return t.Critical }},
		{"critical_for_seconds", false, func(t thresholdRow) any { return t.CriticalForSeconds }},
		{"hysteresis", false, func(t thresholdRow) any { return t.Hysteresis }},
		{"source", false, func(t thresholdRow) any { return t.Source }},
		{"unit", false, func(t thresholdRow) any { return t.Unit }},
	})
}

type thresholdsGetCmd struct{ thresholdScope }

// Run shows thresholds.
func (c *thresholdsGetCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	switch {
	case c.Node != "":
		return a.showThresholds(api.GetNodeThresholds(ctx, c.Node))
	case c.Pool != "":
		return a.showThresholds(api.GetPoolThresholds(ctx, c.Pool))
	}
	return a.showThresholds(api.GetFleetThresholds(ctx))
}

type thresholdsSetCmd struct {
	Kind string `arg:"" enum:"${alert_kinds}" help:"Kind of alert: ${alert_kinds}."`
	thresholdScope
	Warning     *float64       `xor:"off" placeholder:"VALUE" help:"Value that is worth a warning."`
	WarningFor  *time.Duration `placeholder:"DURATION" help:"How long it must last, like 10m (default: the kind's own)."`
	Critical    *float64       `placeholder:"VALUE" help:"Value that is critical."`
	CriticalFor *time.Duration `placeholder:"DURATION" help:"How long it must last, like 10m (default: the kind's own)."`
	Hysteresis  *float64       `placeholder:"VALUE" help:"How far below a level the value must fall to end an alert (default: the kind's own)."`
	Off         bool           `xor:"off" help:"No alerts of this kind."`
}

func (c *thresholdsSetCmd) body() ([]byte, error) {
	enabled := !c.Off
	in := client.ThresholdInput{Enabled: &enabled, Warning: c.Warning, Critical: c.Critical, Hysteresis: c.Hysteresis}
	in.WarningForSeconds, in.CriticalForSeconds = inSeconds(c.WarningFor), inSeconds(c.CriticalFor)
	return json.Marshal(map[string]any{"thresholds": map[string]client.ThresholdInput{c.Kind: in}})
}

func inSeconds(d *time.Duration) *int64 {
	if d == nil {
		return nil
	}
	seconds := int64(*d / time.Second)
	return &seconds
}

// Run sets a threshold and shows all that hold.
func (c *thresholdsSetCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	const json = "application/json"
	switch {
	case c.Node != "":
		return a.showThresholds(api.SetNodeThresholdsWithBody(ctx, c.Node, json, bytes.NewReader(body)))
	case c.Pool != "":
		return a.showThresholds(api.SetPoolThresholdsWithBody(ctx, c.Pool, json, bytes.NewReader(body)))
	}
	return a.showThresholds(api.SetFleetThresholdsWithBody(ctx, json, bytes.NewReader(body)))
}

type thresholdsRemoveCmd struct {
	Kind string `arg:"" enum:"${alert_kinds}" help:"Kind of alert: ${alert_kinds}."`
	thresholdScope
}

// Run takes a threshold back.
func (c *thresholdsRemoveCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	switch {
	case c.Node != "":
		err = done(api.RemoveNodeThreshold(ctx, c.Node, c.Kind))
	case c.Pool != "":
		err = done(api.RemovePoolThreshold(ctx, c.Pool, c.Kind))
	default:
		err = done(api.RemoveFleetThreshold(ctx, c.Kind))
	}
	if err != nil {
		return err
	}
	a.note("the threshold of %s is taken back", c.Kind)
	return nil
}
