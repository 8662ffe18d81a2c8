package fraud

import (
	"math"
	"time"
)

// Outlier rule: how much faster than its like a node is.
const (
	likeLeast  = 10   // nodes of a model in a pool
	outlierZ   = 5    // modified z-score
	leastMAD   = 0.1  // in ln: what boards of one model differ by
	madToSigma = 1.48 // of the normal distribution
)

// like is what nodes are compared within; pool 0 is the whole fleet.
type like struct {
	pool  int32
	model string
}

// outliers flags nodes that solve much faster than the median of their model in
// their pool, and than that in the fleet: who has most of a pool's nodes, and has
// them wait, would make outliers of the others. Slowness has honest reasons, so it
// is not looked at.
func outliers(members []Member, at time.Time) (flags []Found) {
	groups := map[like][]float64{}
	for _, m := range members {
		if m.Model != "" && m.Alone.N >= aloneLeast {
			all, own := like{0, m.Model}, like{m.PoolNo, m.Model}
			if groups[all] = append(groups[all], m.Alone.Mean); own != all {
				groups[own] = append(groups[own], m.Alone.Mean)
			}
		}
	}
	usual := make(map[like]spread, len(groups))
	for k, paces := range groups {
		usual[k] = spreadOf(paces)
	}
	for _, m := range members {
		pool, fleet := usual[like{m.PoolNo, m.Model}], usual[like{0, m.Model}]
		if m.PoolNo == 0 || m.Alone.N < aloneLeast || pool.nodes < likeLeast {
			continue
		}
		z := pool.faster(m.Alone.Mean)
		if inFleet := fleet.faster(m.Alone.Mean); z > outlierZ && inFleet > outlierZ {
			flags = append(flags, found(speedOutlier, m.NodeNo, day(at), at, outlierEvidence{m.Alone.Mean, pool.median, pool.mad, z, pool.nodes, inFleet}))
		}
	}
	return sorted(flags)
}

// spread is how far apart the paces of a group are.
type spread struct {
	nodes       int
	median, mad float64
}

func spreadOf(paces []float64) spread {
	mid := median(paces)
	apart := make([]float64, len(paces))
	for i, p := range paces {
		apart[i] = math.Abs(p - mid)
	}
	return spread{len(paces), mid, max(median(apart), leastMAD)}
}

// faster is the modified z-score of a pace on the fast side.
func (s spread) faster(pace float64) float64 { return (s.median - pace) / (madToSigma * s.mad) }

type outlierEvidence struct {
	Pace   float64 `json:"pace"`   // ln(milliseconds a hash)
	Median float64 `json:"median"` // of its model in its pool
	MAD    float64 `json:"mad"`
	Z      float64 `json:"z"`
	Nodes  int     `json:"nodes"`
	Fleet  float64 `json:"z_in_fleet"` // among all of its model
}
