package rail

import (
	"context"
	"sync/atomic"
	"time"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/tron/chain"
)

// Energy of a transfer of USDT: to an address that holds some, and to one that
// never did. Which of them it is, the rail asks before it sends.
const (
	leastEnergy = 64_000
	mostEnergy  = 130_000
)

// priceLife is how long prices are good for a forecast.
const priceLife = 10 * time.Minute

// Forecast is what sending is expected to cost, told without asking a node: by
// the prices that the rail asked for last.
type Forecast struct {
	rule CostRule
	now  func() time.Time
	last atomic.Pointer[asked]
}

type asked struct {
	chain.Prices
	at time.Time
}

// NewForecast makes one that knows no prices yet.
func NewForecast(rule CostRule, now func() time.Time) *Forecast {
	return &Forecast{rule: rule, now: now}
}

// Of is the most that sending net is expected to cost in USDT, and why it is
// not worth even the least; "" when it may be. It is payout.Config.Cost.
func (f *Forecast) Of(net, fee ledger.Amount) (cost ledger.Amount, wait string) {
	prices := f.last.Load()
	if prices == nil {
		return 0, "what sending costs is not known: the rail has not reached its node since the start"
	}
	now := f.now()
	cost, err := f.rule.InUSDT(burnt(mostEnergy, prices.Prices), now)
	if err != nil {
		return 0, err.Error()
	}
	return cost, f.rule.Refusal(net, fee, burnt(leastEnergy, prices.Prices), now)
}

// refresh asks for the prices when those of before are old.
func (f *Forecast) refresh(ctx context.Context, node *chain.Node) error {
	if last := f.last.Load(); last != nil && f.now().Sub(last.at) < priceLife {
		return nil
	}
	prices, err := node.Prices(ctx)
	if err == nil {
		err = checkPrices(node, mostEnergy, prices)
	}
	if err == nil {
		f.last.Store(&asked{prices, f.now()})
	}
	return err
}

// burnt is what a transfer takes of the wallet, in sun, with nothing staked.
func burnt(energy int64, prices chain.Prices) ledger.Amount {
	return ledger.Amount(energy*prices.EnergySun + callBytes*prices.BandwidthSun)
}
