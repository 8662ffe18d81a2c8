package payout

import (
	"context"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/ledger"
)

// Changed is the body of a payout event about a payout.
type Changed struct {
	Change          Status        `json:"change" doc:"The payout's new status."`
	PayoutID        string        `json:"payout_id"`
	Amount          ledger.Amount `json:"amount" doc:"USDT."`
	Fee             ledger.Amount `json:"fee"`
	NetAmount       ledger.Amount `json:"net_amount" doc:"What the owner gets."`
	TransactionHash *string       `json:"transaction_hash,omitempty"`
	ErrorMessage    *string       `json:"error_message,omitempty"`
}

// publishChanges tells of what a step or a call made of payouts.
func publishChanges(ctx context.Context, tx db.Tx, payouts []Payout) error {
	events := make([]event.Event, len(payouts))
	for i, p := range payouts {
		events[i] = event.Event{Kind: event.Payout, NodeID: p.NodeID, At: p.UpdatedAt, Body: Changed{
			Change: p.Status, PayoutID: p.ID, Amount: p.Amount, Fee: p.Fee, NetAmount: p.NetAmount,
			TransactionHash: p.TransactionHash, ErrorMessage: p.ErrorMessage,
		}}
	}
	return event.Publish(ctx, tx, events...)
}
