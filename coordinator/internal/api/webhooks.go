package api

import (
	"context"
	"net/http"
	"time"

	"lucid.internal/coordinator/internal/access"
	"lucid.internal/coordinator/internal/alert"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/webhook"
)

func (s *server) webhookOperations() {
	register(s, operation{
		id: "listWebhooks", method: http.MethodGet, path: basePath + "/webhooks", collection: true, tag: "alerts", role: access.Admin,
		summary: "List webhooks", description: "Newest first, with how their deliveries go. Secrets are never shown again.",
		example: webhookListBody{Webhooks: []WebhookBody{exampleWebhook()}, Pagination: PageInput{Page: 1, Limit: 20}.of(1)},
	}, s.listWebhooks)
	register(s, operation{
		id: "createWebhook", method: http.MethodPost, path: basePath + "/webhooks", collection: true, tag: "alerts", role: access.Admin,
		status: http.StatusCreated, summary: "Send alerts somewhere",
		description: "A webhook gets a signed POST for alerts that begin to fire, change their severity or end, tried again for a day; docs/alerts.md " +
			"has the bytes. An alertmanager is told every 30 seconds what fires. Redirects are not followed, and link-local addresses " +
			"are refused. secret is in this answer only.",
		errors:  []fault.Code{fault.StateNotAllowed},
		request: newWebhookBody{Type: "webhook", URL: "https://ops.example/lucid", MinSeverity: "warning"},
		example: createdWebhookBody{WebhookBody: exampleWebhook(), Secret: orNil("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")},
	}, s.createWebhook)
	register(s, operation{
		id: "deleteWebhook", method: http.MethodDelete, path: basePath + "/webhooks/{webhook_id}", tag: "alerts", role: access.Admin,
		status: http.StatusNoContent, summary: "Delete a webhook", description: "What was not delivered is given up.",
		errors: []fault.Code{fault.OtherNotFound},
	}, s.deleteWebhook)
	register(s, operation{
		id: "testWebhook", method: http.MethodPost, path: basePath + "/webhooks/{webhook_id}/test", tag: "alerts", role: access.Admin,
		status: http.StatusAccepted, summary: "Send a test message",
		description: "Its type is test, and it holds no alerts. The list of deliveries shows what became of it. An alertmanager needs none.",
		errors:      []fault.Code{fault.OtherNotFound, fault.StateNotAllowed}, example: webhookTestBody{WebhookID: "hook_4f1c2a"},
	}, s.testWebhook)
	register(s, operation{
		id: "listWebhookDeliveries", method: http.MethodGet, path: basePath + "/webhooks/{webhook_id}/deliveries", tag: "alerts", role: access.Admin,
		summary: "List a webhook's deliveries", description: "Newest first; those that ended are kept for 30 days.",
		errors:  []fault.Code{fault.OtherNotFound},
		example: deliveryListBody{Deliveries: []deliveryBody{exampleDelivery()}, Pagination: PageInput{Page: 1, Limit: 20}.of(1)},
	}, s.listDeliveries)
}

// WebhookBody shows a webhook. It is exported since huma looks into exported
// embedded fields only.
type WebhookBody struct {
	WebhookID   string     `json:"webhook_id"`
	Type        string     `json:"type" enum:"webhook,alertmanager"`
	URL         string     `json:"url"`
	Kinds       []string   `json:"kinds" nullable:"false" doc:"Kinds of alerts that it is told of; empty: all."`
	MinSeverity string     `json:"min_severity" enum:"warning,critical" doc:"critical: only of alerts that are, or were, critical."`
	CreatedAt   time.Time  `json:"created_at"`
	SucceededAt *time.Time `json:"succeeded_at" doc:"When it last took something."`
	FailedAt    *time.Time `json:"failed_at"`
	Failures    int        `json:"failures" doc:"In a row; the gaps between tries grow to an hour."`
	LastError   *string    `json:"last_error" doc:"Of failed_at."`
}

type webhookListBody struct {
	Webhooks   []WebhookBody `json:"webhooks" nullable:"false"`
	Pagination pagination    `json:"pagination"`
}

type createdWebhookBody struct {
	WebhookBody
	Secret *string `json:"secret" doc:"What its messages are signed with. Shown only now; null for an alertmanager."`
}

type newWebhookBody struct {
	Type        string   `json:"type" enum:"webhook,alertmanager"`
	URL         string   `json:"url" minLength:"1" maxLength:"1000" doc:"http:// or https://, without user and password. Of an alertmanager, its base: /api/v2/alerts is added."`
	Kinds       []string `json:"kinds,omitempty" nullable:"false" maxItems:"10" enum:"cpu,memory,disk,temperature,throttled,under_voltage,offline,clock_skew,proof_failures,sd_errors" doc:"Only alerts of these kinds."`
	MinSeverity string   `json:"min_severity,omitempty" enum:"warning,critical" doc:"warning without it."`
}

func (s *server) listWebhooks(ctx context.Context, in *PageInput) (*answer[webhookListBody], error) {
	list, total, err := s.Webhooks.List(ctx, in.Limit, in.offset())
	if err != nil {
		return nil, err
	}
	return answered(webhookListBody{shape(list, shapeWebhook), in.of(total)})
}

func (s *server) createWebhook(ctx context.Context, in *struct{ Body newWebhookBody }) (*answer[createdWebhookBody], error) {
	made, secret, err := s.Webhooks.Create(ctx, by(ctx), webhook.New{
		Type: webhook.Type(in.Body.Type), URL: in.Body.URL, MinSeverity: alert.Severity(in.Body.MinSeverity),
		Kinds: shape(in.Body.Kinds, func(k string) alert.Kind { return alert.Kind(k) }),
	})
	if err != nil {
		return nil, err
	}
	return answered(createdWebhookBody{shapeWebhook(made), orNil(secret)})
}

// WebhookInput names a webhook.
type WebhookInput struct {
	WebhookID string `path:"webhook_id" pattern:"^hook_[a-zA-Z0-9]+$" patternDescription:"a webhook's id" maxLength:"64" example:"hook_4f1c2a" doc:"Id of the webhook."`
}

func (s *server) deleteWebhook(ctx context.Context, in *WebhookInput) (*struct{}, error) {
	return nil, s.Webhooks.Delete(ctx, by(ctx), in.WebhookID)
}

type webhookTestBody struct {
	WebhookID string `json:"webhook_id"`
}

func (s *server) testWebhook(ctx context.Context, in *WebhookInput) (*answer[webhookTestBody], error) {
	if err := s.Webhooks.Test(ctx, by(ctx), in.WebhookID); err != nil {
		return nil, err
	}
	return answered(webhookTestBody(*in))
}

type deliveryListInput struct {
	WebhookInput
	PageInput
}

type deliveryListBody struct {
	Deliveries []deliveryBody `json:"deliveries" nullable:"false"`
	Pagination pagination     `json:"pagination"`
}

type deliveryBody struct {
	MessageID string     `json:"message_id" doc:"As the receiver sees it in webhook-id, the same at every try."`
	State     string     `json:"state" enum:"open,delivered,failed"`
	Attempts  int        `json:"attempts"`
	Status    *int       `json:"status" doc:"HTTP status of the newest answer; null without one."`
	LastError *string    `json:"last_error"`
	CreatedAt time.Time  `json:"created_at"`
	EndedAt   *time.Time `json:"ended_at" doc:"null while it is tried."`
}

func (s *server) listDeliveries(ctx context.Context, in *deliveryListInput) (*answer[deliveryListBody], error) {
	list, total, err := s.Webhooks.Deliveries(ctx, in.WebhookID, in.Limit, in.offset())
	if err != nil {
		return nil, err
	}
	return answered(deliveryListBody{shape(list, shapeDelivery), in.of(total)})
}

func shapeDelivery(d webhook.Delivery) deliveryBody {
	return deliveryBody{
		MessageID: d.MessageID, State: d.State, Attempts: d.Attempts, Status: d.Status, LastError: orNil(d.LastError),
		CreatedAt: d.CreatedAt, EndedAt: d.EndedAt,
	}
}

func shapeWebhook(e webhook.Endpoint) WebhookBody {
	return WebhookBody{
		WebhookID: e.ID, Type: string(e.Type), URL: e.URL, Kinds: shape(e.Kinds, func(k alert.Kind) string { return string(k) }),
		MinSeverity: string(e.MinSeverity), CreatedAt: e.CreatedAt, SucceededAt: e.SucceededAt, FailedAt: e.FailedAt,
		Failures: e.Failures, LastError: orNil(e.LastError),
	}
}

func exampleWebhook() WebhookBody {
	at := exampleTime()
	return shapeWebhook(webhook.Endpoint{
		ID: "hook_4f1c2a", Type: webhook.Signed, URL: "https://ops.example/lucid", MinSeverity: alert.Warning, CreatedAt: at, SucceededAt: &at,
	})
}

func exampleDelivery() deliveryBody {
	at, status := exampleTime(), 200
	return shapeDelivery(webhook.Delivery{
		MessageID: "msg_4f1c2a", State: "delivered", Attempts: 1, Status: &status, CreatedAt: at, EndedAt: &at,
	})
}
