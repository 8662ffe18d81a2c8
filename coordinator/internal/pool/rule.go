package pool

import (
	"fmt"
	"slices"
)

// State is how a pool is.
type State string

// The states of a pool's health.
const (
	Healthy  State = "healthy"
	Degraded State = "degraded"
	Critical State = "critical"
)

// Reason says in one word why a pool is not healthy.
type Reason string

// Reasons of a pool's health.
const (
	NoNodes        Reason = "no_nodes"       // nobody in it is expected to be online
	TooFewOnline   Reason = "too_few_online" // fewer than the healthy minimum
	ManyOffline    Reason = "many_offline"   // share online below 80 %
	MostOffline    Reason = "most_offline"   // share online below 50 %
	NobodyOnline   Reason = "nobody_online"  // all that should be are not
	LowScore       Reason = "low_score"      // mean score below 80 points
	VeryLowScore   Reason = "very_low_score" // mean score below 60 points
	ManyAlerts     Reason = "many_alerts"    // 20 % of those online or more have a critical alert
	MostAlerts     Reason = "most_alerts"    // 50 % or more
	healthyPercent        = 80
	minimalPercent        = 50
	manyAlarmed           = 20 // percent
	mostAlarmed           = 50
	healthyScore   int64  = 800_000_000 // 1e9 = 100 points
	minimalScore   int64  = 600_000_000
)

// Vitals are what a pool's health is judged by.
type Vitals struct {
	Expected  int   // nodes that should be online: not pending, stopping, inactive or in maintenance
	Online    int   // of those
	Scored    int   // nodes that have proven themselves: active or suspended
	ScoreNano int64 // mean of those, 1e9 = 100 points
	Alarmed   int   // nodes online for which a critical alert fires that is not silenced
}

// Judge tells how a pool is and why. minimum is how many online nodes make a
// healthy pool. The worst finding decides; each is named.
func Judge(v Vitals, minimum int) (State, []Reason) {
	if v.Expected == 0 {
		return Degraded, []Reason{NoNodes}
	}
	state, reasons := Healthy, []Reason{}
	find := func(found State, reason Reason) {
		if state != Critical {
			state = found
		}
		reasons = append(reasons, reason)
	}
	switch {
	case v.Online == 0:
		find(Critical, NobodyOnline)
	case v.Online*100 < v.Expected*minimalPercent:
		find(Critical, MostOffline)
	case v.Online*100 < v.Expected*healthyPercent:
		find(Degraded, ManyOffline)
	}
	if v.Online > 0 && v.Online < minimum {
		find(Degraded, TooFewOnline)
	}
	switch {
	case v.Scored == 0:
	case v.ScoreNano < minimalScore:
		find(Critical, VeryLowScore)
	case v.ScoreNano < healthyScore:
		find(Degraded, LowScore)
	}
	switch {
	case v.Alarmed == 0:
	case v.Alarmed*100 >= v.Online*mostAlarmed:
		find(Critical, MostAlerts)
	case v.Alarmed*100 >= v.Online*manyAlarmed:
		find(Degraded, ManyAlerts)
	}
	return state, reasons
}

// Wanted says which nodes a pool is meant for; an empty list takes any.
type Wanted struct {
	NodeTypes []string `json:"node_types"`
	Regions   []string `json:"regions"` // "DE", or "DE/Bavaria"
}

// Traits are what decides whether a node fits a pool.
type Traits struct {
	NodeType string
	Country  string // "" when the node has told no location
	Region   string
}

// Fits reports whether the pool is meant for such a node. A node without a
// location fits only pools that ask for none.
func (w Wanted) Fits(t Traits) bool {
	if len(w.NodeTypes) > 0 && !slices.Contains(w.NodeTypes, t.NodeType) {
		return false
	}
	return len(w.Regions) == 0 || t.Country != "" && (slices.Contains(w.Regions, t.Country) ||
		slices.Contains(w.Regions, t.Country+"/"+t.Region))
}

// closeness counts what the pool asks for and the node has: a pool meant for
// such nodes goes before one that takes any.
func (w Wanted) closeness() int {
	n := 0
	if len(w.NodeTypes) > 0 {
		n++
	}
	if len(w.Regions) > 0 {
		n++
	}
	return n
}

// Candidate is a pool that a node might join.
type Candidate struct {
	No       int32
	ID       string
	Wanted   Wanted
	Nodes    int
	MaxNodes int
}

func (c Candidate) room() int { return c.MaxNodes - c.Nodes }

// Choose gives the pool with most room that is meant for such a node, and why;
// ok is false when none has room. Among equals the one meant most closely for
// such nodes is taken, then the oldest.
func Choose(t Traits, candidates []Candidate) (chosen Candidate, reason string, ok bool) {
	for _, c := range candidates {
		if c.room() <= 0 || !c.Wanted.Fits(t) {
			continue
		}
		if !ok || better(c, chosen) {
			chosen, ok = c, true
		}
	}
	if !ok {
		return Candidate{}, fmt.Sprintf("none of %d pools has room for a %s node%s", len(candidates), t.NodeType, from(t)), false
	}
	return chosen, fmt.Sprintf("most room (%d of %d places free) of the pools for a %s node%s",
		chosen.room(), chosen.MaxNodes, t.NodeType, from(t)), true
}

func better(a, b Candidate) bool {
	if a.room() != b.room() {
		return a.room() > b.room()
	}
	if x, y := a.Wanted.closeness(), b.Wanted.closeness(); x != y {
		return x > y
	}
	return a.No < b.No
}

func from(t Traits) string {
	if t.Country == "" {
		return ""
	}
	return " from " + t.Country
}
