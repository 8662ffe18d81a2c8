package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"

	"lucid.internal/coordinator"
)

// payoutCmd is the manual rail: the operator pays elsewhere and records it here.
type payoutCmd struct {
	List     payoutListCmd     `cmd:"" help:"List payouts, newest first."`
	Start    payoutStartCmd    `cmd:"" help:"Mark a pending payout as being paid; from then on it cannot be cancelled."`
	Complete payoutCompleteCmd `cmd:"" help:"Record the transaction that paid a payout."`
	Budget   payoutBudgetCmd   `cmd:"" help:"Show, or approve, what automatic payouts may spend in 24 hours; they pay nobody without it."`
	Cancel   payoutCancelCmd   `cmd:"" help:"Cancel a pending payout; the money is the node's again."`
}

type payoutListCmd struct {
	settings
	Status string `enum:",pending,processing,completed,failed,cancelled" default:"" help:"Only those in this status."`
	Limit  int    `default:"50" help:"At most so many."`
}

// Run prints a table of the payouts, and on standard error why they are halted.
func (c *payoutListCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		payouts, _, err := f.Payouts().Newest(ctx, nil, coordinator.PayoutFilter{Status: coordinator.PayoutStatus(c.Status), Limit: c.Limit})
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "PAYOUT\tNODE\tSTATUS\tGROSS\tFEE\tTO PAY\tADDRESS\tCREATED\tTRANSACTION")
		for _, p := range payouts {
			transaction := "-"
			if p.TransactionHash != nil {
				transaction = *p.TransactionHash
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.ID, p.NodeID, p.Status, p.Amount, p.Fee, p.NetAmount,
				p.WalletAddress, stamp(p.CreatedAt), transaction)
		}
		if err := table.Flush(); err != nil {
			return err
		}
		halts, err := f.Payouts().Stoppages(ctx)
		for _, h := range halts {
			fmt.Fprintf(os.Stderr, "payouts are halted (%d): %s\n", h.No, h.Reason)
		}
		return err
	})
}

type payoutStartCmd struct {
	settings
	ID string `arg:"" help:"Id of the payout, payout_..."`
}

// Run marks the payout as being paid.
func (c *payoutStartCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		p, err := f.Payouts().Start(ctx, coordinator.ByCLI(), c.ID)
		if err == nil {
			fmt.Printf("%s is %s: pay %s USDT to %s\n", p.ID, p.Status, p.NetAmount, p.WalletAddress)
		}
		return err
	})
}

type payoutCompleteCmd struct {
	settings
	ID          string `arg:"" help:"Id of the payout, payout_..."`
	Transaction string `required:"" placeholder:"HASH" help:"Transaction that paid it."`
}

// Run settles the payout.
func (c *payoutCompleteCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		p, err := f.Payouts().Complete(ctx, coordinator.ByCLI(), c.ID, c.Transaction)
		if err == nil {
			fmt.Printf("%s is %s: %s USDT to %s\n", p.ID, p.Status, p.NetAmount, p.WalletAddress)
		}
		return err
	})
}

type payoutCancelCmd struct {
	settings
	ID string `arg:"" help:"Id of the payout, payout_..."`
}

// Run cancels the payout.
func (c *payoutCancelCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		p, err := f.Payouts().Cancel(ctx, coordinator.ByCLI(), c.ID)
		if err == nil {
			fmt.Printf("%s is %s: %s USDT are payable to %s again\n", p.ID, p.Status, p.Amount, p.NodeID)
		}
		return err
	})
}

type payoutBudgetCmd struct {
	settings
	PerDay *coordinator.USDT `arg:"" optional:"" placeholder:"USDT" help:"Approve this much, gross, in any 24 hours; 0 ends it. Without it, show what is approved."`
}

// Run shows the budget, or approves one in the name of who has the shell.
func (c *payoutBudgetCmd) Run(ctx context.Context) error {
	return c.withFoundation(ctx, func(f *coordinator.Foundation) error {
		if c.PerDay != nil {
			if _, err := f.Payouts().SetBudget(ctx, coordinator.AtShell(), *c.PerDay); err != nil {
				return err
			}
		}
		b, err := f.Payouts().Budget(ctx)
		switch {
		case err != nil:
			return err
		case b.PerDay == 0:
			fmt.Println("no budget is approved: automatic payouts pay nobody")
		default:
			fmt.Printf("automatic payouts may spend %s USDT in 24 hours, of which %s are left; approved by %s at %s\n", b.PerDay, b.Left(), b.ApprovedBy, stamp(b.ApprovedAt))
		}
		return nil
	})
}
