package main

import (
	"context"

	"lucid.internal/coordinator/client"
)

type deadLettersCmd struct {
	List deadLettersListCmd `cmd:"" help:"List them, newest first."`
}

type deadLettersListCmd struct {
	paging
	Node    string `placeholder:"NODE_ID" help:"Only of this node."`
	Channel string `placeholder:"CHANNEL" help:"Only of this channel: status, info, metrics or command/result."`
	Reason  string `placeholder:"REASON" help:"Only with this reason: malformed, time, conflict, overlap, runs, database or unknown."`
}

// Run lists dead letters.
func (c *deadLettersListCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	p := client.ListDeadLettersParams{NodeId: given(c.Node), Channel: given(c.Channel), Reason: given(c.Reason)}
	letters, err := gather(a, c.paging, func(at place) ([]client.DeadLetter, *string, bool, error) {
		p.Cursor, p.Limit = at.cursor, at.limit
		l, err := answer[client.DeadLetterList](api.ListDeadLetters(ctx, &p))
		return l.DeadLetters, l.Pagination.NextCursor, l.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	return list(a.printer, letters, []column[client.DeadLetter]{
		{"letter_no", false, func(l client.DeadLetter) any { return l.LetterNo }},
		{"received_at", false, func(l client.DeadLetter) any { return l.ReceivedAt }},
		{"node_id", false, func(l client.DeadLetter) any { return l.NodeId }},
		{"channel", false, func(l client.DeadLetter) any { return l.Channel }},
		{"reason", false, func(l client.DeadLetter) any { return l.Reason }},
		{"detail", false, func(l client.DeadLetter) any { return l.Detail }},
		{"size_bytes", true, func(l client.DeadLetter) any { return size(l.SizeBytes) }},
		{"payload", true, func(l client.DeadLetter) any { return l.Payload }},
	})
}
