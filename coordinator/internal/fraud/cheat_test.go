package fraud

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// answerRate is what one machine that answers for many makes.
const answerRate = 330_000 * 2.5 // a Raspberry Pi 4

// shared makes a node one of those that a machine answers for, one after the
// other; pad holds answers back until then.
func shared(rate float64, pad time.Duration, together bool) func(*sim, *simNode, *Answer, []*simNode) {
	return func(s *sim, n *simNode, a *Answer, alike []*simNode) {
		queue := 0
		if a.Cohort {
			queue = slices.IndexFunc(s.dice.Perm(max(len(alike), 1)), func(i int) bool { return i == 0 })
		}
		work := float64(a.Hashes)
		for range queue {
			work += float64(8 * (1 << 13))
		}
		took := n.way + n.jitter*s.dice.ExpFloat64()/4 + 1000*work/rate
		a.Took = max(time.Duration(took*float64(time.Millisecond)), pad+s.within(2*time.Millisecond))
		a.Throttled = false
		if together {
			a.Boot = "one boot for all"
			a.BootTime = s.now.Sub(noon) + time.Hour
		}
	}
}

// silent answers nothing in cohorts: their short deadline gives them away.
func silent(s *sim, n *simNode, a *Answer, alike []*simNode) {
	if a.Cohort {
		*a = Answer{VerdictNo: a.VerdictNo, NodeNo: a.NodeNo, KeyEpoch: 1, ChallengeID: a.ChallengeID, Cohort: true, Limit: a.Limit, Result: "missed"}
		return
	}
	shared(answerRate, 0, false)(s, n, a, alike)
}

// inStepThreeTimesADay has all that do so leave within a second, at moving times.
func inStepThreeTimesADay(s *sim, n *simNode) bool {
	if s.now.Unix()/int64(simStep.Seconds())%97 != 0 {
		return false
	}
	s.leave(n, s.now.Add(time.Minute+s.within(time.Second)), 10*time.Minute, false)
	return true
}

// cheating is so many nodes of one kind in an honest fleet.
type cheating struct {
	kind  string
	nodes int
	home  bool // behind one address, with one payout address
	cheat cheat
	want  string // the rule that finds each of them; none: nothing is found, which docs/fraud.md says too
	held  bool
}

// cheats are what detection is measured on.
func cheats() []cheating {
	return []cheating{
		{kind: "cloned key", nodes: 1, want: alternatingBoot, held: true, cheat: cheat{answers: func(s *sim, n *simNode, a *Answer, _ []*simNode) {
			if s.now.Sub(noon)/(20*time.Minute)%2 == 1 { // the other machine has the connection
				a.Run, a.Boot, a.BootTime = "clone", "clone", s.now.Sub(noon)+48*time.Hour
			}
		}}},
		{kind: "relay faster than the model", nodes: 1, want: fastAnswers, cheat: cheat{answers: func(s *sim, n *simNode, a *Answer, _ []*simNode) {
			a.Took = time.Duration((60 + 10*s.dice.ExpFloat64() + 1000*float64(a.Hashes)/1e9) * float64(time.Millisecond))
		}}},
		{kind: "shared machine, 20 on one boot", nodes: 20, home: true, want: sameBoot, cheat: cheat{answers: shared(answerRate, 0, true)}},
		{kind: "shared machine, own boots, one address", nodes: 20, home: true, want: cohortSlow, cheat: cheat{answers: shared(answerRate, 0, false)}},
		{kind: "shared machine, spread over pools and addresses", nodes: 20, want: cohortSlow, cheat: cheat{answers: shared(answerRate, 0, false)}},
		{kind: "shared machine, padding its answers", nodes: 20, want: fastAnswers, cheat: cheat{answers: shared(answerRate, 1500*time.Millisecond, false)}},
		{kind: "shared machine, skipping cohorts", nodes: 20, want: cohortMisses, cheat: cheat{answers: silent}},
		{kind: "altered telemetry", nodes: 1, want: alteredHash, held: true, cheat: cheat{answers: func(_ *sim, _ *simNode, a *Answer, _ []*simNode) {
			a.Result, a.Reason = "invalid", "hash_mismatch"
		}}},
		{kind: "copied metrics", nodes: 1, want: copiedMetrics, cheat: cheat{figures: func(s *sim, n *simNode, f *Figures) {
			if first := slices.IndexFunc(s.figures, func(o Figures) bool { return o.NodeNo == 1 && o.At.Equal(f.At) }); first >= 0 {
				copied := s.figures[first]
				copied.NodeNo = n.NodeNo
				*f = copied
			}
		}}},
		{kind: "clock games", nodes: 1, want: bootTimeBack, held: true, cheat: cheat{answers: func(s *sim, n *simNode, a *Answer, _ []*simNode) {
			if n.challenges%2 == 0 {
				a.BootTime = max(a.BootTime-2*time.Minute-s.within(time.Hour), 0)
			}
		}}},
		{kind: "synchronised Sybils", nodes: 30, want: inStep, cheat: cheat{leaves: inStepThreeTimesADay}},
		{kind: "synchronised Sybils that leave by themselves too", nodes: 30, want: inStep, cheat: cheat{leaves: func(s *sim, n *simNode) bool {
			if inStepThreeTimesADay(s, n) {
				return true
			}
			if s.chance(1. / 40) {
				s.leave(n, s.now.Add(s.within(simStep)), 10*time.Second, false)
			}
			return false
		}}},
		{kind: "shared machine, as fast as all its boards together and waiting as they would", nodes: 20,
			cheat: cheat{answers: func(s *sim, n *simNode, a *Answer, _ []*simNode) {
				a.Took = time.Duration((n.way + n.jitter*s.dice.ExpFloat64() + 1000*float64(a.Hashes)/n.rate) * float64(time.Millisecond))
			}}},
		{kind: "copied metrics with noise on top", nodes: 1, cheat: cheat{figures: func(s *sim, _ *simNode, f *Figures) {
			f.In, f.MemoryNewest = one(*f.In+s.dice.Int64N(1e5)), one(*f.MemoryNewest+s.dice.Int64N(1e5))
		}}},
	}
}

// joined adds the nodes of a kind to a fleet.
func (s *sim) joined(c cheating) {
	for i := range c.nodes {
		network, payout := fmt.Sprintf("203.%d.0.0", i), fmt.Sprint("sybil", i)
		if c.home {
			network, payout = "203.0.0.0", "sybil"
		}
		n := s.add(network, payout)
		n.cheat, n.cheat.kind, n.weakRadio, n.model = c.cheat, c.kind, false, simModels()[2]
		n.Model, n.rate, n.way, n.jitter = n.model.name, n.model.rate*n.model.truth, 40, 10
		if c.want == inStep {
			n.Payout = "sybil"
		}
	}
}

// TestCheatsAreFound measures how many of each kind are found, by what, and
// after how long, and that the honest nodes around them are not held.
func TestCheatsAreFound(t *testing.T) {
	nodes, days := size(150, 4, 500, 8)
	for _, c := range cheats() {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			s := newSim(7, nodes)
			s.joined(c)
			for end := noon.AddDate(0, 0, days); s.now.Before(end); {
				s.step()
			}
			measured(t, s, nodes, c.want)
			for no, at := range s.heldAt {
				if int(no) <= nodes {
					t.Errorf("honest node %d is held from %s: %v", no, at.at, s.found[no])
				}
			}
			for _, n := range s.nodes[nodes:] {
				_, found := s.found[n.NodeNo][c.want]
				_, held := s.heldAt[n.NodeNo]
				if c.want != "" && !found || held != c.held || c.want == "" && len(s.found[n.NodeNo]) > 0 {
					t.Errorf("node %d: held %v, flags %v", n.NodeNo, held, s.found[n.NodeNo])
				}
			}
		})
	}
}

// measured prints the line of the table in docs/fraud.md.
func measured(t *testing.T, s *sim, honest int, want string) {
	t.Helper()
	byRule, held := map[string][]catch{}, 0
	for _, n := range s.nodes[honest:] {
		for rule, c := range s.found[n.NodeNo] {
			byRule[rule] = append(byRule[rule], c)
		}
		if _, yes := s.heldAt[n.NodeNo]; yes {
			held++
		}
	}
	all := len(s.nodes) - honest
	var parts []string
	for _, r := range Rules() {
		c := byRule[r.ID]
		if len(c) == 0 {
			continue
		}
		slices.SortFunc(c, func(a, b catch) int { return a.at.Compare(b.at) })
		mid, last := c[(len(c)-1)/2], c[len(c)-1]
		parts = append(parts, fmt.Sprintf("%s %d of %d, median %.1f h and %d challenges, last %.1f h",
			r.ID, len(c), all, mid.at.Sub(noon).Hours(), mid.challenges, last.at.Sub(noon).Hours()))
	}
	t.Logf("%d held; %s", held, strings.Join(parts, "; "))
}
