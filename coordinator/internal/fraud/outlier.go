package fraud

import "time"

// Outlier rule: how much faster than its like a node is.
const (
	likeLeast  = 10   // nodes of a model in a pool
	outlierZ   = 5    // modified z-score
	leastMAD   = 0.1  // in ln: what boards of one model differ by
	madToSigma = 1.48 // of the normal distribution
)

// outliers flags nodes that solve much faster than the median of their model in
// their pool. Slowness has honest reasons, so it is not looked at.
func outliers(members []Member, at time.Time) (flags []Found) {
	type like struct {
		pool  int32
		model string
	}
	paces := map[like][]Member{}
	for _, m := range members {
		if k := (like{m.PoolNo, m.Model}); m.PoolNo != 0 && m.Model != "" && m.Alone.N >= aloneLeast {
			paces[k] = append(paces[k], m)
		}
	}
	for _, group := range paces {
		if len(group) < likeLeast {
			continue
		}
		means, apart := make([]float64, len(group)), make([]float64, len(group))
		for i, m := range group {
			means[i] = m.Alone.Mean
		}
		mid := median(means)
		for i, m := range group {
			apart[i] = max(m.Alone.Mean-mid, mid-m.Alone.Mean)
		}
		mad := max(median(apart), leastMAD)
		for _, m := range group {
			if z := (mid - m.Alone.Mean) / (madToSigma * mad); z > outlierZ {
				flags = append(flags, found(speedOutlier, m.NodeNo, day(at), at, outlierEvidence{m.Alone.Mean, mid, mad, z, len(group)}))
			}
		}
	}
	return sorted(flags)
}

type outlierEvidence struct {
	Pace   float64 `json:"pace"`   // ln(milliseconds a hash)
	Median float64 `json:"median"` // of its model in its pool
	MAD    float64 `json:"mad"`
	Z      float64 `json:"z"`
	Nodes  int     `json:"nodes"`
}
