package fraud

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// fleet is so many honest members, with differing boards and homes.
func fleet(n int) []Member {
	all := make([]Member, n)
	for i := range all {
		// Boards differ by a few percent; cohorts cost everybody a little.
		pace := math.Log(0.003) + 0.03*float64(i%5-2)
		all[i] = Member{
			NodeNo: int32(i + 1), PoolNo: int32(1 + i/50), Model: "Raspberry Pi 4", Payout: fmt.Sprint("T", i/2), Board: fmt.Sprint("board", i),
			Serial: fmt.Sprint("board", i), Created: noon.Add(time.Duration(i) * time.Hour), Memory: Memory{
				Network: fmt.Sprintf("10.%d.%d.0/24", i/500, i/2), At: noon,
				Alone:  Pace{Asked: 400, Missed: 6, N: 390, Mean: pace, Var: 0.05},
				Cohort: Pace{Asked: 40, Missed: 1, N: 39, Mean: pace + 0.05, Var: 0.05},
			},
		}
	}
	return all
}

func flagged(flags []Found) map[string][]int32 {
	all := map[string][]int32{}
	for _, f := range flags {
		all[f.Rule.ID] = append(all[f.Rule.ID], f.NodeNo)
	}
	return all
}

func TestCohorts(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Member)
		want   string
	}{
		"honest":                   {func(*Member) {}, ""},
		"misses as often alone":    {func(m *Member) { m.Alone.Missed, m.Cohort.Missed = 120, 14 }, ""},
		"too few to say":           {func(m *Member) { m.Cohort = Pace{Asked: 8, Missed: 8} }, ""},
		"slow, alone and together": {func(m *Member) { m.Alone.Mean, m.Cohort.Mean = m.Alone.Mean+1, m.Cohort.Mean+1 }, ""},
		"waits for its likes":      {func(m *Member) { m.Cohort.Mean += 0.7 }, cohortSlow},
		"stays away from cohorts":  {func(m *Member) { m.Cohort.Missed, m.Cohort.N, m.Cohort.Mean = 24, 11, m.Alone.Mean }, cohortMisses},
	} {
		all := fleet(100)
		c.change(&all[41])
		got := flagged(cohorts(all, noon))
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !slices.Equal(got[c.want], []int32{42})) {
			t.Errorf("%s: %v, want %q", name, got, c.want)
		}
	}
}

// A coordinator that is slow with many at once is slow for all.
func TestCohortsThatSlowEverybodySpeakAgainstNobody(t *testing.T) {
	all := fleet(100)
	for i := range all {
		all[i].Cohort.Mean += 1
		all[i].Cohort.Missed = 20
	}
	if got := flagged(cohorts(all, noon)); len(got) > 0 {
		t.Errorf("%v", got)
	}
}

func TestRelations(t *testing.T) {
	if got := flagged(relations(fleet(100), noon)); len(got) > 0 {
		t.Errorf("honest: %v", got)
	}
	all := fleet(100)
	for i := range 10 {
		all[i].Network, all[20+i].Payout = "192.0.2.0/24", "Tsame"
	}
	all[60].Serial = all[59].Board // tells the board of an older node
	got := flagged(relations(all, noon))
	if len(got[sameAddress]) != 10 || len(got[samePayout]) != 10 || !slices.Equal(got[sameSerial], []int32{61}) || len(got) != 3 {
		t.Errorf("%v", got)
	}
	all = fleet(2)
	all[0].Serial = all[1].Board // the older node tells the younger's: only a newcomer is flagged
	if got := flagged(relations(all, noon)); len(got) > 0 {
		t.Errorf("the older one: %v", got)
	}
}

func TestGroupsUnderSuspicion(t *testing.T) {
	all := fleet(10) // two in each home
	for i := range 3 {
		all[i].Network = "192.0.2.0/24"
	}
	all[7].Payout, all[8].Payout, all[9].Payout = "T", "T", "T"
	got := groups(all, [][]int32{{6, 5}})
	if fmt.Sprint(got) != "[[1 2 3] [5 6] [8 9 10]]" {
		t.Errorf("%v", got)
	}
}

func TestCohortsAskWholeGroups(t *testing.T) {
	s := suspicion{groups: [][]int32{{1, 2, 3, 4}, {4, 5}, {6, 7, 8}}, most: 5}
	for order, want := range map[string]string{"[0 1 2]": "[1 2 3 4]", "[1 0 2]": "[4 5 6 7 8]", "[2 1 0]": "[6 7 8 4 5]"} {
		var first, second, third int
		if _, err := fmt.Sscanf(order, "[%d %d %d]", &first, &second, &third); err != nil {
			t.Fatal(err)
		}
		if got := s.draw([]int{first, second, third}); fmt.Sprint(got) != want {
			t.Errorf("%s: %v, want %s", order, got, want)
		}
	}
}

func TestSharedBoots(t *testing.T) {
	at := func(from, to int) Shared { return Shared{Boot: "b", First: minute(from), Last: minute(to)} }
	of := func(no int32, s Shared) Shared { s.NodeNo = no; return s }
	enrolledAgain := []Shared{of(1, at(0, 10)), of(2, at(20, 30))}
	if flags := sharedBoots(enrolledAgain); len(flags) > 0 {
		t.Errorf("one after the other: %v", flagged(flags))
	}
	inTurns := []Shared{of(1, at(0, 20)), of(2, at(5, 30)), of(3, at(40, 50))}
	if got := flagged(sharedBoots(inTurns)); !slices.Equal(got[sameBoot], []int32{1, 2}) {
		t.Errorf("in turns: %v", got)
	}
}

// apart are the departures of nodes on so many occasions, a minute of jitter in
// the plan and half a second among them.
func leaving(occasions int, network func(i int) string, nodes ...int32) (all []Departure) {
	for o := range occasions {
		for i, n := range nodes {
			at := noon.Add(time.Duration(o)*5*time.Hour + time.Duration(i%4)*300*time.Millisecond)
			all = append(all, Departure{n, at, network(i)})
		}
	}
	return all
}

// restlessly are the departures of nodes that each leave so often a week, heeding
// nobody.
func restlessly(times int, network func(i int) string, nodes ...int32) (all []Departure) {
	dice := rand.New(rand.NewPCG(11, 0x57e9))
	for i, n := range nodes {
		for range times {
			all = append(all, Departure{n, noon.Add(time.Duration(dice.Int64N(int64(stepLookBack)))), network(i)})
		}
	}
	return all
}

// numbers are 1 to n.
func numbers(n int) (all []int32) {
	for i := range n {
		all = append(all, int32(i+1))
	}
	return all
}

func TestSteps(t *testing.T) {
	own := func(i int) string { return fmt.Sprint("net", i) }
	one := func(int) string { return "home" }
	for name, c := range map[string]struct {
		departures []Departure
		want       []int32
	}{
		"a router that restarts every night": {leaving(30, one, 1, 2, 3, 4), nil},
		"a street without power, twice":      {leaving(2, own, numbers(40)...), nil},
		"two friends":                        {leaving(9, own, 1, 2), nil},
		"restarts that are planned for each night": {func() (all []Departure) {
			for night := range 7 {
				for n := range int32(4) {
					all = append(all, Departure{n + 1, noon.AddDate(0, 0, night), own(int(n))})
				}
			}
			return all
		}(), nil},
		"one occasion of many bounces": {func() (all []Departure) {
			for i := range 20 {
				for n := range int32(4) {
					all = append(all, Departure{n + 1, noon.Add(time.Duration(i) * time.Minute), own(int(n))})
				}
			}
			return all
		}(), nil},
		"strangers who leave all the time, to leave with a node whose Wi-Fi is weak": {func() (all []Departure) {
			for second := range 24 * 60 * 60 {
				n := int32(1 + second%2)
				all = append(all, Departure{n, noon.Add(time.Duration(second) * time.Second), own(int(n))})
			}
			for i := range 12 {
				all = append(all, Departure{3, noon.Add(time.Duration(i) * 101 * time.Minute), own(3)})
			}
			return all
		}(), nil},
		"identities that are switched off together":     {leaving(6, own, 1, 2, 3), []int32{1, 2, 3}},
		"a provider of half the fleet, again and again": {leaving(9, own, numbers(201)...), nil},
		"identities that leave all the time as well, each for itself": {
			slices.Concat(leaving(12, own, 1, 2, 3, 4), restlessly(400, own, 1, 2, 3, 4)), []int32{1, 2, 3, 4},
		},
		"customers of a small provider who leave all the time, and nine times by its fault": {
			slices.Concat(leaving(9, own, 1, 2, 3), restlessly(100, own, 1, 2, 3)), nil,
		},
		"identities among many who leave whenever they do, and all the time": {
			slices.Concat(leaving(20, own, 20, 40, 60), leaving(20, own, numbers(80)...), restlessly(300, own, numbers(80)...)), numbers(80),
		},
		"identities among others who leave with them by turns, and by themselves": {func() (all []Departure) {
			others := slices.DeleteFunc(numbers(600), func(n int32) bool { return n%200 == 150 })
			for i, n := range others {
				for o := i % 10; o < 12; o += 10 {
					all = append(all, Departure{n, noon.Add(time.Duration(o) * 5 * time.Hour), own(i)})
				}
			}
			identities := leaving(12, func(i int) string { return fmt.Sprint("identity", i) }, 150, 350, 550)
			return slices.Concat(all, restlessly(60, own, others...), identities)
		}(), []int32{150, 350, 550}},
		"strangers who leave all the time":         {restlessly(600, own, numbers(60)...), nil},
		"more identities than a provider's street": {leaving(8, own, numbers(stepFew+30)...), numbers(stepFew + 30)},
	} {
		if got := flagged(steps(c.departures, 400, noon)); !slices.Equal(got[inStep], c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Who leaves so often that chance hides what is planned is told, and no more.
func TestLeavingAllTheTimeIsTold(t *testing.T) {
	own := func(i int) string { return fmt.Sprint("net", i) }
	poorRadio, all := restlessly(stepRestless-1, own, 1), restlessly(3*stepNewest, own, 2)
	flags := steps(slices.Concat(poorRadio, all), 400, noon)
	if got := flagged(flags); !slices.Equal(got[restless], []int32{2}) || len(got) != 1 || flags[0].Rule.Severity != Notice {
		t.Fatalf("%v", got)
	}
	newest := slices.SortedFunc(slices.Values(all), func(a, b Departure) int { return b.At.Compare(a.At) })[:stepNewest]
	if e, want := flags[0].Evidence.(restlessEvidence), (restlessEvidence{stepNewest, newest[stepNewest-1].At}); e != want {
		t.Errorf("%+v, want %+v", e, want)
	}
}

func TestOutliers(t *testing.T) {
	for name, c := range map[string]struct {
		change func([]Member)
		want   []int32
	}{
		"honest":             {func([]Member) {}, nil},
		"a slow board":       {func(m []Member) { m[3].Alone.Mean += 2 }, nil},
		"another model":      {func(m []Member) { m[3].Model, m[3].Alone.Mean = "Raspberry Pi 5", m[3].Alone.Mean-1 }, nil},
		"in no pool":         {func(m []Member) { m[3].PoolNo, m[3].Alone.Mean = 0, m[3].Alone.Mean-2 }, nil},
		"a raised clock":     {func(m []Member) { m[3].Alone.Mean -= 0.3 }, nil},
		"three times faster": {func(m []Member) { m[3].Alone.Mean -= 1.1 }, []int32{4}},
		"most of a pool waits": {func(m []Member) {
			for i := range m {
				if m[i].PoolNo == m[3].PoolNo && i != 3 {
					m[i].Alone.Mean += 1.1
				}
			}
		}, nil},
	} {
		all := fleet(100)
		c.change(all)
		if got := flagged(outliers(all, noon)); !slices.Equal(got[speedOutlier], c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
