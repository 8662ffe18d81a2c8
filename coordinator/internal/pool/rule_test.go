package pool

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestJudge(t *testing.T) {
	const good = 950_000_000
	cases := map[string]struct {
		vitals  Vitals
		state   State
		reasons []Reason
	}{
		"all well":              {Vitals{10, 10, 10, good, 0}, Healthy, []Reason{}},
		"exactly 80 % online":   {Vitals{10, 8, 10, good, 0}, Healthy, []Reason{}},
		"below 80 % online":     {Vitals{10, 7, 10, good, 0}, Degraded, []Reason{ManyOffline}},
		"exactly half online":   {Vitals{10, 5, 10, good, 0}, Degraded, []Reason{ManyOffline}},
		"below half online":     {Vitals{10, 4, 10, good, 0}, Critical, []Reason{MostOffline}},
		"nobody online":         {Vitals{4, 0, 4, good, 0}, Critical, []Reason{NobodyOnline}},
		"nobody expected":       {Vitals{0, 0, 0, 0, 0}, Degraded, []Reason{NoNodes}},
		"at the minimum":        {Vitals{3, 3, 3, good, 0}, Healthy, []Reason{}},
		"below the minimum":     {Vitals{2, 2, 2, good, 0}, Degraded, []Reason{TooFewOnline}},
		"nobody proven yet":     {Vitals{3, 3, 0, 0, 0}, Healthy, []Reason{}},
		"score just enough":     {Vitals{3, 3, 3, 800_000_000, 0}, Healthy, []Reason{}},
		"score low":             {Vitals{3, 3, 3, 799_999_999, 0}, Degraded, []Reason{LowScore}},
		"score least tolerable": {Vitals{3, 3, 3, 600_000_000, 0}, Degraded, []Reason{LowScore}},
		"score very low":        {Vitals{3, 3, 3, 599_999_999, 0}, Critical, []Reason{VeryLowScore}},
		"few with alerts":       {Vitals{10, 10, 10, good, 1}, Healthy, []Reason{}},
		"many with alerts":      {Vitals{10, 10, 10, good, 2}, Degraded, []Reason{ManyAlerts}},
		"half with alerts":      {Vitals{10, 8, 10, good, 4}, Critical, []Reason{MostAlerts}},
		"the worst decides":     {Vitals{4, 1, 4, 700_000_000, 0}, Critical, []Reason{MostOffline, TooFewOnline, LowScore}},
	}
	for name, c := range cases {
		if state, reasons := Judge(c.vitals, 3); state != c.state || !reflect.DeepEqual(reasons, c.reasons) {
			t.Errorf("%s: %s %v, want %s %v", name, state, reasons, c.state, c.reasons)
		}
	}
}

func TestMoreNodesOnlineAreNeverWorse(t *testing.T) {
	rank := map[State]int{Healthy: 0, Degraded: 1, Critical: 2}
	rapid.Check(t, func(t *rapid.T) {
		v := Vitals{Expected: rapid.IntRange(1, 100).Draw(t, "expected"), Scored: rapid.IntRange(0, 1).Draw(t, "scored")}
		v.Online = rapid.IntRange(0, v.Expected-1).Draw(t, "online")
		v.ScoreNano = rapid.Int64Range(0, 1_000_000_000).Draw(t, "score")
		minimum := rapid.IntRange(1, 100).Draw(t, "minimum")
		before, _ := Judge(v, minimum)
		v.Online++
		if after, _ := Judge(v, minimum); rank[after] > rank[before] {
			t.Errorf("one more online turned %s into %s", before, after)
		}
	})
}

func TestFits(t *testing.T) {
	worker, bavarian := Traits{NodeType: "worker"}, Traits{"worker", "DE", "Bavaria"}
	cases := map[string]struct {
		wanted Wanted
		node   Traits
		fits   bool
	}{
		"anything":               {Wanted{}, worker, true},
		"its type":               {Wanted{NodeTypes: []string{"storage", "worker"}}, worker, true},
		"another type":           {Wanted{NodeTypes: []string{"storage"}}, worker, false},
		"its country":            {Wanted{Regions: []string{"FR", "DE"}}, bavarian, true},
		"its region":             {Wanted{Regions: []string{"DE/Bavaria"}}, bavarian, true},
		"another region":         {Wanted{Regions: []string{"DE/Hesse"}}, bavarian, false},
		"region without telling": {Wanted{Regions: []string{"DE"}}, worker, false},
		"both":                   {Wanted{[]string{"worker"}, []string{"DE"}}, bavarian, true},
		"type but not region":    {Wanted{[]string{"worker"}, []string{"FR"}}, bavarian, false},
	}
	for name, c := range cases {
		if got := c.wanted.Fits(c.node); got != c.fits {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestChoose(t *testing.T) {
	anyPool := func(no int32, nodes, places int) Candidate {
		return Candidate{No: no, ID: fmt.Sprintf("pool_%d", no), Nodes: nodes, MaxNodes: places}
	}
	workers := anyPool(9, 50, 100)
	workers.Wanted.NodeTypes = []string{"worker"}
	storage := anyPool(3, 0, 100)
	storage.Wanted.NodeTypes = []string{"storage"}
	cases := map[string]struct {
		pools []Candidate
		want  int32 // 0: none
	}{
		"no pools":                    {nil, 0},
		"most room, not least filled": {[]Candidate{anyPool(1, 10, 30), anyPool(2, 60, 100)}, 2},
		"the older of equals":         {[]Candidate{anyPool(2, 5, 10), anyPool(1, 5, 10)}, 1},
		"the closer of equals":        {[]Candidate{anyPool(1, 50, 100), workers}, 9},
		"full":                        {[]Candidate{anyPool(1, 10, 10)}, 0},
		"not meant for it":            {[]Candidate{storage}, 0},
		"room that does not fit":      {[]Candidate{storage, anyPool(4, 99, 100)}, 4},
	}
	for name, c := range cases {
		chosen, reason, ok := Choose(Traits{NodeType: "worker"}, c.pools)
		if chosen.No != c.want || ok != (c.want != 0) || reason == "" {
			t.Errorf("%s: %d %t %q, want %d", name, chosen.No, ok, reason, c.want)
		}
	}
	_, reason, _ := Choose(Traits{"worker", "DE", ""}, []Candidate{anyPool(1, 99, 100)})
	if !strings.Contains(reason, "1 of 100 places free") || !strings.Contains(reason, "worker node from DE") {
		t.Errorf("reason %q", reason)
	}
}
