package main

import (
	"context"
	"encoding/json"
	"net/http"

	"lucid.internal/coordinator/client"
)

type payoutsQueueCmd struct{}

// Run shows what waits to be paid.
func (c *payoutsQueueCmd) Run(ctx context.Context, a *app) error {
	return showAnswer(a, func(api *client.Client) (*http.Response, error) {
		return api.GetPayoutQueue(ctx)
	}, []column[client.PayoutQueue]{
		{"queue_length", false, func(q client.PayoutQueue) any { return q.QueueLength }},
		{"total_amount", false, func(q client.PayoutQueue) any { return amount(q.TotalAmount) }},
		{"wait_for_turn", false, func(q client.PayoutQueue) any { return q.WaitingDistribution["turn"] }},
		{"wait_for_approval", false, func(q client.PayoutQueue) any { return q.WaitingDistribution["approval"] }},
		{"wait_for_schedule", false, func(q client.PayoutQueue) any { return q.WaitingDistribution["schedule"] }},
		{"oldest_payout", false, func(q client.PayoutQueue) any { return q.OldestPayout }},
		{"estimated_wait_seconds", false, func(q client.PayoutQueue) any { return q.EstimatedWaitTime }},
		{"halted", false, func(q client.PayoutQueue) any { return q.Halted }},
	})
}

type payoutsStatsCmd struct {
	TimeRange string `enum:",1h,6h,24h,7d,30d" default:"" help:"1h, 6h, 24h, 7d or 30d (default: all)."`
}

// Run sums up payouts.
func (c *payoutsStatsCmd) Run(ctx context.Context, a *app) error {
	return showAnswer(a, func(api *client.Client) (*http.Response, error) {
		return api.GetPayoutStats(ctx, &client.GetPayoutStatsParams{TimeRange: given(c.TimeRange)})
	}, []column[client.PayoutStats]{
		{"total_payouts", false, func(s client.PayoutStats) any { return s.TotalPayouts }},
		{"total_amount", false, func(s client.PayoutStats) any { return amount(s.TotalAmount) }},
		{"total_fees", false, func(s client.PayoutStats) any { return amount(s.TotalFees) }},
		{"total_paid", false, func(s client.PayoutStats) any { return amount(s.TotalPaid) }},
		{"success_rate", false, func(s client.PayoutStats) any { return s.SuccessRate }},
		{"average_processing_seconds", false, func(s client.PayoutStats) any { return s.AverageProcessingTime }},
	})
}

type payoutsBudgetCmd struct {
	PerDay string `arg:"" optional:"" placeholder:"USDT" help:"Approve this much, gross, in any 24 hours; 0 ends it."`
}

// Run shows or approves the budget.
func (c *payoutsBudgetCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	var b client.Budget
	if c.PerDay == "" {
		b, err = answer[client.Budget](api.GetPayoutBudget(ctx))
	} else {
		b, err = answer[client.Budget](api.SetPayoutBudget(ctx, client.SetBudget{PerDay: json.Number(c.PerDay)}))
	}
	if err != nil {
		return err
	}
	return show(a.printer, b, []column[client.Budget]{
		{"per_day", false, func(b client.Budget) any { return amount(b.PerDay) }},
		{"spent", false, func(b client.Budget) any { return amount(b.Spent) }},
		{"approved_by", false, func(b client.Budget) any { return b.ApprovedBy }},
		{"approved_at", false, func(b client.Budget) any { return b.ApprovedAt }},
	})
}

type payoutsHaltsCmd struct{}

// Run lists what halts payouts.
func (c *payoutsHaltsCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	l, err := answer[client.HaltList](api.GetPayoutHalts(ctx))
	return listHalts(a, l, err)
}

func listHalts(a *app, l client.HaltList, err error) error {
	if err != nil {
		return err
	}
	return list(a.printer, l.Halts, []column[client.Halt]{
		{"halt_no", false, func(h client.Halt) any { return h.HaltNo }},
		{"reason", false, func(h client.Halt) any { return h.Reason }},
		{"halted_by", false, func(h client.Halt) any { return h.HaltedBy }},
		{"halted_at", false, func(h client.Halt) any { return h.HaltedAt }},
	})
}

type payoutsHaltCmd struct {
	Reason string `arg:"" help:"Why."`
}

// Run halts all payouts.
func (c *payoutsHaltCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	l, err := answer[client.HaltList](api.HaltPayouts(ctx, client.NewHalt{Reason: c.Reason}))
	return listHalts(a, l, err)
}

type payoutsLiftCmd struct {
	No int64 `arg:"" name:"halt_no" help:"Number of the halt."`
}

// Run lets payouts go on.
func (c *payoutsLiftCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	if err := done(api.LiftPayoutHalt(ctx, c.No)); err != nil {
		return err
	}
	a.note("halt %d is lifted; payouts go on if it was the last", c.No)
	return nil
}
