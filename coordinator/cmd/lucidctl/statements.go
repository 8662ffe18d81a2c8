package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
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
	if a.printer.format == "csv" {
		return c.showCSV(ctx, a, api, p)
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
	a.noteHead(head)
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

func (a *app) noteHead(head client.LedgerHead) {
	a.note("the ledger ends with entry %d, %s; keep it: a ledger that is written anew ends otherwise", head.EntryNo, head.Hash)
}

// showCSV prints the API's own CSV, its pages under one heading: who compares it
// with what the API or `lucid-coordinator statement` gave finds the same bytes.
func (c *statementsCmd) showCSV(ctx context.Context, a *app, api *client.Client, p client.GetStatementParams) error {
	var heading string
	rows, err := gather(a, c.paging, func(at place) ([]string, *string, bool, error) {
		p.Cursor, p.Limit, p.Format = at.cursor, at.limit, new("csv")
		text, next, err := csvPage(api.GetStatement(ctx, c.ID, &p))
		if err != nil {
			return nil, nil, false, err
		}
		lines := slices.Collect(strings.Lines(text)) // no cell holds a line break
		if len(lines) == 0 {
			return nil, nil, false, errors.New("the answer is no CSV: it has no heading")
		}
		heading = lines[0]
		return lines[1:], next, next != nil, nil
	})
	if err != nil {
		return err
	}
	p.Cursor, p.Limit, p.Format = nil, new(int64(1)), nil // the CSV does not tell the ledger's head
	s, err := answer[client.Statement](api.GetStatement(ctx, c.ID, &p))
	if err != nil {
		return err
	}
	a.noteHead(s.LedgerHead)
	_, err = io.WriteString(a.out, heading+strings.Join(rows, ""))
	return err
}

// csvPage is an answer in CSV and the cursor of the page after it, nil when it is the last.
func csvPage(response *http.Response, err error) (text string, next *string, _ error) {
	if err != nil {
		return "", nil, err
	}
	defer response.Body.Close()
	if err := refused(response); err != nil {
		return "", nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", nil, fmt.Errorf("the answer could not be read: %w", err)
	}
	link, isNext := strings.CutSuffix(response.Header.Get("Link"), `>; rel="next"`)
	if !isNext {
		return string(body), nil, nil
	}
	u, err := url.Parse(strings.TrimPrefix(link, "<"))
	if err != nil {
		return "", nil, fmt.Errorf("the link to the next page cannot be read: %w", err)
	}
	return string(body), new(u.Query().Get("cursor")), nil
}

// asJSON is what no cell can show otherwise.
func asJSON(value any) any {
	text, err := json.Marshal(value)
	if err != nil { // nothing that came as JSON
		return err.Error()
	}
	return json.RawMessage(text)
}
