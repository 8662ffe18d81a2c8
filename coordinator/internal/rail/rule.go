package rail

import (
	"fmt"
	"math/bits"
	"time"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain"
)

// MaxCostPercent is the most that sending may cost of what is sent.
const MaxCostPercent = 25

// CostRule says what sending may cost.
type CostRule struct {
	TRXPrice ledger.Amount // USDT for a TRX; 0: unknown, nothing is sent
	PriceAt  time.Time     // when that was true
	MaxAge   time.Duration // from then on it is unknown
	// SharePercent of the net amount is what may be paid beyond the payout's own
	// fee; 0: what sending costs must be within the fee.
	SharePercent int
}

// InUSDT is what so much sun costs, rounded up. An unknown or old price is an error.
func (c CostRule) InUSDT(sun ledger.Amount, now time.Time) (ledger.Amount, error) {
	if c.TRXPrice <= 0 {
		return 0, fmt.Errorf("the price of TRX is not set")
	}
	if age := now.Sub(c.PriceAt); age > c.MaxAge {
		return 0, fmt.Errorf("the price of TRX is of %s: older than %s", c.PriceAt.UTC().Format(time.DateOnly), c.MaxAge)
	}
	high, low := bits.Mul64(uint64(sun), uint64(c.TRXPrice))
	if high >= ledger.Micro {
		return 0, fmt.Errorf("%s TRX at %s USDT are out of range", sun, c.TRXPrice)
	}
	quotient, rest := bits.Div64(high, low, ledger.Micro)
	if rest > 0 {
		quotient++
	}
	return ledger.Amount(quotient), nil
}

// Refusal says why a payout is not worth what sending it costs now; "" when it is.
func (c CostRule) Refusal(net, fee, sun ledger.Amount, now time.Time) string {
	cost, err := c.InUSDT(sun, now)
	if err != nil {
		return err.Error()
	}
	share := ledger.Amount(min(c.SharePercent, MaxCostPercent))
	switch {
	case exceeds(cost, MaxCostPercent, net):
		return fmt.Sprintf("sending costs %s TRX, %s USDT: more than %d %% of %s USDT", sun, cost, MaxCostPercent, net)
	case cost > fee && exceeds(cost, share, net):
		return fmt.Sprintf("sending costs %s TRX, %s USDT: more than the fee of %s USDT and than the %d %% of %s USDT that are allowed", sun, cost, fee, share, net)
	}
	return ""
}

// exceeds reports whether cost is more than percent of net.
func exceeds(cost, percent, net ledger.Amount) bool {
	costHigh, costLow := bits.Mul64(uint64(cost), 100)
	shareHigh, shareLow := bits.Mul64(uint64(net), uint64(percent))
	return costHigh > shareHigh || costHigh == shareHigh && costLow > shareLow
}

// finding is what two nodes together say of a transaction.
type finding int

const (
	unknown finding = iota // not both know it, or they differ: wait
	paid
	failed   // it is in a block and did nothing
	mismatch // both say that it worked, and it moved something else than it should
)

// findingOf joins the receipts of two nodes; nil is what one does not know.
// differ says what they contradict each other in.
func findingOf(a, b *chain.Receipt, contract, from, to tron.Address, amount int64) (f finding, differ string) {
	switch {
	case a == nil || b == nil:
		return unknown, ""
	case a.Block != b.Block:
		return unknown, fmt.Sprintf("one has it in block %d, the other in %d", a.Block, b.Block)
	case a.Result != b.Result || a.FeeSun != b.FeeSun:
		return unknown, fmt.Sprintf("one says %s and a fee of %d sun, the other %s and %d", a.Result, a.FeeSun, b.Result, b.FeeSun)
	case !a.Succeeded():
		return failed, ""
	case tron.Moves(a.Logs, contract, from, to, amount) != tron.Moves(b.Logs, contract, from, to, amount):
		return unknown, "they tell different logs"
	case !tron.Moves(a.Logs, contract, from, to, amount):
		return mismatch, ""
	}
	return paid, ""
}

// holding compares what the wallet holds of an asset with what it should, of
// which up to open may have left by transactions that are still followed.
type holding struct{ actual, booked, open ledger.Amount }

// short is how much is missing for sure.
func (h holding) short() ledger.Amount { return max(0, h.booked-h.open-h.actual) }

// surplus is how much came in for sure, while nothing else moves.
func (h holding) surplus() ledger.Amount {
	if h.open > 0 {
		return 0
	}
	return max(0, h.actual-h.booked)
}
