package main

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"lucid.internal/coordinator/client"
)

type nodesResourcesCmd struct{ oneNode }

// Run shows how full and busy a node is.
func (c *nodesResourcesCmd) Run(ctx context.Context, a *app) error {
	return showAnswer(a, func(api *client.Client) (*http.Response, error) {
		return api.GetResourceSummary(ctx, c.ID)
	}, []column[client.ResourceSummary]{
		{"node_id", false, func(s client.ResourceSummary) any { return s.NodeId }},
		{"timestamp", false, func(s client.ResourceSummary) any { return s.Timestamp }},
		{"cpu_usage_percent", false, func(s client.ResourceSummary) any { return s.CpuUsagePercent }},
		{"cpu_usage_percent_last_hour", false, func(s client.ResourceSummary) any { return mean(s.LastHour, "cpu", "usage_percent") }},
		{"cpu_usage_percent_last_day", false, func(s client.ResourceSummary) any { return mean(s.LastDay, "cpu", "usage_percent") }},
		{"cpu_temperature_celsius", false, func(s client.ResourceSummary) any { return s.CpuTemperatureCelsius }},
		{"memory_used_percent", false, func(s client.ResourceSummary) any { return s.MemoryUsedPercent }},
		{"swap_used_percent", false, func(s client.ResourceSummary) any { return s.SwapUsedPercent }},
		{"disk_used_percent", false, func(s client.ResourceSummary) any { return s.DiskUsedPercent }},
		{"gpu_usage_percent", false, func(s client.ResourceSummary) any { return s.GpuUsagePercent }},
		{"in_mbps_last_hour", false, func(s client.ResourceSummary) any { return mean(s.LastHour, "network", "in_mbps") }},
		{"out_mbps_last_hour", false, func(s client.ResourceSummary) any { return mean(s.LastHour, "network", "out_mbps") }},
	})
}

// mean is nil where nothing is known.
func mean(over *client.TimeRange, subject, field string) *float64 {
	if over == nil || over.Figures[subject] == nil {
		return nil
	}
	return (*over.Figures[subject])[field].Avg
}

type nodesMetricsCmd struct {
	oneNode
	Subject     string     `arg:"" enum:"cpu,memory,disk,network,gpu" help:"cpu, memory, disk, network or gpu."`
	Field       string     `help:"Only this figure, such as usage_percent (default: all)."`
	Granularity *string    `placeholder:"1m|5m|15m|1h" help:"Length of the buckets (default: what suits the time)."`
	Start       *time.Time `placeholder:"TIME" help:"Beginning, like 2026-05-04T10:00:00Z (default: an hour before the end)."`
	End         *time.Time `placeholder:"TIME" help:"End (default: now)."`
}

// measured is one figure of one bucket.
type measured struct {
	Timestamp time.Time `json:"timestamp"`
	Samples   int64     `json:"samples"`
	Field     *string   `json:"field"` // nil in a gap
	Min       *float64  `json:"min"`
	Avg       *float64  `json:"avg"`
	Max       *float64  `json:"max"`
	Last      *float64  `json:"last"`
}

// figure is one of m's, which knows by its name whether it is of bytes.
func (m measured) figure(f *float64) any {
	if m.Field != nil && strings.Contains(*m.Field, "bytes") {
		return sizeOf(f)
	}
	return f
}

// Run lists a node's figures over time.
func (c *nodesMetricsCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	m, err := answer[client.ResourceMetrics](api.GetResourceMetrics(ctx, c.ID, &client.GetResourceMetricsParams{
		MetricType: c.Subject, Granularity: c.Granularity, StartTime: c.Start, EndTime: c.End,
	}))
	if err != nil {
		return err
	}
	if err := c.checkField(m.DataPoints); err != nil {
		return err
	}
	buckets := m.DataPoints
	if f := a.cli.Output; f == "table" || f == "wide" { // people need no rows of the time before the first sample
		first := slices.IndexFunc(buckets, func(p client.DataPoint) bool { return p.Figures != nil })
		if first < 0 {
			a.note("no bucket that is over has a sample; `lucidctl nodes resources %s` shows the newest one", c.ID)
			first = len(buckets)
		}
		buckets = buckets[first:]
	}
	rows := []measured{}
	for _, p := range buckets {
		rows = append(rows, c.rowsOf(p)...)
	}
	return list(a.printer, rows, []column[measured]{
		// Which minute it was says more here than how long ago.
		{"timestamp", false, func(m measured) any { return m.Timestamp.UTC().Format(time.RFC3339) }},
		{"field", false, func(m measured) any { return m.Field }},
		{"min", false, func(m measured) any { return m.figure(m.Min) }},
		{"avg", false, func(m measured) any { return m.figure(m.Avg) }},
		{"max", false, func(m measured) any { return m.figure(m.Max) }},
		{"last", false, func(m measured) any { return m.figure(m.Last) }},
		{"samples", true, func(m measured) any { return m.Samples }},
	})
}

// checkField refuses a figure that no bucket has, when there is anything at all.
func (c *nodesMetricsCmd) checkField(buckets []client.DataPoint) error {
	there := map[string]bool{}
	for _, p := range buckets {
		if p.Figures != nil {
			for field := range *p.Figures {
				there[field] = true
			}
		}
	}
	if c.Field == "" || len(there) == 0 || there[c.Field] {
		return nil
	}
	return usage("--field %s: %s has no such figure in this time; there are %s", c.Field, c.Subject, strings.Join(slices.Sorted(maps.Keys(there)), ", "))
}

// rowsOf gives a row a figure, and one for a gap.
func (c *nodesMetricsCmd) rowsOf(p client.DataPoint) []measured {
	if p.Figures == nil {
		return []measured{{Timestamp: p.Timestamp}}
	}
	var rows []measured
	for _, field := range slices.Sorted(maps.Keys(*p.Figures)) {
		if c.Field == "" || c.Field == field {
			s := (*p.Figures)[field]
			rows = append(rows, measured{p.Timestamp, p.Samples, &field, s.Min, s.Avg, s.Max, s.Last})
		}
	}
	return rows
}
