package main

import (
	"context"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"lucid.internal/coordinator/client"
)

type tokensCmd struct {
	List   tokensListCmd   `cmd:"" help:"List enrolment tokens."`
	Create tokensCreateCmd `cmd:"" help:"Make an enrolment token and print it once."`
	Revoke tokensRevokeCmd `cmd:"" help:"Revoke an enrolment token."`
}

type tokensListCmd struct{ paging }

// Run lists enrolment tokens.
func (c *tokensListCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	tokens, err := gather(a, c.paging, func(at place) ([]client.EnrolmentToken, *string, bool, error) {
		l, err := answer[client.EnrolmentTokenList](api.ListEnrolmentTokens(ctx, &client.ListEnrolmentTokensParams{Page: at.page, Limit: at.limit}))
		return l.EnrolmentTokens, l.Pagination.NextCursor, l.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	return list(a.printer, tokens, []column[client.EnrolmentToken]{
		{"token_id", false, func(t client.EnrolmentToken) any { return t.TokenId }},
		{"status", false, func(t client.EnrolmentToken) any { return t.Status }},
		{"pool_id", false, func(t client.EnrolmentToken) any { return t.PoolId }},
		{"node_name", true, func(t client.EnrolmentToken) any { return t.NodeName }},
		{"used", false, func(t client.EnrolmentToken) any { return t.Used }},
		{"uses", false, func(t client.EnrolmentToken) any { return t.Uses }},
		{"expires_at", false, func(t client.EnrolmentToken) any { return t.ExpiresAt }},
		{"created_at", true, func(t client.EnrolmentToken) any { return t.CreatedAt }},
		{"revoked_at", true, func(t client.EnrolmentToken) any { return t.RevokedAt }},
		{"node_ids", true, func(t client.EnrolmentToken) any { return t.NodeIds }},
	})
}

type tokensCreateCmd struct {
	Pool    string               `placeholder:"POOL_ID" help:"Pool that its devices join (default: the one that fits)."`
	Name    string               `placeholder:"NAME" help:"Name of the new node (default: from the device's host name)."`
	Node    string               `placeholder:"NODE_ID" help:"Enrol this node again instead of making a new one."`
	Serial  []string             `sep:"none" placeholder:"SERIAL" help:"Serial number of a board that it brings in, or its SHA-256; may be given up to 100 times (default: any one board)."`
	Serials kong.FileContentFlag `placeholder:"FILE" help:"File with such serial numbers, one a line."`
	Life    time.Duration        `default:"24h" help:"How long it may be used, at most 168h."`
	enrolFile
}

// Run makes an enrolment token.
func (c *tokensCreateCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	until := a.now().Add(c.Life)
	body := client.NewEnrolmentToken{PoolId: given(c.Pool), NodeName: given(c.Name), NodeId: given(c.Node), ExpiresAt: &until}
	if len(c.Serial) > 0 || c.Serials != nil { // an empty file is refused: without serials any board would do
		serials := c.serials()
		body.Serials = &serials
	}
	var t client.CreatedEnrolmentToken
	err = c.write(a, func() (string, error) {
		t, err = answer[client.CreatedEnrolmentToken](api.CreateEnrolmentToken(ctx, body))
		return t.EnrollToml, err
	})
	if err != nil {
		return err
	}
	if c.File != "" {
		t.Token, t.EnrollToml = "", ""
	}
	return show(a.printer, t, []column[client.CreatedEnrolmentToken]{
		{"token_id", false, func(t client.CreatedEnrolmentToken) any { return t.TokenId }},
		{"pool_id", false, func(t client.CreatedEnrolmentToken) any { return t.PoolId }},
		{"uses", false, func(t client.CreatedEnrolmentToken) any { return t.Uses }},
		{"expires_at", false, func(t client.CreatedEnrolmentToken) any { return t.ExpiresAt }},
		{"token", false, func(t client.CreatedEnrolmentToken) any { return t.Token }},
	})
}

// serials are those of the command line and of the file, where a NUL ends one too:
// device trees write it behind theirs, and no end of line. What stands around
// one is cut off where it is compared.
func (c *tokensCreateCmd) serials() []string {
	serials := append([]string{}, c.Serial...)
	for _, serial := range strings.FieldsFunc(string(c.Serials), func(r rune) bool { return r == '\n' || r == '\r' || r == 0 }) {
		if serial = strings.Trim(serial, " \t\ufeff"); serial != "" {
			serials = append(serials, serial)
		}
	}
	return serials
}

type tokensRevokeCmd struct {
	ID string `arg:"" name:"token_id" help:"Id of the enrolment token."`
}

// Run revokes an enrolment token, after asking.
func (c *tokensRevokeCmd) Run(ctx context.Context, a *app) error {
	return a.revoke(ctx, c.ID, func(api *client.Client) error { return done(api.RevokeEnrolmentToken(ctx, c.ID)) })
}
