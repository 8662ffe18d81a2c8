package epoch

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"

	"lucid.internal/coordinator/internal/ledger"
)

// Weight is a node's claim on an epoch: its score times its credited time.
type Weight struct {
	NodeID     string
	ScoreNano  int64 // 1e9 = 100 points
	CreditedMs int64
}

func (w Weight) value() *big.Int {
	return new(big.Int).Mul(big.NewInt(w.ScoreNano), big.NewInt(w.CreditedMs))
}

// Shares splits a reward by weight, exactly: share_i = floor(F * w_i / W), and
// the rest goes one micro-USDT at a time to the largest remainders, ties by node
// id. Shares stand in the order of weights; with unallocated, which is all of
// the reward when nobody has weight, they sum to the reward.
func Shares(reward ledger.Amount, weights []Weight) (shares []ledger.Amount, unallocated ledger.Amount, err error) {
	if reward < 0 {
		return nil, 0, fmt.Errorf("a reward of %s cannot be shared", reward)
	}
	values, total := make([]*big.Int, len(weights)), new(big.Int)
	for i, w := range weights {
		if w.ScoreNano < 0 || w.CreditedMs < 0 {
			return nil, 0, fmt.Errorf("weight of %s is negative: score %d, credited %d ms", w.NodeID, w.ScoreNano, w.CreditedMs)
		}
		values[i] = w.value()
		total.Add(total, values[i])
	}
	shares = make([]ledger.Amount, len(weights))
	if total.Sign() == 0 {
		return shares, reward, nil
	}
	rest, order := reward, make([]int, len(weights))
	remainders := make([]*big.Int, len(weights))
	for i := range weights {
		product := new(big.Int).Mul(big.NewInt(int64(reward)), values[i])
		quotient, remainder := product.QuoRem(product, total, new(big.Int))
		shares[i], remainders[i], order[i] = ledger.Amount(quotient.Int64()), remainder, i
		rest -= shares[i]
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(remainders[b].Cmp(remainders[a]), cmp.Compare(weights[a].NodeID, weights[b].NodeID))
	})
	// The rest is the sum of the remainders divided by W, so it is smaller than
	// the number of remainders above zero: nobody without weight gets a share.
	for _, i := range order[:rest] {
		shares[i]++
	}
	return shares, 0, nil
}
