package main

import (
	"context"
	"crypto/rand"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"lucid.internal/coordinator/client"
)

// onceFlag names a call, so that it can be made again.
type onceFlag struct {
	Key string `name:"idempotency-key" help:"Name of this call: made again with it, it makes nothing more (default: a new one)."`
}

func (f onceFlag) key() string {
	if f.Key == "" {
		return rand.Text()
	}
	return f.Key
}

type payoutsCreateCmd struct {
	oneNode
	onceFlag
	Amount   string     `arg:"" help:"USDT, gross."`
	Priority string     `enum:"urgent,high,normal,low" default:"normal" help:"urgent, high, normal or low."`
	At       *time.Time `placeholder:"TIME" help:"Not paid before; RFC 3339."`
}

// Run makes a payout.
func (c *payoutsCreateCmd) Run(ctx context.Context, a *app) error {
	body := client.PayoutRequest{Amount: json.Number(c.Amount), Currency: "USDT", Priority: &c.Priority, ScheduledAt: c.At}
	return showPayout(a, func(api *client.Client) (*http.Response, error) {
		return api.CreatePayout(ctx, c.ID, &client.CreatePayoutParams{IdempotencyKey: c.key()}, body)
	})
}

// rows reads a CSV file whose first line names its columns, in any order.
func rows(file string, columns ...string) ([]map[string]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(records) < 2 {
		return nil, fmt.Errorf("%s: holds no lines under a line of column names", file)
	}
	for _, column := range columns {
		if !slices.Contains(records[0], column) {
			return nil, fmt.Errorf("%s: has no column %s", file, column)
		}
	}
	list := make([]map[string]string, len(records)-1)
	for i, record := range records[1:] {
		list[i] = make(map[string]string, len(record))
		for k, value := range record {
			list[i][records[0][k]] = value
		}
	}
	return list, nil
}

// requestsIn reads payouts to be made: columns node_id and amount, and priority
// if there is one.
func requestsIn(file string) ([]client.BatchRequest, error) {
	lines, err := rows(file, "node_id", "amount")
	requests := make([]client.BatchRequest, len(lines))
	for i, l := range lines {
		requests[i] = client.BatchRequest{NodeId: l["node_id"], Amount: json.Number(l["amount"]), Currency: "USDT", Priority: given(l["priority"])}
	}
	return requests, err
}

type payoutsBatchCmd struct {
	onceFlag
	File string `arg:"" help:"CSV with columns node_id and amount, and priority if wanted."`
}

// Run makes a batch.
func (c *payoutsBatchCmd) Run(ctx context.Context, a *app) error {
	requests, err := requestsIn(c.File)
	if err != nil {
		return err
	}
	api, err := a.api()
	if err != nil {
		return err
	}
	b, err := answer[client.Batch](api.CreatePayoutBatch(ctx, &client.CreatePayoutBatchParams{IdempotencyKey: c.key()}, client.NewBatch{PayoutRequests: requests}))
	return showBatch(a, b, err)
}

func showBatch(a *app, b client.Batch, err error) error {
	if err != nil {
		return err
	}
	for _, d := range b.Dropped {
		a.note("left out: %s: %s", d.NodeId, d.Reason)
	}
	return show(a.printer, b, []column[client.Batch]{
		{"batch_id", false, func(b client.Batch) any { return b.BatchId }},
		{"status", false, func(b client.Batch) any { return b.Status }},
		{"total", false, func(b client.Batch) any { return b.Total }},
		{"total_amount", false, func(b client.Batch) any { return amount(b.TotalAmount) }},
		{"total_fees", false, func(b client.Batch) any { return amount(b.TotalFees) }},
		{"dropped", false, func(b client.Batch) any { return len(b.Dropped) }},
	})
}

type payoutsPlanCmd struct {
	File string `help:"CSV as of batch; without it, what a round would pay."`
}

// Run shows a plan, and its sums beside it.
func (c *payoutsPlanCmd) Run(ctx context.Context, a *app) error {
	var body client.PlanRequest
	if c.File != "" {
		requests, err := requestsIn(c.File)
		if err != nil {
			return err
		}
		body.PayoutRequests = &requests
	}
	api, err := a.api()
	if err != nil {
		return err
	}
	p, err := answer[client.Plan](api.PlanPayouts(ctx, body))
	if err != nil {
		return err
	}
	a.note("%d payouts of %s USDT; fees %s, expected network cost %s", p.Payouts, p.Amount, p.Fees, p.NetworkCost)
	return list(a.printer, p.Lines, []column[client.PlanLine]{
		{"node_id", false, func(l client.PlanLine) any { return l.NodeId }},
		{"amount", false, func(l client.PlanLine) any { return amount(l.Amount) }},
		{"fee", false, func(l client.PlanLine) any { return amount(l.Fee) }},
		{"network_cost", true, func(l client.PlanLine) any { return amount(l.NetworkCost) }},
		{"wallet_address", false, func(l client.PlanLine) any { return l.WalletAddress }},
		{"priority", true, func(l client.PlanLine) any { return l.Priority }},
		{"hash", true, func(l client.PlanLine) any { return l.Hash }},
		{"error_message", false, func(l client.PlanLine) any { return l.ErrorMessage }},
	})
}

type payoutsExecuteCmd struct {
	onceFlag
	File string `arg:"" help:"What payouts plan -o json wrote; take out the lines that shall not be paid."`
}

// Run makes what a plan showed.
func (c *payoutsExecuteCmd) Run(ctx context.Context, a *app) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	var planned []client.PlanLine
	if err := json.Unmarshal(text, &planned); err != nil {
		return fmt.Errorf("%s is no plan as payouts plan -o json writes it: %w", c.File, err)
	}
	var lines []client.ExecuteLine
	for _, l := range planned {
		if l.Hash != nil { // what cannot be paid has none
			lines = append(lines, client.ExecuteLine{NodeId: l.NodeId, Amount: l.Amount, Priority: l.Priority, ScheduledAt: l.ScheduledAt, Hash: *l.Hash})
		}
	}
	if len(lines) == 0 {
		return errors.New("nothing in the plan can be paid")
	}
	api, err := a.api()
	if err != nil {
		return err
	}
	b, err := answer[client.Batch](api.ExecutePayoutPlan(ctx, &client.ExecutePayoutPlanParams{IdempotencyKey: c.key()}, client.Execute{Lines: lines}))
	return showBatch(a, b, err)
}
