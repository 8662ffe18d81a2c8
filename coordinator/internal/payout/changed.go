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

// Earned is the body of a payout event about a node's share of an epoch.
type Earned struct {
	Change   string        `json:"change" doc:"earned."`
	Share    ledger.Amount `json:"share" doc:"USDT."`
	Held     bool          `json:"held" doc:"It becomes payable when vetting ends."`
	Payable  ledger.Amount `json:"payable" doc:"What the node has now."`
	EpochEnd time.Time     `json:"epoch_end"`
}

// Released is the body of a payout event about held earnings that became payable.
type Released struct {
	Change string        `json:"change" doc:"released."`
	Amount ledger.Amount `json:"amount" doc:"USDT."`
}

func publish(ctx context.Context, tx db.Tx, nodeID, poolID string, body any, at time.Time) error {
	return event.Publish(ctx, tx, event.Event{Kind: event.Payout, NodeID: nodeID, PoolID: poolID, Body: body, At: at})
}

func publishChange(ctx context.Context, tx db.Tx, p Payout) error {
	return publish(ctx, tx, p.NodeID, "", Changed{
		Change: p.Status, PayoutID: p.ID, Amount: p.Amount, Fee: p.Fee, NetAmount: p.NetAmount,
		TransactionHash: p.TransactionHash, ErrorMessage: p.ErrorMessage,
	}, p.UpdatedAt)
}

// publishEarnings tells who earned what, in the transaction that closes the epoch.
func (c *closing) publishEarnings(ctx context.Context, earnings []Earning) error {
	events := make([]event.Event, len(earnings))
	for i, e := range earnings {
		body := Earned{Change: "earned", Share: e.Share, Held: e.Held, Payable: e.Payable, EpochEnd: e.EpochEnd}
		events[i] = event.Event{Kind: event.Payout, NodeID: e.NodeID, PoolID: c.poolID, Body: body, At: c.now}
	}
	return event.Publish(ctx, c.tx, events...)
}
