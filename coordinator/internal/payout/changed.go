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

func publishChange(ctx context.Context, tx db.Tx, p Payout) error {
	return event.Publish(ctx, tx, event.Event{Kind: event.Payout, NodeID: p.NodeID, At: p.UpdatedAt, Body: Changed{
		Change: p.Status, PayoutID: p.ID, Amount: p.Amount, Fee: p.Fee, NetAmount: p.NetAmount,
		TransactionHash: p.TransactionHash, ErrorMessage: p.ErrorMessage,
	}})
}
