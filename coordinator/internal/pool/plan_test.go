package pool

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// load is a pool of n settled, online workers, of which the first may leave
// first.
func load(no int32, n, places int) Load {
	l := Load{Candidate: Candidate{No: no, ID: fmt.Sprintf("pool_%d", no), Nodes: n, MaxNodes: places}, State: Healthy}
	for i := range n {
		l.Members = append(l.Members, Member{
			ID: fmt.Sprintf("node_%d_%03d", no, i), Traits: Traits{NodeType: "worker"}, Online: true, Priority: 50, MemberFor: settleTime,
		})
	}
	return l
}

func with(l Load, change func(*Load)) Load {
	change(&l)
	return l
}

func TestPlan(t *testing.T) {
	state := func(s State, d time.Duration) func(*Load) {
		return func(l *Load) { l.State, l.StateFor = s, d }
	}
	cases := map[string]struct {
		loads   []Load
		minimum int
		want    []Move
	}{
		"nothing to do":                 {[]Load{load(1, 5, 10), load(2, 5, 10)}, 0, nil},
		"a small difference stays":      {[]Load{load(1, 5, 10), load(2, 4, 10)}, 0, nil},
		"evens out":                     {[]Load{load(1, 4, 10), load(2, 0, 10)}, 0, []Move{{"node_1_000", "pool_1", "pool_2", Fuller}, {"node_1_001", "pool_1", "pool_2", Fuller}}},
		"leaves the minimum":            {[]Load{load(1, 4, 10), load(2, 0, 10)}, 3, []Move{{"node_1_000", "pool_1", "pool_2", Fuller}}},
		"the emptiest takes":            {[]Load{load(1, 4, 4), load(2, 1, 4), load(3, 0, 4)}, 3, []Move{{"node_1_000", "pool_1", "pool_3", Fuller}}},
		"not into a critical pool":      {[]Load{load(1, 4, 10), with(load(2, 0, 10), state(Critical, 0))}, 0, nil},
		"not into one for other nodes":  {[]Load{load(1, 4, 10), with(load(2, 0, 10), func(l *Load) { l.Wanted.NodeTypes = []string{"storage"} })}, 0, nil},
		"who just came stays":           {[]Load{with(load(1, 4, 10), func(l *Load) { l.Members[0].MemberFor-- }), load(2, 0, 10)}, 3, []Move{{"node_1_001", "pool_1", "pool_2", Fuller}}},
		"low priority goes first":       {[]Load{with(load(1, 4, 10), func(l *Load) { l.Members[3].Priority = 1 }), load(2, 0, 10)}, 3, []Move{{"node_1_003", "pool_1", "pool_2", Fuller}}},
		"critical too shortly":          {[]Load{with(load(1, 1, 10), state(Critical, patience-1)), load(2, 5, 10)}, 0, nil},
		"critical for long":             {[]Load{with(load(1, 1, 10), state(Critical, patience)), load(2, 9, 10)}, 3, []Move{{"node_1_000", "pool_1", "pool_2", Troubled}}},
		"offline nodes are not brought": {[]Load{with(with(load(1, 2, 10), state(Critical, patience)), func(l *Load) { l.Members[0].Online = false }), load(2, 5, 10)}, 3, []Move{{"node_1_001", "pool_1", "pool_2", Troubled}}},
		"no room anywhere":              {[]Load{with(load(1, 2, 10), state(Critical, patience)), load(2, 5, 5)}, 0, nil},
		"degraded is no reason":         {[]Load{with(load(1, 2, 10), state(Degraded, time.Hour)), load(2, 2, 10)}, 0, nil},
	}
	for name, c := range cases {
		if c.want == nil {
			c.want = []Move{}
		}
		if got := Plan(c.loads, c.minimum, 10); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	if got := Plan([]Load{load(1, 50, 50), load(2, 0, 50)}, 0, 7); len(got) != 7 {
		t.Errorf("%d moves, at most 7 were asked for", len(got))
	}
}

// The plan keeps its promises, whatever the pools are.
func TestPlanKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minimum := rapid.IntRange(0, 4).Draw(t, "minimum")
		var loads []Load
		byID := map[string]*Load{}
		for no := range rapid.IntRange(1, 6).Draw(t, "pools") {
			places := rapid.IntRange(1, 12).Draw(t, "places")
			l := load(int32(no+1), rapid.IntRange(0, places).Draw(t, "nodes"), places)
			l.State = rapid.SampledFrom([]State{"", Healthy, Degraded, Critical}).Draw(t, "state")
			l.StateFor = time.Duration(rapid.IntRange(0, 1).Draw(t, "long")) * patience
			loads = append(loads, l)
		}
		moves := Plan(loads, minimum, 100)
		if again := Plan(loads, minimum, 100); !reflect.DeepEqual(again, moves) {
			t.Fatal("the same pools give another plan, or the plan changed what it was given")
		}
		for i := range loads {
			byID[loads[i].ID] = &loads[i]
		}
		seen := map[string]bool{}
		for _, m := range moves {
			from, to := byID[m.From], byID[m.To]
			if seen[m.NodeID] || to.State == Critical || to.Nodes >= to.MaxNodes ||
				m.Reason == Fuller && (from.Nodes <= minimum || compareFill(*from, *to) <= 0) {
				t.Fatalf("move %+v from %d/%d to %d/%d, minimum %d", m, from.Nodes, from.MaxNodes, to.Nodes, to.MaxNodes, minimum)
			}
			seen[m.NodeID] = true
			from.Nodes, to.Nodes = from.Nodes-1, to.Nodes+1
		}
	})
}
