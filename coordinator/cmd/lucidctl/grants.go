package main

import (
	"context"
	"net/http"

	"lucid.internal/coordinator/client"
)

type grantsCmd struct {
	List   grantsListCmd   `cmd:"" help:"List what an API key may read over MQTT."`
	Add    grantsAddCmd    `cmd:"" help:"Let an API key read topics."`
	Revoke grantsRevokeCmd `cmd:"" help:"Take a grant back."`
}

func grantColumns() []column[client.TopicGrant] {
	return []column[client.TopicGrant]{
		{"grant_id", false, func(g client.TopicGrant) any { return g.GrantId }},
		{"filter", false, func(g client.TopicGrant) any { return g.Filter }},
		{"created_at", false, func(g client.TopicGrant) any { return g.CreatedAt }},
	}
}

// grantedKey is the argument of what is about a key's grants.
type grantedKey struct {
	KeyID string `arg:"" name:"key_id" help:"Id of the API key."`
}

type grantsListCmd struct {
	grantedKey
	paging
}

// Run lists grants.
func (c *grantsListCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	grants, err := gather(a, c.paging, func(at place) ([]client.TopicGrant, *string, bool, error) {
		l, err := answer[client.TopicGrantList](api.ListTopicGrants(ctx, c.KeyID, &client.ListTopicGrantsParams{Page: at.page, Limit: at.limit}))
		return l.Grants, nil, l.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	return list(a.printer, grants, grantColumns())
}

type grantsAddCmd struct {
	grantedKey
	Filter string `arg:"" help:"MQTT topic filter, as lucid/v1/events/+."`
}

// Run makes a grant.
func (c *grantsAddCmd) Run(ctx context.Context, a *app) error {
	return showAnswer(a, func(api *client.Client) (*http.Response, error) {
		return api.GrantTopics(ctx, c.KeyID, client.GrantTopics{Filter: c.Filter})
	}, grantColumns())
}

type grantsRevokeCmd struct {
	grantedKey
	ID string `arg:"" name:"grant_id" help:"Id of the grant."`
}

// Run takes a grant back.
func (c *grantsRevokeCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	if err := done(api.RevokeTopicGrant(ctx, c.KeyID, c.ID)); err != nil {
		return err
	}
	a.note("%s is taken back", c.ID)
	return nil
}
