package api

import (
	"context"
	"net/http"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/fault"
)

func (s *server) alertOperations() {
	register(s, operation{
		id: "listNodeAlerts", method: http.MethodGet, path: basePath + "/nodes/{node_id}/resources/alerts", tag: "alerts",
		role: access.Viewer, owner: true, summary: "List a node's alerts",
		description: "Newest first, those that ended within 90 days included. A pending alert fires once it has lasted as long as its threshold asks; " +
			"one that ends before leaves nothing.",
		errors: []fault.Code{fault.NodeNotFound}, example: exampleAlertList(),
	}, s.listNodeAlerts)
	register(s, operation{
		id: "listAlerts", method: http.MethodGet, path: basePath + "/alerts", collection: true, tag: "alerts", role: access.Viewer,
		summary: "List the fleet's alerts", description: "Newest first. What is silenced is shown, but not delivered to webhooks.",
		example: exampleAlertList(),
	}, s.listAlerts)
	s.thresholdOperations()
	s.silenceOperations()
}

// AlertInput is what both lists of alerts take.
type AlertInput struct {
	PageInput
	Severity   string         `query:"severity" enum:"warning,critical" doc:"Only alerts of this severity."`
	State      string         `query:"state" enum:"pending,firing,resolved" doc:"Only alerts in this state."`
	Kind       string         `query:"kind" enum:"cpu,memory,disk,temperature,throttled,under_voltage,offline,clock_skew,proof_failures,sd_errors" doc:"Only alerts of this kind."`
	ActiveOnly bool           `query:"active_only" doc:"Leave out what has ended."`
	Silenced   optional[bool] `query:"silenced" doc:"Only alerts that are silenced now, or are not."`
}

func (in AlertInput) filter() alert.Filter {
	return alert.Filter{
		Kind: alert.Kind(in.Kind), Severity: alert.Severity(in.Severity), State: alert.State(in.State), Active: in.ActiveOnly,
		Silenced: in.Silenced.pointer(), Limit: in.Limit, Offset: in.offset(),
	}
}

type nodeAlertsInput struct {
	NodeInput
	AlertInput
}

type alertListInput struct {
	AlertInput
	NodeID string `query:"node_id" pattern:"^(node_[a-zA-Z0-9_-]+)?$" patternDescription:"a node's id" maxLength:"64" doc:"Only alerts of this node."`
	PoolID string `query:"pool_id" pattern:"^(pool_[a-zA-Z0-9_-]+)?$" patternDescription:"a pool's id" maxLength:"64" doc:"Only alerts of nodes that are in this pool now."`
}

type alertListBody struct {
	Alerts     []alertBody `json:"alerts" nullable:"false"`
	Pagination pagination  `json:"pagination"`
}

type alertBody struct {
	AlertID       string     `json:"alert_id"`
	NodeID        string     `json:"node_id"`
	NodeName      string     `json:"node_name"`
	PoolID        *string    `json:"pool_id" doc:"Where the node is now; null outside a pool."`
	Kind          string     `json:"kind" enum:"cpu,memory,disk,temperature,throttled,under_voltage,offline,clock_skew,proof_failures,sd_errors"`
	State         string     `json:"state" enum:"pending,firing,resolved"`
	Severity      string     `json:"severity" enum:"warning,critical" doc:"At its end, the one it had last."`
	Value         float64    `json:"value" doc:"As last observed."`
	Threshold     float64    `json:"threshold" doc:"Of the severity."`
	Unit          string     `json:"unit" enum:"percent,celsius,seconds,count,flag" doc:"Of value and threshold; a flag is 1 for yes."`
	Detail        *string    `json:"detail" doc:"What it is about, as a mount point."`
	Summary       string     `json:"summary"`
	StartedAt     time.Time  `json:"started_at" doc:"When the threshold was first passed."`
	FiredAt       *time.Time `json:"fired_at" doc:"When it had lasted long enough; null while pending."`
	ObservedAt    time.Time  `json:"observed_at" doc:"When it was last seen, to the minute. A node that tells nothing leaves its alerts as they are."`
	ResolvedAt    *time.Time `json:"resolved_at"`
	EndReason     *string    `json:"end_reason" doc:"Why it ended, when no observation ended it."`
	Silenced      bool       `json:"silenced" doc:"Now, by a silence or by the node's maintenance."`
	SilenceReason *string    `json:"silence_reason"`
}

func (s *server) listNodeAlerts(ctx context.Context, in *nodeAlertsInput) (*answer[alertListBody], error) {
	n, err := s.Nodes.Get(ctx, in.NodeID)
	if err != nil {
		return nil, err
	}
	f := in.filter()
	f.NodeID = n.ID
	return s.answerAlerts(ctx, f, in.PageInput)
}

func (s *server) listAlerts(ctx context.Context, in *alertListInput) (*answer[alertListBody], error) {
	f := in.filter()
	f.NodeID, f.PoolID = in.NodeID, in.PoolID
	return s.answerAlerts(ctx, f, in.PageInput)
}

func (s *server) answerAlerts(ctx context.Context, f alert.Filter, page PageInput) (*answer[alertListBody], error) {
	alerts, total, err := s.Alerts.List(ctx, f)
	if err != nil {
		return nil, err
	}
	return answered(alertListBody{shape(alerts, shapeAlert), page.of(total)})
}

func shapeAlert(a alert.Alert) alertBody {
	return alertBody{
		AlertID: a.ID(), NodeID: a.NodeID, NodeName: a.NodeName, PoolID: orNil(a.PoolID), Kind: string(a.Kind), State: string(a.State),
		Severity: string(a.Severity), Value: a.Value, Threshold: a.Threshold, Unit: string(a.Kind.Unit()), Detail: orNil(a.Detail), Summary: a.Summary(),
		StartedAt: a.StartedAt, FiredAt: a.FiredAt, ObservedAt: a.ObservedAt, ResolvedAt: a.ResolvedAt, EndReason: orNil(a.EndReason),
		Silenced: a.Silenced, SilenceReason: orNil(a.SilenceReason),
	}
}

func exampleAlert() alert.Alert {
	at := exampleTime()
	fired := at.Add(5 * time.Minute)
	return alert.Alert{
		No: 17, NodeID: "node_4f1c2a", NodeName: "attic-pi", PoolID: "pool_default", Kind: alert.Temperature, State: alert.Firing,
		Severity: alert.Warning, Value: 77.9, Threshold: 75, StartedAt: at, FiredAt: &fired, ObservedAt: fired,
	}
}

func exampleAlertList() alertListBody {
	return alertListBody{shape([]alert.Alert{exampleAlert()}, shapeAlert), PageInput{Page: 1, Limit: 20}.of(1)}
}

// nodeAlertBody is an alert in a node's status: what is wrong now.
type nodeAlertBody struct {
	AlertID   string    `json:"alert_id"`
	Kind      string    `json:"kind" enum:"cpu,memory,disk,temperature,throttled,under_voltage,offline,clock_skew,proof_failures,sd_errors"`
	State     string    `json:"state" enum:"pending,firing"`
	Severity  string    `json:"severity" enum:"warning,critical"`
	Summary   string    `json:"summary"`
	StartedAt time.Time `json:"started_at"`
	Silenced  bool      `json:"silenced"`
}

func shapeNodeAlert(a alert.Alert) nodeAlertBody {
	return nodeAlertBody{
		AlertID: a.ID(), Kind: string(a.Kind), State: string(a.State), Severity: string(a.Severity), Summary: a.Summary(),
		StartedAt: a.StartedAt, Silenced: a.Silenced,
	}
}
