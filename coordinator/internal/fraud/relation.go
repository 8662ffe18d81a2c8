package fraud

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"
)

// Member is a node among the others, as relations and statistics see it.
type Member struct {
	NodeNo  int32
	PoolNo  int32 // 0: in none
	Model   string
	Payout  string // address; "" for none
	Serial  string // hash that the machine tells; "" for none
	Board   string // hash of the serial that it enrolled with
	Created time.Time
	// AddressChanged is when its payout address last became another; zero: never.
	AddressChanged time.Time
	Memory
}

// What the cohort rules ask before they speak. A coordinator that is slow with
// many at once is slow for all: so each node is compared with what cohorts do
// to the fleet.
const (
	cohortsLeast    = 12.0 // challenges in cohorts
	aloneLeast      = 60.0 // and alone
	slowerBy        = 0.35 // in ln: two fifths more than cohorts do to the others
	slowSure        = 6.0  // standard errors
	missesLeast     = 5.0
	missesMoreBy    = 0.25 // of all, above the fleet
	missesSure      = 6.0
	missesPrior     = 2.0 // failures among so many more, counted to each node's own record alone
	missesPriorFrom = 40.0
)

// cohorts judges what being asked together changes: identities on one machine
// wait for each other, or stay away.
func cohorts(members []Member, at time.Time) (flags []Found) {
	usual := fleetMedian(members, func(m Member) (float64, bool) {
		return m.Cohort.Mean - m.Alone.Mean, m.Cohort.N >= cohortsLeast && m.Alone.N >= aloneLeast
	})
	usualMisses := fleetMedian(members, func(m Member) (float64, bool) {
		return m.Cohort.rate() - m.Alone.rate(), m.Cohort.Asked >= cohortsLeast && m.Alone.Asked >= aloneLeast
	})
	for _, m := range members {
		c, a := m.Cohort, m.Alone
		e := cohortEvidence{c, a, usual, usualMisses}
		if c.N >= cohortsLeast && a.N >= aloneLeast {
			slower := c.Mean - a.Mean - usual
			sure := slower / math.Sqrt(c.Var/c.N+a.Var/a.N+1e-9)
			if slower >= slowerBy && sure >= slowSure {
				flags = append(flags, found(cohortSlow, m.NodeNo, day(at), at, e))
			}
		}
		if c.Asked >= cohortsLeast && a.Asked >= aloneLeast && c.Missed >= missesLeast {
			own := (a.Missed + missesPrior) / (a.Asked + missesPriorFrom)
			more := c.rate() - own - max(usualMisses, 0)
			sure := more * math.Sqrt(c.Asked/(own*(1-own)))
			if more >= missesMoreBy && sure >= missesSure {
				flags = append(flags, found(cohortMisses, m.NodeNo, day(at), at, e))
			}
		}
	}
	return flags
}

func (p Pace) rate() float64 {
	if p.Asked == 0 {
		return 0
	}
	return p.Missed / p.Asked
}

func fleetMedian(members []Member, of func(Member) (float64, bool)) float64 {
	var all []float64
	for _, m := range members {
		if x, ok := of(m); ok {
			all = append(all, x)
		}
	}
	return median(all)
}

// median of none is 0. It sorts what it is given.
func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	if half := len(all) / 2; len(all)%2 == 1 {
		return all[half]
	} else {
		return (all[half-1] + all[half]) / 2
	}
}

type cohortEvidence struct {
	Cohort      Pace    `json:"cohort"`
	Alone       Pace    `json:"alone"`
	UsualSlower float64 `json:"usual_slower"` // median of the fleet, ln
	UsualMisses float64 `json:"usual_misses"` // median of the fleet, share
}

// relations names what nodes have in common. Only a serial number is nobody's
// but one board's; an address or a payout address may be a household's.
func relations(members []Member, at time.Time) (flags []Found) {
	for _, r := range []struct {
		rule string
		of   func(Member) string
	}{
		{sameAddress, func(m Member) string { return m.Network }},
		{samePayout, func(m Member) string { return m.Payout }},
	} {
		for key, group := range groupsOf(members, r.of) {
			if len(group) < crowd {
				continue
			}
			for _, m := range group {
				flags = append(flags, found(r.rule, m.NodeNo, key, at, groupEvidence{key, len(group)}))
			}
		}
	}
	return sorted(append(flags, serials(members, at)...))
}

// crowd is how many nodes behind one address, or of one payout address, are
// worth a notice; related is how many are asked together in cohorts.
const (
	crowd   = 10
	related = 3
)

func groupsOf(members []Member, of func(Member) string) map[string][]Member {
	groups := map[string][]Member{}
	for _, m := range members {
		if key := of(m); key != "" {
			groups[key] = append(groups[key], m)
		}
	}
	return groups
}

// serials flags the newcomer only: the board is whose it was first.
func serials(members []Member, at time.Time) (flags []Found) {
	owner := map[string]Member{}
	older := func(a, b Member) bool {
		return a.Created.Before(b.Created) || a.Created.Equal(b.Created) && a.NodeNo < b.NodeNo
	}
	for _, m := range members {
		if o, taken := owner[m.Board]; m.Board != "" && (!taken || older(m, o)) {
			owner[m.Board] = m
		}
	}
	for _, m := range members {
		told := cmp.Or(m.Serial, m.Board)
		if o, taken := owner[told]; taken && told != "" && o.NodeNo != m.NodeNo && older(o, m) {
			flags = append(flags, found(sameSerial, m.NodeNo, strconv.Itoa(int(o.NodeNo)), at, serialEvidence{told, o.NodeNo}))
		}
	}
	return flags
}

type groupEvidence struct {
	Shared string `json:"shared"`
	Nodes  int    `json:"nodes"`
}

type serialEvidence struct {
	SerialHash string `json:"serial_hash"`
	OfNodeNo   int32  `json:"of_node_no"`
}

// groups are the nodes that cohorts should ask together: those with one
// network, one payout address or one boot in common.
func groups(members []Member, boots [][]int32) (all [][]int32) {
	for _, of := range []func(Member) string{
		func(m Member) string { return m.Network },
		func(m Member) string { return m.Payout },
	} {
		for _, group := range groupsOf(members, of) {
			if len(group) < related {
				continue
			}
			nos := make([]int32, len(group))
			for i, m := range group {
				nos[i] = m.NodeNo
			}
			all = append(all, nos)
		}
	}
	all = append(all, boots...)
	for _, g := range all {
		slices.Sort(g)
	}
	slices.SortFunc(all, slices.Compare)
	return slices.CompactFunc(all, slices.Equal)
}

// Shared is a node that proved itself on a boot, from first to last.
type Shared struct {
	Boot        string
	NodeNo      int32
	First, Last time.Time
}

// sharedBoots finds nodes that proved themselves on one boot in turns. A device
// that enrolled as another node does so one after the other.
func sharedBoots(all []Shared) (flags []Found) {
	byBoot := map[string][]Shared{}
	for _, s := range all {
		byBoot[s.Boot] = append(byBoot[s.Boot], s)
	}
	for boot, nodes := range byBoot {
		for _, s := range nodes {
			var with []int32
			for _, o := range nodes {
				if o.NodeNo != s.NodeNo && o.First.Before(s.Last) && s.First.Before(o.Last) {
					with = append(with, o.NodeNo)
				}
			}
			if len(with) > 0 {
				slices.Sort(with)
				flags = append(flags, found(sameBoot, s.NodeNo, boot, s.Last, bootEvidence{boot, with}))
			}
		}
	}
	return sorted(flags)
}

type bootEvidence struct {
	Boot string  `json:"boot"`
	With []int32 `json:"with_node_nos"`
}

func sorted(flags []Found) []Found {
	slices.SortFunc(flags, func(a, b Found) int {
		return cmp.Or(cmp.Compare(a.NodeNo, b.NodeNo), cmp.Compare(a.Rule.ID, b.Rule.ID), cmp.Compare(a.Subject, b.Subject))
	})
	return flags
}
