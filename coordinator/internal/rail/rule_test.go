package rail

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain"
	"lucid.internal/coordinator/internal/tron/chain/chaintest"
)

func TestCostRule(t *testing.T) {
	const sun = 10_000_000 // 10 TRX
	at := ten.Add(time.Hour)
	rule := func(price ledger.Amount, share int) CostRule {
		return CostRule{TRXPrice: price, PriceAt: ten, MaxAge: 2 * time.Hour, SharePercent: share}
	}
	for name, c := range map[string]struct {
		rule     CostRule
		net, fee ledger.Amount
		want     string
	}{
		"within the fee":                      {rule(300_000, 0), ledger.USDT(297), ledger.USDT(3), ""},
		"a unit above the fee":                {rule(300_000, 0), ledger.USDT(297), ledger.USDT(3) - 1, "more than the fee"},
		"above the fee, allowed by the share": {rule(300_000, 10), ledger.USDT(30), 0, ""},
		"a unit above the share":              {rule(300_000, 10), ledger.USDT(30) - 1, 0, "more than the fee"},
		"never more than a quarter":           {rule(300_000, 100), ledger.USDT(12) - 1, 0, "more than 25 %"},
		"a quarter":                           {rule(300_000, 25), ledger.USDT(12), 0, ""},
		"a large fee does not lift that":      {rule(300_000, 25), ledger.USDT(11), ledger.USDT(100), "more than 25 %"},
		"no price":                            {rule(0, 25), ledger.USDT(1000), 0, "is not set"},
		"an old price":                        {CostRule{TRXPrice: 1, PriceAt: ten, MaxAge: time.Hour - 1}, ledger.USDT(1000), 0, "older than"},
	} {
		got := c.rule.Refusal(c.net, c.fee, sun, at)
		if c.want == "" && got != "" || c.want != "" && !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestCostIsRoundedUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sun := ledger.Amount(rapid.Int64Range(0, 1_000_000_000_000).Draw(t, "sun"))
		price := ledger.Amount(rapid.Int64Range(1, 100_000_000).Draw(t, "price"))
		cost, err := CostRule{TRXPrice: price, PriceAt: ten, MaxAge: time.Hour}.InUSDT(sun, ten)
		if err != nil {
			t.Skip("out of range")
		}
		// cost - 1 < sun * price / 10^6 <= cost, in 128 bits by splitting sun.
		whole, rest := sun/ledger.Micro, sun%ledger.Micro
		exact := whole*price + (rest*price+ledger.Micro-1)/ledger.Micro
		if cost != exact {
			t.Fatalf("%d sun at %d cost %d, want %d", sun, price, cost, exact)
		}
	})
}

func TestFindingNeedsBothNodes(t *testing.T) {
	contract, from, to := addressOf(1), addressOf(2), addressOf(3)
	receipt := func(change func(r *chain.Receipt)) *chain.Receipt {
		r := &chain.Receipt{Block: 7, Result: chain.Success, FeeSun: 5, Logs: []tron.Log{chaintest.TransferLog(contract, from, to, 100)}}
		if change != nil {
			change(r)
		}
		return r
	}
	good := receipt(nil)
	bad := receipt(func(r *chain.Receipt) { r.Result = "REVERT"; r.Logs = nil })
	silent := receipt(func(r *chain.Receipt) { r.Logs = nil })
	for name, c := range map[string]struct {
		a, b *chain.Receipt
		want finding
		tell bool
	}{
		"both say paid":      {good, good, paid, false},
		"both say failed":    {bad, bad, failed, false},
		"neither knows":      {nil, nil, unknown, false},
		"one knows":          {good, nil, unknown, false},
		"the other knows":    {nil, bad, unknown, false},
		"they contradict":    {good, bad, unknown, true},
		"another block":      {good, receipt(func(r *chain.Receipt) { r.Block = 8 }), unknown, true},
		"another fee":        {good, receipt(func(r *chain.Receipt) { r.FeeSun = 6 }), unknown, true},
		"other logs":         {good, silent, unknown, true},
		"no transfer at all": {silent, silent, mismatch, false},
	} {
		got, differ := findingOf(c.a, c.b, contract, from, to, 100)
		if got != c.want || (differ != "") != c.tell {
			t.Errorf("%s: %v %q, want %v", name, got, differ, c.want)
		}
	}
}

func TestHolding(t *testing.T) {
	for name, c := range map[string]struct {
		h              holding
		short, surplus ledger.Amount
	}{
		"even":                              {holding{10, 10, 0}, 0, 0},
		"a unit short":                      {holding{9, 10, 0}, 1, 0},
		"a unit too much":                   {holding{11, 10, 0}, 0, 1},
		"under way, not gone":               {holding{10, 10, 4}, 0, 0},
		"under way, gone":                   {holding{6, 10, 4}, 0, 0},
		"more gone than was under way":      {holding{5, 10, 4}, 1, 0},
		"more there, but not yet for sure":  {holding{12, 10, 4}, 0, 0},
		"nothing was ever booked, it is in": {holding{7, 0, 0}, 0, 7},
	} {
		if c.h.short() != c.short || c.h.surplus() != c.surplus {
			t.Errorf("%s: short %d, surplus %d", name, c.h.short(), c.h.surplus())
		}
	}
}
