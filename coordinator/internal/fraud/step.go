package fraud

import (
	"cmp"
	"maps"
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

// Going in step: so often within so little time, at least so many together. The
// largest crowds are a provider's fault or ours, and say nothing of pairs. What
// comes at one time of the day is a plan, as a restart every night at four.
const (
	stepWithin   = 2 * time.Second
	stepOften    = 6 // at different times of the day
	stepLeast    = 3
	stepMost     = 500              // or half of the fleet, if that is less, but
	stepFew      = 50               // never fewer
	stepNear     = 8                // in a larger crowd each is paired with so many, by number: in step they are the same each time
	stepFlaps    = 210              // departures within stepLookBack; who has more leaves with everybody, and hides them
	stepSlot     = 30 * time.Minute // of the day; within one it counts once
	stepLookBack = 7 * 24 * time.Hour
	// stepShare is the part of its departures, one in so many, that a node must
	// make with another: who leaves all the time leaves with everybody.
	stepShare = 4
)

// steps finds nodes of a fleet that go offline together again and again. Those
// behind one router do so for it: they are counted as one.
func steps(departures []Departure, fleet int, at time.Time) (flags []Found) {
	seen, gone := map[[2]int32]company{}, map[int32]int{}
	for _, d := range departures {
		gone[d.NodeNo]++
	}
	departures = slices.DeleteFunc(departures, func(d Departure) bool { return gone[d.NodeNo] > stepFlaps })
	slices.SortStableFunc(departures, func(a, b Departure) int { return a.At.Compare(b.At) })
	most := max(min(stepMost, fleet/2), stepFew)
	for from := 0; from < len(departures); {
		to := from + 1
		for to < len(departures) && departures[to].At.Sub(departures[from].At) <= stepWithin {
			to++
		}
		if together := departures[from:to]; len(together) >= 2 && len(together) <= most {
			countPairs(seen, together)
		}
		from = to
	}
	maps.DeleteFunc(seen, func(k [2]int32, c company) bool { return c.times*stepShare < max(gone[k[0]], gone[k[1]]) })
	return groupSteps(seen, at)
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
	slices.SortFunc(together, func(a, b Departure) int { return cmp.Compare(a.NodeNo, b.NodeNo) })
	near := len(together)
	if near > stepFew {
		near = stepNear
	}
	slot := together[0].At.Sub(together[0].At.Truncate(24*time.Hour)) / stepSlot
	for i, a := range together {
		paired := 0
		for _, b := range together[i+1:] {
			if a.NodeNo == b.NodeNo || a.Network != "" && a.Network == b.Network {
				continue
			}
			k := [2]int32{a.NodeNo, b.NodeNo}
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
		if n := c.at.count(); n >= stepOften {
			a, b := find(k[0]), find(k[1])
			leader[max(a, b)] = min(a, b)
			often[k[0]], often[k[1]] = max(often[k[0]], n), max(often[k[1]], n)
		}
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
