package pool

import (
	"cmp"
	"slices"
	"time"
)

const (
	// minGapPercent is how much fuller a pool must be than another before a move
	// between them is worth its disturbance.
	minGapPercent = 20
	// settleTime is how long a node stays where it is before it is moved again.
	settleTime = time.Hour
	// patience is how long a pool must have been critical before its nodes leave.
	patience = 15 * time.Minute
)

// Move reasons.
const (
	Fuller   = "fuller"   // its pool is much fuller than the other
	Troubled = "critical" // its pool has been critical for long
)

// Move is a proposal to bring a node into another pool.
type Move struct {
	NodeID string
	From   string // pool ids
	To     string
	Reason string
}

// Load is a pool as the balance sees it.
type Load struct {
	Candidate
	State    State         // "" before the first check
	StateFor time.Duration // how long it has been so
	Members  []Member      // those that may be moved
}

// Member is a node that may be moved.
type Member struct {
	ID        string
	Traits    Traits
	Online    bool
	Priority  int           // low ones move first
	MemberFor time.Duration // how long it has been in its pool
}

// Plan proposes at most most moves, from fuller or lastingly critical pools to
// emptier ones that fit: first the online nodes of critical pools, then what
// evens out fullness. A move never takes a pool below minimum nodes (unless it
// is critical), never fills one beyond the one it takes from, and never brings
// a node into a critical pool.
func Plan(loads []Load, minimum, most int) []Move {
	p := planner{loads: slices.Clone(loads), minimum: minimum, most: most, moves: []Move{}}
	slices.SortFunc(p.loads, func(a, b Load) int { return cmp.Compare(a.No, b.No) })
	for i := range p.loads {
		p.loads[i].Members = movable(p.loads[i].Members)
	}
	for i := range p.loads {
		p.leave(i)
	}
	for len(p.moves) < p.most && p.even() {
	}
	return p.moves
}

// movable are the nodes that have settled, in the order in which they leave.
func movable(members []Member) []Member {
	var list []Member
	for _, m := range members {
		if m.MemberFor >= settleTime {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(b.MemberFor, a.MemberFor), cmp.Compare(a.ID, b.ID))
	})
	return list
}

type planner struct {
	loads         []Load
	minimum, most int
	moves         []Move
}

// leave proposes to bring the online nodes of a lastingly critical pool away.
func (p *planner) leave(from int) {
	if p.loads[from].State != Critical || p.loads[from].StateFor < patience {
		return
	}
	for _, m := range slices.Clone(p.loads[from].Members) {
		if len(p.moves) >= p.most {
			return
		}
		if !m.Online {
			continue
		}
		if to := p.emptiest(from, m, func(Load) bool { return true }); to >= 0 {
			p.move(from, to, m, Troubled)
		}
	}
}

// even proposes the one move that takes from the fullest pool that can give,
// and reports whether there was one.
func (p *planner) even() bool {
	order := make([]int, len(p.loads))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return compareFill(p.loads[b], p.loads[a]) })
	for _, from := range order {
		giver := p.loads[from]
		if giver.Nodes <= p.minimum {
			continue
		}
		tried := map[Traits]bool{} // nodes alike find the same pool, or none
		for _, m := range giver.Members {
			if tried[m.Traits] {
				continue
			}
			tried[m.Traits] = true
			to := p.emptiest(from, m, func(taker Load) bool {
				return (giver.Nodes-1)*taker.MaxNodes >= (taker.Nodes+1)*giver.MaxNodes &&
					(giver.Nodes*taker.MaxNodes-taker.Nodes*giver.MaxNodes)*100 >= minGapPercent*giver.MaxNodes*taker.MaxNodes
			})
			if to >= 0 {
				p.move(from, to, m, Fuller)
				return true
			}
		}
	}
	return false
}

// emptiest is the least full pool that may take the node; -1: none.
func (p *planner) emptiest(from int, m Member, allowed func(Load) bool) int {
	best := -1
	for i, l := range p.loads {
		if i == from || l.State == Critical || l.room() <= 0 || !l.Wanted.Fits(m.Traits) || !allowed(l) {
			continue
		}
		if best < 0 || compareFill(l, p.loads[best]) < 0 {
			best = i
		}
	}
	return best
}

func (p *planner) move(from, to int, m Member, reason string) {
	p.moves = append(p.moves, Move{NodeID: m.ID, From: p.loads[from].ID, To: p.loads[to].ID, Reason: reason})
	p.loads[from].Nodes--
	p.loads[to].Nodes++
	p.loads[from].Members = slices.DeleteFunc(slices.Clone(p.loads[from].Members), func(o Member) bool { return o.ID == m.ID })
}

// compareFill compares shares of places taken, exactly.
func compareFill(a, b Load) int { return cmp.Compare(a.Nodes*b.MaxNodes, b.Nodes*a.MaxNodes) }
