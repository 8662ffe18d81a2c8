package main

import (
	"context"

	"lucid.internal/coordinator/client"
)

type webhooksCmd struct {
	List       webhooksListCmd       `cmd:"" help:"List webhooks."`
	Create     webhooksCreateCmd     `cmd:"" help:"Send alerts somewhere; prints the signing secret once."`
	Test       webhooksTestCmd       `cmd:"" help:"Send a test message."`
	Deliveries webhooksDeliveriesCmd `cmd:"" help:"List a webhook's deliveries, newest first."`
	Delete     webhooksDeleteCmd     `cmd:"" help:"Delete a webhook."`
}

type webhooksListCmd struct{ paging }

// Run lists webhooks.
func (c *webhooksListCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	hooks, err := gather(a, c.paging, func(at place) ([]client.Webhook, *string, bool, error) {
		l, err := answer[client.WebhookList](api.ListWebhooks(ctx, &client.ListWebhooksParams{Page: at.page, Limit: at.limit}))
		return l.Webhooks, nil, l.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	return list(a.printer, hooks, []column[client.Webhook]{
		{"webhook_id", false, func(w client.Webhook) any { return w.WebhookId }},
		{"type", false, func(w client.Webhook) any { return w.Type }},
		{"url", false, func(w client.Webhook) any { return w.Url }},
		{"kinds", true, func(w client.Webhook) any { return w.Kinds }},
		{"min_severity", false, func(w client.Webhook) any { return w.MinSeverity }},
		{"succeeded_at", false, func(w client.Webhook) any { return w.SucceededAt }},
		{"failures", false, func(w client.Webhook) any { return w.Failures }},
		{"failed_at", true, func(w client.Webhook) any { return w.FailedAt }},
		{"last_error", true, func(w client.Webhook) any { return w.LastError }},
		{"created_at", true, func(w client.Webhook) any { return w.CreatedAt }},
	})
}

type webhooksCreateCmd struct {
	URL         string   `arg:"" name:"url" help:"Where to, http:// or https://."`
	Type        string   `enum:"webhook,alertmanager" default:"webhook" help:"webhook: signed messages; alertmanager: its API."`
	Kind        []string `enum:"${alert_kinds}" placeholder:"KIND" help:"Only alerts of this kind: ${alert_kinds}; may be given several times (default: all)."`
	MinSeverity string   `enum:"warning,critical" default:"warning" help:"critical: only what is or was critical."`
}

// Run makes a webhook.
func (c *webhooksCreateCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	body := client.NewWebhook{Type: c.Type, Url: c.URL, MinSeverity: &c.MinSeverity}
	if len(c.Kind) > 0 {
		body.Kinds = &c.Kind
	}
	w, err := answer[client.CreatedWebhook](api.CreateWebhook(ctx, body))
	if err != nil {
		return err
	}
	if w.Secret != nil {
		a.note("the secret is shown only now")
	}
	return show(a.printer, w, []column[client.CreatedWebhook]{
		{"webhook_id", false, func(w client.CreatedWebhook) any { return w.WebhookId }},
		{"type", false, func(w client.CreatedWebhook) any { return w.Type }},
		{"url", false, func(w client.CreatedWebhook) any { return w.Url }},
		{"kinds", false, func(w client.CreatedWebhook) any { return w.Kinds }},
		{"min_severity", false, func(w client.CreatedWebhook) any { return w.MinSeverity }},
		{"secret", false, func(w client.CreatedWebhook) any { return w.Secret }},
	})
}

// oneWebhook is the argument of what is about one.
type oneWebhook struct {
	ID string `arg:"" name:"webhook_id" help:"Id of the webhook."`
}

type webhooksTestCmd struct{ oneWebhook }

// Run sends a test message.
func (c *webhooksTestCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	if err := done(api.TestWebhook(ctx, c.ID)); err != nil {
		return err
	}
	a.note("a test message is on its way; lucidctl webhooks deliveries %s shows what becomes of it", c.ID)
	return nil
}

type webhooksDeliveriesCmd struct {
	oneWebhook
	paging
}

// Run lists deliveries.
func (c *webhooksDeliveriesCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	deliveries, err := gather(a, c.paging, func(at place) ([]client.Delivery, *string, bool, error) {
		p := client.ListWebhookDeliveriesParams{Page: at.page, Limit: at.limit}
		l, err := answer[client.DeliveryList](api.ListWebhookDeliveries(ctx, c.ID, &p))
		return l.Deliveries, nil, l.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	return list(a.printer, deliveries, []column[client.Delivery]{
		{"message_id", false, func(d client.Delivery) any { return d.MessageId }},
		{"state", false, func(d client.Delivery) any { return d.State }},
		{"attempts", false, func(d client.Delivery) any { return d.Attempts }},
		{"status", false, func(d client.Delivery) any { return d.Status }},
		{"last_error", false, func(d client.Delivery) any { return d.LastError }},
		{"created_at", false, func(d client.Delivery) any { return d.CreatedAt }},
		{"ended_at", false, func(d client.Delivery) any { return d.EndedAt }},
	})
}

type webhooksDeleteCmd struct{ oneWebhook }

// Run deletes a webhook, after asking.
func (c *webhooksDeleteCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	if err := a.confirm(ctx, "Delete %s? What was not delivered is given up.", c.ID); err != nil {
		return err
	}
	if err := done(api.DeleteWebhook(ctx, c.ID)); err != nil {
		return err
	}
	a.note("%s is deleted", c.ID)
	return nil
}
