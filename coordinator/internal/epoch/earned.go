package epoch

import (
	"context"
	"time"

	"lucid.internal/coordinator/internal/event"
	"lucid.internal/coordinator/internal/ledger"
)

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

// publishEarnings tells who earned what, in the transaction that closes the epoch.
func (c *closing) publishEarnings(ctx context.Context, earnings []Earning) error {
	events := make([]event.Event, len(earnings))
	for i, e := range earnings {
		body := Earned{Change: "earned", Share: e.Share, Held: e.Held, Payable: e.Payable, EpochEnd: e.EpochEnd}
		events[i] = event.Event{Kind: event.Payout, NodeID: e.NodeID, PoolID: c.poolID, Body: body, At: c.now}
	}
	return event.Publish(ctx, c.tx, events...)
}
