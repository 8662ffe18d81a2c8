package epoch

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lucid.internal/coordinator/internal/ledger"
)

func TestShares(t *testing.T) {
	const full = 1_000_000_000
	for name, c := range map[string]struct {
		reward      ledger.Amount
		weights     []Weight
		want        []ledger.Amount
		unallocated ledger.Amount
	}{
		"nobody":                      {reward: 10, want: []ledger.Amount{}, unallocated: 10},
		"no weight at all":            {10, []Weight{{"a", full, 0}, {"b", 0, 5}}, []ledger.Amount{0, 0}, 10},
		"no reward":                   {0, []Weight{{"a", full, 1}}, []ledger.Amount{0}, 0},
		"one takes all":               {10, []Weight{{"a", 1, 1}}, []ledger.Amount{10}, 0},
		"by score and time":           {100, []Weight{{"a", full, 3000}, {"b", full / 2, 2000}}, []ledger.Amount{75, 25}, 0},
		"rest to largest remainder":   {10, []Weight{{"a", 1, 1}, {"b", 1, 5}}, []ledger.Amount{2, 8}, 0},
		"tie by node id":              {2, []Weight{{"c", 1, 1}, {"a", 1, 1}, {"b", 1, 1}}, []ledger.Amount{0, 1, 1}, 0},
		"rest never to weight 0":      {2, []Weight{{"a", 0, 9}, {"b", 1, 1}, {"c", 1, 1}, {"d", 1, 1}}, []ledger.Amount{0, 1, 1, 0}, 0},
		"more nodes than micro-USDT":  {1, []Weight{{"a", 1, 1}, {"b", 1, 2}}, []ledger.Amount{0, 1}, 0},
		"beyond 128 bits on the way":  {math.MaxInt64, []Weight{{"a", math.MaxInt64, math.MaxInt64}, {"b", math.MaxInt64, math.MaxInt64}}, []ledger.Amount{1 << 62, 1<<62 - 1}, 0},
		"hour of three real machines": {1_000_000, []Weight{{"a", 987_654_321, 3_600_000}, {"b", 950_000_000, 3_599_123}, {"c", 1, 1}}, []ledger.Amount{509_777, 490_223, 0}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, unallocated, err := Shares(c.reward, c.weights)
			if err != nil || !slices.Equal(got, c.want) || unallocated != c.unallocated {
				t.Errorf("%v, unallocated %v, %v; want %v, %v", got, unallocated, err, c.want, c.unallocated)
			}
		})
	}
	for name, c := range map[string]struct {
		reward ledger.Amount
		weight Weight
	}{"reward": {-1, Weight{"a", 1, 1}}, "score": {1, Weight{"a", -1, 1}}, "time": {1, Weight{"a", 1, -1}}} {
		if _, _, err := Shares(c.reward, []Weight{c.weight}); err == nil {
			t.Errorf("negative %s: no error", name)
		}
	}
}

var weightsOf = rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Weight {
	most := rapid.SampledFrom([]int64{0, 3, 1_000_000_000, math.MaxInt64}).Draw(t, "size")
	return Weight{
		NodeID:     rapid.StringMatching("node_[a-z]{1,6}").Draw(t, "node"),
		ScoreNano:  rapid.Int64Range(0, most).Draw(t, "score"),
		CreditedMs: rapid.Int64Range(0, most).Draw(t, "ms"),
	}
}), 1, 100, func(w Weight) string { return w.NodeID })

func TestSharesAreExactAndFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reward := ledger.Amount(rapid.Int64Range(0, math.MaxInt64).Draw(t, "reward"))
		if rapid.Bool().Draw(t, "small") {
			reward %= 200
		}
		weights := weightsOf.Draw(t, "weights")
		shares, sum, err := Shares(reward, weights)
		if err != nil {
			t.Fatal(err)
		}
		total := new(big.Int)
		for i, w := range weights {
			sum += shares[i]
			total.Add(total, w.value())
		}
		if sum != reward {
			t.Fatalf("shares and unallocated sum to %s, reward %s", sum, reward)
		}
		if total.Sign() == 0 {
			return
		}
		for i, w := range weights {
			// |share - F*w/W| < 1, without a fraction: |share*W - F*w| < W
			exact := new(big.Int).Mul(big.NewInt(int64(reward)), w.value())
			got := new(big.Int).Mul(big.NewInt(int64(shares[i])), total)
			if got.Sub(got, exact).CmpAbs(total) >= 0 {
				t.Fatalf("%s is a micro-USDT or more off its exact share", w.NodeID)
			}
			for j, other := range weights {
				if w.value().Cmp(other.value()) > 0 && shares[i] < shares[j] {
					t.Fatalf("%s weighs more than %s and gets less: %s, %s", w.NodeID, other.NodeID, shares[i], shares[j])
				}
			}
		}
	})
}

// Whoever weighs more than before, while nobody else changes, gets no less.
func TestSharesGrowWithTheirWeight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reward := ledger.Amount(rapid.Int64Range(0, 1000).Draw(t, "reward"))
		weights := weightsOf.Draw(t, "weights")
		before, _, err := Shares(reward, weights)
		if err != nil {
			t.Fatal(err)
		}
		i := rapid.IntRange(0, len(weights)-1).Draw(t, "who")
		weights[i].CreditedMs = rapid.Int64Range(weights[i].CreditedMs, math.MaxInt64).Draw(t, "more ms")
		after, _, err := Shares(reward, weights)
		if err != nil {
			t.Fatal(err)
		}
		if after[i] < before[i] {
			t.Fatalf("%s got %s, and with more weight %s", weights[i].NodeID, before[i], after[i])
		}
	})
}

func TestSharesDoNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reward := ledger.Amount(rapid.Int64Range(0, 1000).Draw(t, "reward"))
		weights := weightsOf.Draw(t, "weights")
		other := rapid.Permutation(weights).Draw(t, "permuted")
		byNode := func(weights []Weight) map[string]ledger.Amount {
			shares, _, err := Shares(reward, weights)
			if err != nil {
				t.Fatal(err)
			}
			m := make(map[string]ledger.Amount)
			for i, w := range weights {
				m[w.NodeID] = shares[i]
			}
			return m
		}
		first, second := byNode(weights), byNode(other)
		for id, share := range first {
			if second[id] != share {
				t.Fatalf("%s gets %s or %s", id, share, second[id])
			}
		}
	})
}
