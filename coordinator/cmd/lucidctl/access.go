package main

import (
	"context"
	"encoding/json"
	"time"

	"lucid.internal/coordinator/client"
)

type apikeysCmd struct {
	List   apikeysListCmd   `cmd:"" help:"List API keys."`
	Create apikeysCreateCmd `cmd:"" help:"Make an API key and print it once."`
	Revoke apikeysRevokeCmd `cmd:"" help:"Revoke an API key."`
}

type apikeysListCmd struct{ paging }

// Run lists API keys.
func (c *apikeysListCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	keys, err := gather(a, c.paging, func(at place) ([]client.Key, *string, bool, error) {
		l, err := answer[client.KeyList](api.ListAPIKeys(ctx, &client.ListAPIKeysParams{Page: at.page, Limit: at.limit}))
		return l.ApiKeys, l.Pagination.NextCursor, l.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	return list(a.printer, keys, []column[client.Key]{
		{"key_id", false, func(k client.Key) any { return k.KeyId }},
		{"name", false, func(k client.Key) any { return k.Name }},
		{"role", false, func(k client.Key) any { return k.Role }},
		{"prefix", true, func(k client.Key) any { return k.Prefix }},
		{"node_ids", true, func(k client.Key) any { return k.NodeIds }},
		{"created_at", false, func(k client.Key) any { return k.CreatedAt }},
		{"expires_at", false, func(k client.Key) any { return k.ExpiresAt }},
		{"revoked_at", false, func(k client.Key) any { return k.RevokedAt }},
	})
}

type apikeysCreateCmd struct {
	Name string        `arg:"" help:"What or whom it is for: 3 to 100 letters, digits, _ or -."`
	Role string        `enum:"viewer,operator,admin,service" default:"viewer" help:"viewer, operator, admin or service."`
	Life time.Duration `help:"How long it is valid (default: until revoked)."`
	Node []string      `placeholder:"NODE_ID" help:"Bind it to this node; may be given several times."`
}

// Run makes an API key.
func (c *apikeysCreateCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	body := client.NewKey{Name: c.Name, Role: c.Role}
	if c.Life != 0 {
		until := a.now().Add(c.Life)
		body.ExpiresAt = &until
	}
	if len(c.Node) > 0 {
		body.NodeIds = &c.Node
	}
	k, err := answer[client.CreatedKey](api.CreateAPIKey(ctx, body))
	if err != nil {
		return err
	}
	a.note("the key is shown only now")
	return show(a.printer, k, []column[client.CreatedKey]{
		{"key_id", false, func(k client.CreatedKey) any { return k.KeyId }},
		{"name", false, func(k client.CreatedKey) any { return k.Name }},
		{"role", false, func(k client.CreatedKey) any { return k.Role }},
		{"expires_at", false, func(k client.CreatedKey) any { return k.ExpiresAt }},
		{"api_key", false, func(k client.CreatedKey) any { return k.ApiKey }},
	})
}

type apikeysRevokeCmd struct {
	ID string `arg:"" name:"key_id" help:"Id of the key."`
}

// Run revokes an API key, after asking.
func (c *apikeysRevokeCmd) Run(ctx context.Context, a *app) error {
	return a.revoke(ctx, c.ID, func(api *client.Client) error { return done(api.RevokeAPIKey(ctx, c.ID)) })
}

// revoke asks, revokes and says so.
func (a *app) revoke(ctx context.Context, id string, do func(*client.Client) error) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	if err := a.confirm(ctx, "Revoke %s?", id); err != nil {
		return err
	}
	if err := do(api); err != nil {
		return err
	}
	a.note("%s is revoked", id)
	return nil
}

type auditCmd struct {
	List auditListCmd `cmd:"" help:"List changes, newest first."`
}

type auditListCmd struct {
	paging
	Actor  string `help:"Only what this key or user, cli:USER, device or system did."`
	Action string `help:"Only this action, as pool.create."`
	Target string `help:"Only what was done to this thing."`
}

// Run lists changes.
func (c *auditListCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	p := client.ListAuditParams{Actor: given(c.Actor), Action: given(c.Action), Target: given(c.Target)}
	entries, err := gather(a, c.paging, func(at place) ([]client.Audit, *string, bool, error) {
		p.Cursor, p.Limit = at.cursor, at.limit
		l, err := answer[client.AuditList](api.ListAudit(ctx, &p))
		return l.Entries, l.Pagination.NextCursor, l.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	return list(a.printer, entries, auditColumns())
}

func auditColumns() []column[client.Audit] {
	return []column[client.Audit]{
		{"entry_no", false, func(e client.Audit) any { return e.EntryNo }},
		{"at", false, func(e client.Audit) any { return e.At }},
		{"actor", false, func(e client.Audit) any { return clipped(e.Actor) }},
		{"action", false, func(e client.Audit) any { return clipped(e.Action) }},
		{"target", false, func(e client.Audit) any { return clipped(e.Target) }},
		{"before", true, func(e client.Audit) any { return object(e.Before) }},
		{"after", true, func(e client.Audit) any { return object(e.After) }},
		{"request_id", true, func(e client.Audit) any { return e.RequestId }},
	}
}

func object(fields *map[string]any) any {
	if fields == nil {
		return nil
	}
	text, _ := json.Marshal(fields) // of what was JSON
	return json.RawMessage(text)
}
