package main

import (
	"context"
	"encoding/json"
	"time"

	"lucid.internal/coordinator/client"
)

type statementsCmd struct {
	oneNode
	paging
	Start *time.Time `placeholder:"TIME" help:"Beginning, like 2026-05-01T00:00:00Z (default: the node's first epoch)."`
	End   *time.Time `placeholder:"TIME" help:"End, not included (default: now)."`
}

// Run lists the lines of a node's statement, the oldest first. The ledger's
// head goes beside them: it belongs to no line.
func (c *statementsCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	p := client.GetStatementParams{StartTime: c.Start, EndTime: c.End}
	if p.EndTime == nil { // one end for all pages
		p.EndTime = new(a.now())
	}
	var head client.LedgerHead
	lines, err := gather(a, c.paging, func(at place) ([]client.StatementLine, *string, bool, error) {
		p.Cursor, p.Limit = at.cursor, at.limit
		s, err := answer[client.Statement](api.GetStatement(ctx, c.ID, &p))
		head = s.LedgerHead
		return s.Lines, s.Pagination.NextCursor, s.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	a.note("the ledger ends with entry %d, %s; keep it: a ledger that is written anew ends otherwise", head.EntryNo, head.Hash)
	return list(a.printer, lines, []column[client.StatementLine]{
		{"starts_at", true, func(l client.StatementLine) any { return l.StartsAt }},
		{"ends_at", false, func(l client.StatementLine) any { return l.EndsAt }},
		{"pool_id", false, func(l client.StatementLine) any { return l.PoolId }},
		{"share", false, func(l client.StatementLine) any { return amount(l.Share) }},
		{"pool_reward", false, func(l client.StatementLine) any { return amount(l.PoolReward) }},
		{"weight", false, func(l client.StatementLine) any { return l.Weight }},
		{"pool_weight", false, func(l client.StatementLine) any { return l.PoolWeight }},
		{"score", true, func(l client.StatementLine) any { return l.Score }},
		{"credited_ms", true, func(l client.StatementLine) any { return l.CreditedMs }},
		{"member_ms", true, func(l client.StatementLine) any { return l.MemberMs }},
		{"destination", true, func(l client.StatementLine) any { return l.Destination }},
		{"reasons", true, func(l client.StatementLine) any { return l.Reasons }},
		{"entry_id", true, func(l client.StatementLine) any { return l.EntryId }},
		{"factors", true, func(l client.StatementLine) any { return asJSON(l.Factors) }},
		{"fault_windows", true, func(l client.StatementLine) any { return asJSON(l.FaultWindows) }},
		{"evidence", true, func(l client.StatementLine) any { return asJSON(l.Evidence) }},
	})
}

// asJSON is what no cell can show otherwise.
func asJSON(value any) any {
	text, err := json.Marshal(value)
	if err != nil { // nothing that came as JSON
		return err.Error()
	}
	return json.RawMessage(text)
}
