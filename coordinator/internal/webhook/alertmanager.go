package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/webhook/sqlgen"
)

const (
	pushInterval = 30 * time.Second
	// firesFor is how long an Alertmanager takes an alert to fire without
	// hearing of it again: some pushes may fail.
	firesFor = 8 * pushInterval
	// endsFor is how long it is told of an end.
	endsFor       = 15 * time.Minute
	alertsInPush  = 500
	alertNameMark = "lucid_"
)

// postable is an alert as Alertmanager's API takes it: postableAlert of
// POST /api/v2/alerts in its api/v2/openapi.yaml.
type postable struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// push tells an Alertmanager how things stand.
func (s *Store) push(ctx context.Context, w sqlgen.Webhook) error {
	q, now := sqlgen.New(s.cfg.Pool), s.now()
	rows, err := q.Present(ctx, sqlgen.PresentParams{At: now, EndedAfter: now.Add(-endsFor)})
	if err != nil {
		return err
	}
	var alerts []postable
	for _, r := range rows {
		if p, ok := s.postable(w, r, now); ok {
			alerts = append(alerts, p)
		}
	}
	target, err := url.JoinPath(w.Url, "api/v2/alerts")
	if err != nil {
		return err
	}
	chunks := slices.Collect(slices.Chunk(alerts, alertsInPush))
	if len(chunks) == 0 { // that it takes nothing tells that it is there
		chunks = [][]postable{{}}
	}
	limited, cancel := context.WithTimeout(ctx, s.pushLimit)
	defer cancel()
	for _, some := range chunks {
		body, err := json.Marshal(some)
		if err != nil {
			return err
		}
		_, problem := s.post(limited, target, nil, body)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // we are stopping: nothing is known of the attempt
		case limited.Err() != nil:
			return s.failed(ctx, q, w, fmt.Sprintf("took longer than %s for %d alerts", s.pushLimit, len(alerts)), now)
		case problem != "":
			return s.failed(ctx, q, w, problem, now)
		}
	}
	return q.Succeeded(ctx, sqlgen.SucceededParams{WebhookID: w.WebhookID, At: now, NextAt: now.Add(pushInterval)})
}

func (s *Store) postable(w sqlgen.Webhook, r sqlgen.PresentRow, now time.Time) (postable, bool) {
	a := alert.Alert{
		No: r.AlertNo, Kind: alert.Kind(r.Kind), Severity: alert.Severity(r.Severity), Worst: alert.Severity(r.Worst),
		Value: r.Value, Threshold: r.Threshold, Detail: r.Detail,
	}
	if !selects(w.Kinds, alert.Severity(w.MinSeverity), a) || r.FiredAt == nil {
		return postable{}, false
	}
	p := postable{
		Labels: map[string]string{
			"alertname": alertNameMark + r.Kind, "severity": r.Severity, "node_id": r.NodeID, "node": r.Name, "kind": r.Kind,
		},
		Annotations: map[string]string{"summary": r.Name + ": " + a.Summary(), "alert_id": a.ID()},
		StartsAt:    *r.FiredAt, EndsAt: now.Add(firesFor),
	}
	if r.PoolID != "" {
		p.Labels["pool_id"] = r.PoolID
	}
	if r.ResolvedAt != nil {
		p.EndsAt = *r.ResolvedAt
	}
	if s.cfg.Source != "" {
		p.GeneratorURL = s.cfg.Source + "/api/v1/alerts?node_id=" + url.QueryEscape(r.NodeID)
	}
	return p, true
}
