package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"lucid.internal/coordinator/client"
)

// onePayout is the argument of what is about one.
type onePayout struct {
	ID string `arg:"" name:"payout_id" help:"Id of the payout."`
}

// showPayout prints the payout that a call answers with.
func showPayout(a *app, send func(*client.Client) (*http.Response, error)) error {
	return showAnswer(a, send, payoutColumns())
}

type payoutsGetCmd struct{ onePayout }

// Run shows a payout.
func (c *payoutsGetCmd) Run(ctx context.Context, a *app) error {
	return showPayout(a, func(api *client.Client) (*http.Response, error) { return api.GetPayout(ctx, c.ID) })
}

type payoutsCancelCmd struct{ onePayout }

// Run cancels a payout.
func (c *payoutsCancelCmd) Run(ctx context.Context, a *app) error {
	return showPayout(a, func(api *client.Client) (*http.Response, error) { return api.CancelPayout(ctx, c.ID) })
}

type payoutsRetryCmd struct{ onePayout }

// Run tries a payout again.
func (c *payoutsRetryCmd) Run(ctx context.Context, a *app) error {
	return showPayout(a, func(api *client.Client) (*http.Response, error) { return api.RetryPayout(ctx, c.ID) })
}

type payoutsApproveCmd struct{ onePayout }

// Run approves a payout.
func (c *payoutsApproveCmd) Run(ctx context.Context, a *app) error {
	return showPayout(a, func(api *client.Client) (*http.Response, error) { return api.ApprovePayout(ctx, c.ID) })
}

type payoutsApproveBatchCmd struct {
	ID string `arg:"" name:"batch_id" help:"Id of the batch."`
}

// Run approves a batch.
func (c *payoutsApproveBatchCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	b, err := answer[client.Batch](api.ApprovePayoutBatch(ctx, c.ID))
	return showBatch(a, b, err)
}

type payoutsCompleteCmd struct {
	onePayout
	Transaction string `arg:"" help:"Transaction that paid it."`
}

// Run records what paid a payout.
func (c *payoutsCompleteCmd) Run(ctx context.Context, a *app) error {
	return showPayout(a, func(api *client.Client) (*http.Response, error) {
		return api.CompletePayout(ctx, c.ID, client.Complete{TransactionHash: c.Transaction})
	})
}

type payoutsFailCmd struct {
	onePayout
	Reason string `required:"" help:"Why it failed."`
	Proof  string `required:"" help:"What shows that it was not paid and never will be."`
}

// Run tells that a payout failed.
func (c *payoutsFailCmd) Run(ctx context.Context, a *app) error {
	a.note("nothing moves before a second person has read it (lucidctl payouts failure %s) and confirmed it", c.ID)
	return showPayout(a, func(api *client.Client) (*http.Response, error) {
		return api.ReportPayoutFailure(ctx, c.ID, client.Failure{Reason: c.Reason, Proof: c.Proof})
	})
}

type payoutsFailureCmd struct{ onePayout }

// Run shows what was told of a failed payout.
func (c *payoutsFailureCmd) Run(ctx context.Context, a *app) error {
	return showAnswer(a, func(api *client.Client) (*http.Response, error) {
		return api.GetPayoutFailure(ctx, c.ID)
	}, []column[client.Reported]{
		{"payout_id", false, func(f client.Reported) any { return f.PayoutId }},
		{"reason", false, func(f client.Reported) any { return f.Reason }},
		{"proof", false, func(f client.Reported) any { return f.Proof }},
		{"reported_by", false, func(f client.Reported) any { return f.ReportedBy }},
		{"reported_at", false, func(f client.Reported) any { return f.ReportedAt }},
		{"confirmed_by", false, func(f client.Reported) any { return f.ConfirmedBy }},
		{"report_hash", false, func(f client.Reported) any { return f.ReportHash }},
	})
}

type payoutsConfirmFailureCmd struct {
	onePayout
	Hash string `arg:"" name:"report_hash" help:"Of the report that you read, as payouts failure shows it."`
}

// Run confirms that a payout failed.
func (c *payoutsConfirmFailureCmd) Run(ctx context.Context, a *app) error {
	return showPayout(a, func(api *client.Client) (*http.Response, error) {
		return api.ConfirmPayoutFailure(ctx, c.ID, client.Confirm{ReportHash: c.Hash})
	})
}

type payoutsExportCmd struct {
	onceFlag
	ID    string `placeholder:"EXPORT_ID" help:"Print this export again; it takes nothing more."`
	Limit int64  `default:"1000" help:"Payouts at most."`
}

// Run prints an export as the CSV that the API gives, byte by byte.
func (c *payoutsExportCmd) Run(ctx context.Context, a *app) error {
	api, err := a.api()
	if err != nil {
		return err
	}
	var e client.Export
	if c.ID != "" {
		e, err = answer[client.Export](api.GetPayoutExport(ctx, c.ID))
	} else {
		e, err = answer[client.Export](api.ExportPayouts(ctx, &client.ExportPayoutsParams{IdempotencyKey: c.key()}, client.NewExport{Limit: &c.Limit}))
	}
	if err != nil {
		return err
	}
	a.note("%s: %d payouts, %s USDT to pay", e.ExportId, e.Total, e.Amount)
	_, err = fmt.Fprint(a.printer.out, e.Csv)
	return err
}

type payoutsReconcileCmd struct {
	File   string `arg:"" help:"CSV of what the wallet sent, with columns transaction_hash, wallet_address and amount."`
	Record bool   `help:"Record what matches."`
}

// Run holds the wallet's list against the payouts.
func (c *payoutsReconcileCmd) Run(ctx context.Context, a *app) error {
	lines, err := rows(c.File, "transaction_hash", "wallet_address", "amount")
	if err != nil {
		return err
	}
	body := client.Reconcile{Record: &c.Record}
	for _, l := range lines {
		body.Transfers = append(body.Transfers, client.Transfer{
			TransactionHash: l["transaction_hash"], WalletAddress: l["wallet_address"], Amount: json.Number(l["amount"]),
		})
	}
	api, err := a.api()
	if err != nil {
		return err
	}
	r, err := answer[client.Reconciliation](api.ReconcilePayouts(ctx, body))
	if err != nil {
		return err
	}
	for _, l := range r.Unpaid {
		a.note("unpaid: %s, %s USDT to %s", l.PayoutId, l.NetAmount, l.WalletAddress)
	}
	return list(a.printer, r.Matches, []column[client.Match]{
		{"transaction_hash", false, func(m client.Match) any { return m.TransactionHash }},
		{"amount", false, func(m client.Match) any { return amount(m.Amount) }},
		{"wallet_address", true, func(m client.Match) any { return m.WalletAddress }},
		{"result", false, func(m client.Match) any { return m.Result }},
		{"payout_id", false, func(m client.Match) any { return m.PayoutId }},
		{"note", false, func(m client.Match) any { return m.Note }},
	})
}
