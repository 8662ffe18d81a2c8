package fraud

import (
	"cmp"
	"maps"
	"math"
	"math/bits"
	"slices"
	"time"
)

// Departure is a node that went offline.
type Departure struct {
	NodeNo  int32
	At      time.Time
	Network string // where it answered from last; "" unknown
}

// Going in step: so often within so little time, at least so many together, and
// surely more often than chance has it; six times among a hundred departures may be a
// small provider's fault, beside its customers' own. The largest crowds are a provider's fault
// or ours, and say nothing of pairs. What comes at one time of the day is a plan,
// as a restart every night at four.
const (
	stepWithin   = 2 * time.Second
	stepOften    = 6  // at different times of the day
	stepShare    = 10 // one in so many departures of who leaves less often, or
	stepPlenty   = 12 // so many times, however often both leave besides
	stepLeast    = 3
	stepMost     = 500              // or half of the fleet, if that is less, but
	stepFew      = 50               // never fewer
	stepNear     = 8                // in a larger crowd each is paired with so many of those that leave about as often: in step they are the same each time
	stepNewest   = 2000             // departures of a node that are looked at: whoever leaves all the time makes no more work
	stepRestless = 1000             // departures of a node from which on chance may hide those in step: that is told
	stepSlot     = 30 * time.Minute // of the day; within one it counts once
	stepLookBack = 7 * 24 * time.Hour
	stepSure     = 6.0 // standard errors above chance
)

// steps finds nodes of a fleet that go offline together again and again. Those
// behind one router do so for it: they are counted as one. Who leaves all the time
// leaves with everybody, which is chance and blames nobody; but it is told, since
// chance then hides what is planned.
func steps(departures []Departure, fleet int, at time.Time) (flags []Found) {
	gone := departuresOf(departures)
	var all []Departure
	for _, own := range gone {
		all = append(all, own...)
	}
	slices.SortFunc(all, func(a, b Departure) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.NodeNo, b.NodeNo)) })
	seen := map[[2]int32]company{}
	most := max(min(stepMost, fleet/2), stepFew)
	for from := 0; from < len(all); {
		to := from + 1
		for to < len(all) && all[to].At.Sub(all[from].At) <= stepWithin {
			to++
		}
		if together := crowdOf(all[from:to], gone); len(together) >= 2 && len(together) <= most {
			countPairs(seen, together)
		}
		from = to
	}
	byHour := map[int32]map[int64]float64{}
	maps.DeleteFunc(seen, func(k [2]int32, c company) bool {
		seldomer := min(len(gone[k[0]]), len(gone[k[1]]))
		return c.at.count() < stepOften || c.times < min(seldomer/stepShare, stepPlenty) || !surely(c.times, chance(hourly(byHour, gone, k[0]), hourly(byHour, gone, k[1])))
	})
	return append(groupSteps(seen, at), restlessOf(gone, at)...)
}

func restlessOf(gone map[int32][]Departure, at time.Time) (flags []Found) {
	for no, own := range gone {
		if len(own) >= stepRestless {
			flags = append(flags, found(restless, no, day(at), at, restlessEvidence{len(own), own[0].At}))
		}
	}
	return sorted(flags)
}

type restlessEvidence struct {
	Departures int       `json:"departures"`
	Since      time.Time `json:"since"`
}

// departuresOf are the newest of each node, oldest first.
func departuresOf(departures []Departure) map[int32][]Departure {
	gone := map[int32][]Departure{}
	for _, d := range departures {
		gone[d.NodeNo] = append(gone[d.NodeNo], d)
	}
	for no, own := range gone {
		slices.SortFunc(own, func(a, b Departure) int { return a.At.Compare(b.At) })
		gone[no] = own[max(len(own)-stepNewest, 0):]
	}
	return gone
}

// crowdOf are the nodes of a moment, each once, those first that leave seldom.
func crowdOf(moment []Departure, gone map[int32][]Departure) []Departure {
	together := slices.Clone(moment)
	slices.SortFunc(together, func(a, b Departure) int {
		return cmp.Or(cmp.Compare(len(gone[a.NodeNo]), len(gone[b.NodeNo])), cmp.Compare(a.NodeNo, b.NodeNo))
	})
	return slices.CompactFunc(together, func(a, b Departure) bool { return a.NodeNo == b.NodeNo })
}

// hourly is how often a node left in each hour.
func hourly(known map[int32]map[int64]float64, gone map[int32][]Departure, nodeNo int32) map[int64]float64 {
	hours, ok := known[nodeNo]
	if !ok {
		hours = map[int64]float64{}
		for _, d := range gone[nodeNo] {
			hours[d.At.Unix()/3600]++
		}
		known[nodeNo] = hours
	}
	return hours
}

// chance is how often two nodes leave within stepWithin of each other, before or
// after, if within each hour neither heeds the other.
func chance(a, b map[int64]float64) (times float64) {
	near := 2 * stepWithin.Hours()
	for hour, n := range a {
		times += n * min(b[hour]*near, 1)
	}
	return times
}

// surely tells whether so many times are more than chance has, which varies as
// counts do.
func surely(times int, byChance float64) bool {
	return float64(times)-byChance >= stepSure*math.Sqrt(byChance)
}

// occasions are times of the day, a bit for each stepSlot.
type occasions uint64

func (o occasions) count() int { return bits.OnesCount64(uint64(o)) }

// company is how often two nodes left together, and when.
type company struct {
	times int
	at    occasions
}

func countPairs(seen map[[2]int32]company, together []Departure) {
	near := len(together)
	if near > stepFew {
		near = stepNear
	}
	slot := together[0].At.Sub(together[0].At.Truncate(24*time.Hour)) / stepSlot
	for i, a := range together {
		paired := 0
		for _, b := range together[i+1:] {
			if a.Network != "" && a.Network == b.Network {
				continue
			}
			k := [2]int32{min(a.NodeNo, b.NodeNo), max(a.NodeNo, b.NodeNo)}
			seen[k] = company{seen[k].times + 1, seen[k].at | 1<<slot}
			if paired++; paired == near {
				break
			}
		}
	}
}

// groupSteps joins pairs into groups.
func groupSteps(seen map[[2]int32]company, at time.Time) (flags []Found) {
	leader := map[int32]int32{}
	var find func(n int32) int32
	find = func(n int32) int32 {
		if up, ok := leader[n]; ok && up != n {
			leader[n] = find(up)
			return leader[n]
		}
		leader[n] = n
		return n
	}
	often := map[int32]int{}
	for k, c := range seen {
		a, b, n := find(k[0]), find(k[1]), c.at.count()
		leader[max(a, b)] = min(a, b)
		often[k[0]], often[k[1]] = max(often[k[0]], n), max(often[k[1]], n)
	}
	members := map[int32][]int32{}
	for n := range leader {
		members[find(n)] = append(members[find(n)], n)
	}
	for _, group := range members {
		if len(group) < stepLeast {
			continue
		}
		slices.Sort(group)
		for _, n := range group {
			flags = append(flags, found(inStep, n, day(at), at, stepEvidence{group, often[n]}))
		}
	}
	return sorted(flags)
}

type stepEvidence struct {
	NodeNos   []int32 `json:"node_nos"`
	Occasions int     `json:"occasions"` // with one of them, within a week
}
