package payout

import (
	"context"
	"time"

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

// Halted is the body of a payout event about a reason that halts all payouts.
type Halted struct {
	Change string `json:"change" enum:"halted,lifted"`
	HaltNo int64  `json:"halt_no"`
	Reason string `json:"reason"`
}

// publishHalt tells that payouts were halted, or that a reason was lifted.
func publishHalt(ctx context.Context, tx db.Tx, change string, h Stoppage, at time.Time) error {
	return event.Publish(ctx, tx, event.Event{Kind: event.Payout, At: at, Body: Halted{Change: change, HaltNo: h.No, Reason: h.Reason}})
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
