package fraud

import (
	"slices"

	"lucid.internal/coordinator/internal/ledger"
)

// origins says which pools an amount came from: a node has what it earned last.
// What no statement explains came from the last pool that it was in; nil when
// there is none.
func origins(amount ledger.Amount, newestFirst []ledger.Returned, last string) []ledger.Returned {
	var pools []ledger.Returned
	give := func(poolID string, part ledger.Amount) {
		i := slices.IndexFunc(pools, func(p ledger.Returned) bool { return p.PoolID == poolID })
		if i < 0 {
			i = len(pools)
			pools = append(pools, ledger.Returned{PoolID: poolID})
		}
		pools[i].Amount += part
		amount -= part
	}
	for _, e := range newestFirst {
		if amount == 0 {
			break
		}
		give(e.PoolID, min(amount, e.Amount))
	}
	if amount > 0 {
		if last == "" {
			return nil
		}
		give(last, amount)
	}
	return pools
}
