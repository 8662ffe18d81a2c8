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

// earnings is who got a share, and what they have now, in the order of pools
// and their lines. balances are those of the accounts that were posted to.
func (c *closing) earnings(ctx context.Context, pools []pool, balances map[ledger.Account]ledger.Amount) (all []Earning, err error) {
	var held []string
	for _, p := range pools {
		for _, l := range p.lines {
			if l.Share > 0 {
				payable := balances[ledger.Account{Kind: ledger.KindPayable, Owner: l.NodeID}]
				all = append(all, Earning{l.NodeID, l.Share, l.Destination == DestinationHeld, payable, c.epoch.To})
				if l.Destination == DestinationHeld {
					held = append(held, l.NodeID)
				}
			}
		}
	}
	if len(held) == 0 {
		return all, nil
	}
	payable, err := ledger.BalancesOf(ctx, c.tx, ledger.KindPayable, held)
	for i := range all {
		if all[i].Held {
			all[i].Payable = payable[all[i].NodeID]
		}
	}
	return all, err
}

// publishEarnings tells who earned what, in the transaction that closes the epoch.
func (c *closing) publishEarnings(ctx context.Context, pools []pool, earnings []Earning) error {
	events := make([]event.Event, 0, len(earnings))
	for _, p := range pools {
		for _, l := range p.lines {
			if l.Share > 0 {
				e := earnings[len(events)]
				body := Earned{Change: "earned", Share: e.Share, Held: e.Held, Payable: e.Payable, EpochEnd: e.EpochEnd}
				events = append(events, event.Event{Kind: event.Payout, NodeID: e.NodeID, PoolID: p.poolID, Body: body, At: c.now})
			}
		}
	}
	return event.Publish(ctx, c.tx, events...)
}
