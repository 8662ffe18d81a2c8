package main

import (
	"context"

	"lucid.internal/coordinator/client"
)

type earningsCmd struct {
	oneNode
	Epochs bool  `help:"The epochs instead of the sums."`
	Limit  int64 `default:"20" help:"Epochs at most, 1 to 100."`
}

// Run shows what a node has earned.
func (c *earningsCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	e, err := answer[client.Earnings](api.GetEarnings(ctx, c.ID, &client.GetEarningsParams{Limit: &c.Limit}))
	if err != nil {
		return err
	}
	if c.Epochs {
		return list(a.printer, e.Epochs, epochColumns())
	}
	return show(a.printer, e, []column[client.Earnings]{
		{"node_id", false, func(e client.Earnings) any { return e.NodeId }},
		{"payable", false, func(e client.Earnings) any { return amount(e.Payable) }},
		{"held", false, func(e client.Earnings) any { return amount(e.Held) }},
		{"in_flight", false, func(e client.Earnings) any { return amount(e.InFlight) }},
		{"paid", false, func(e client.Earnings) any { return amount(e.Paid) }},
		{"fees", false, func(e client.Earnings) any { return amount(e.Fees) }},
		{"currency", false, func(e client.Earnings) any { return e.Currency }},
	})
}

func epochColumns() []column[client.Epoch] {
	return []column[client.Epoch]{
		{"starts_at", true, func(e client.Epoch) any { return e.StartsAt }},
		{"ends_at", false, func(e client.Epoch) any { return e.EndsAt }},
		{"pool_id", false, func(e client.Epoch) any { return e.PoolId }},
		{"share", false, func(e client.Epoch) any { return amount(e.Share) }},
		{"pool_reward", false, func(e client.Epoch) any { return amount(e.PoolReward) }},
		{"poot_score", false, func(e client.Epoch) any { return points(e.PootScore) }},
		{"credited_seconds", false, func(e client.Epoch) any { return e.CreditedSeconds }},
		{"member_seconds", true, func(e client.Epoch) any { return e.MemberSeconds }},
		{"destination", true, func(e client.Epoch) any { return e.Destination }},
		{"reasons", true, func(e client.Epoch) any { return e.Reasons }},
	}
}

type payoutsCmd struct {
	List           payoutsListCmd           `cmd:"" help:"List payouts, newest first."`
	Get            payoutsGetCmd            `cmd:"" help:"Show a payout."`
	Create         payoutsCreateCmd         `cmd:"" help:"Make a payout."`
	Batch          payoutsBatchCmd          `cmd:"" help:"Make many payouts from a file, all or none."`
	Plan           payoutsPlanCmd           `cmd:"" help:"Show whom a round would pay now, or what a file would make; -o json for execute."`
	Execute        payoutsExecuteCmd        `cmd:"" help:"Make what a plan showed; lines that changed drop out."`
	Cancel         payoutsCancelCmd         `cmd:"" help:"Cancel a pending payout."`
	Retry          payoutsRetryCmd          `cmd:"" help:"Try a failed payout again."`
	Approve        payoutsApproveCmd        `cmd:"" help:"Approve a payout that somebody else asked for."`
	ApproveBatch   payoutsApproveBatchCmd   `cmd:"" help:"Approve a batch that somebody else asked for."`
	Queue          payoutsQueueCmd          `cmd:"" help:"Show what waits to be paid."`
	Stats          payoutsStatsCmd          `cmd:"" help:"Sum up payouts."`
	Budget         payoutsBudgetCmd         `cmd:"" help:"Show, or approve, what automatic rounds may spend in 24 hours."`
	Halts          payoutsHaltsCmd          `cmd:"" help:"List what halts payouts."`
	Halt           payoutsHaltCmd           `cmd:"" help:"Halt all payouts."`
	Lift           payoutsLiftCmd           `cmd:"" help:"Let payouts go on."`
	Export         payoutsExportCmd         `cmd:"" help:"Take the next payouts to be paid by hand, as CSV; or print an export again."`
	Complete       payoutsCompleteCmd       `cmd:"" help:"Record the transaction that paid a payout."`
	Fail           payoutsFailCmd           `cmd:"" help:"Tell, with a proof, that a payout failed."`
	Failure        payoutsFailureCmd        `cmd:"" help:"Show what was told of a failed payout, and its hash."`
	ConfirmFailure payoutsConfirmFailureCmd `cmd:"" help:"Confirm what somebody else told to have failed."`
	Reconcile      payoutsReconcileCmd      `cmd:"" help:"Hold the wallet's list against the payouts."`
}

type payoutsListCmd struct {
	ID string `arg:"" optional:"" name:"node_id" help:"Of this node only."`
	paging
	Status string `enum:",pending,processing,completed,failed,cancelled" default:"" placeholder:"STATUS" help:"Only payouts in this status: pending, processing, completed, failed or cancelled."`
}

// Run lists the payouts of a node, or of all.
func (c *payoutsListCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	of, all := client.ListNodePayoutsParams{Status: given(c.Status)}, client.ListPayoutsParams{Status: given(c.Status)}
	payouts, err := gather(a, c.paging, func(at place) ([]client.Payout, *string, bool, error) {
		var l client.PayoutList
		if c.ID != "" {
			of.Page, of.Cursor, of.Limit = at.page, at.cursor, at.limit
			l, err = answer[client.PayoutList](api.ListNodePayouts(ctx, c.ID, &of))
		} else {
			all.Cursor, all.Limit = at.cursor, at.limit
			l, err = answer[client.PayoutList](api.ListPayouts(ctx, &all))
		}
		return l.Payouts, l.Pagination.NextCursor, l.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	return list(a.printer, payouts, payoutColumns())
}

func payoutColumns() []column[client.Payout] {
	return []column[client.Payout]{
		{"payout_id", false, func(p client.Payout) any { return p.PayoutId }},
		{"node_id", false, func(p client.Payout) any { return p.NodeId }},
		{"status", false, func(p client.Payout) any { return p.Status }},
		{"amount", false, func(p client.Payout) any { return amount(p.Amount) }},
		{"fee", false, func(p client.Payout) any { return amount(p.Fee) }},
		{"net_amount", false, func(p client.Payout) any { return amount(p.NetAmount) }},
		{"currency", true, func(p client.Payout) any { return p.Currency }},
		{"wallet_address", true, func(p client.Payout) any { return p.WalletAddress }},
		{"transaction_hash", true, func(p client.Payout) any { return p.TransactionHash }},
		{"error_message", true, func(p client.Payout) any { return p.ErrorMessage }},
		{"created_at", false, func(p client.Payout) any { return p.CreatedAt }},
		{"completed_at", false, func(p client.Payout) any { return p.CompletedAt }},
	}
}

type scoreCmd struct{ oneNode }

// Run shows a node's score.
func (c *scoreCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	s, err := answer[client.Score](api.GetPootScore(ctx, c.ID))
	if err != nil {
		return err
	}
	factor := func(of func(client.Factors) any) func(client.Score) any {
		return func(s client.Score) any {
			if s.Factors == nil {
				return nil
			}
			return of(*s.Factors)
		}
	}
	return show(a.printer, s, []column[client.Score]{
		{"node_id", false, func(s client.Score) any { return s.NodeId }},
		{"score", false, func(s client.Score) any { return points(s.Score) }},
		{"confidence", false, func(s client.Score) any { return s.Confidence }},
		{"verdicts", false, func(s client.Score) any { return s.Verdicts }},
		{"validation_status", false, func(s client.Score) any { return s.ValidationStatus }},
		{"validation_reason", false, func(s client.Score) any { return s.ValidationReason }},
		{"calculated_at", false, func(s client.Score) any { return s.CalculatedAt }},
		{"vetted_at", false, func(s client.Score) any { return s.VettedAt }},
		{"reputation", false, factor(func(f client.Factors) any { return f.Reputation })},
		{"timeliness", false, factor(func(f client.Factors) any { return f.Timeliness })},
		{"availability", false, factor(func(f client.Factors) any { return f.Availability })},
		{"quality", false, factor(func(f client.Factors) any { return f.Quality })},
	})
}

type historyCmd struct {
	oneNode
	paging
}

// Run lists a node's verdicts.
func (c *historyCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	verdicts, err := gather(a, c.paging, func(at place) ([]client.Verdict, *string, bool, error) {
		l, err := answer[client.History](api.ListPootHistory(ctx, c.ID, &client.ListPootHistoryParams{Cursor: at.cursor, Limit: at.limit}))
		return l.History, l.Pagination.NextCursor, l.Pagination.HasNext, err
	})
	if err != nil {
		return err
	}
	return list(a.printer, verdicts, []column[client.Verdict]{
		{"at", false, func(v client.Verdict) any { return v.At }},
		{"verdict", false, func(v client.Verdict) any { return v.Verdict }},
		{"reason", false, func(v client.Verdict) any { return v.Reason }},
		{"answered_ms", false, func(v client.Verdict) any { return v.AnsweredMs }},
		{"score_before", true, func(v client.Verdict) any { return points(v.ScoreBefore) }},
		{"score_after", false, func(v client.Verdict) any { return points(v.ScoreAfter) }},
		{"challenge_id", true, func(v client.Verdict) any { return v.ChallengeId.String() }},
	})
}
