package fraud

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// sim is a fleet in simulated time: what nodes do and suffer, and the evidence
// that the coordinator would have stored. All of it is drawn from one seed.
type sim struct {
	dice    *rand.Rand
	now     time.Time // beginning of the present step
	nodes   []*simNode
	verdict int64

	ourFault   time.Time            // until then
	outages    map[string]time.Time // of streets, until
	departures []Departure
	figures    []Figures            // of the last two hours
	boots      map[[2]string]Shared // by boot and node

	stored map[string]bool            // flags, as the table's key has them
	found  map[int32]map[string]catch // first flag by node and rule
	marks  map[int32][]mark
	heldAt map[int32]catch

	kept *tables // nil: nothing is kept but what the rules ask for
}

const simStep = figuresEvery

// simNode is a node, honest unless it has a cheat.
type simNode struct {
	Member
	memory     *Memory
	model      simModel
	rate       float64 // hashes a second
	way        float64 // milliseconds there and back
	jitter     float64
	street     string
	cron       time.Duration // of its restart each night; 0: none
	weakRadio  bool
	boot, run  string
	booted     time.Time
	away       time.Time // until then
	lost       time.Time // a challenge before then reaches nobody
	hot, busy  time.Time // until then
	owed       bool      // a cohort
	open       time.Time // a challenge, until then
	in, out    int64
	challenges int
	cheat      cheat
}

// cheat changes what a node's evidence looks like.
type cheat struct {
	kind    string
	answers func(s *sim, n *simNode, a *Answer, together []*simNode) // together: its likes that are asked at once
	figures func(s *sim, n *simNode, f *Figures)
	leaves  func(s *sim, n *simNode) bool
	judged  func(n *simNode, a Answer) // told of each verdict
}

func newSim(seed uint64, nodes int) *sim {
	s := &sim{
		dice: rand.New(rand.NewPCG(seed, 0xf4a0d)), now: noon, outages: map[string]time.Time{}, boots: map[[2]string]Shared{},
		stored: map[string]bool{}, found: map[int32]map[string]catch{}, marks: map[int32][]mark{}, heldAt: map[int32]catch{},
	}
	// Homes of one to six boards behind one address; an owner has up to three of them.
	for home, owner := 0, 0; len(s.nodes) < nodes; home++ {
		if s.dice.IntN(3) > 0 {
			owner++
		}
		cron := time.Duration(0)
		if s.dice.IntN(12) == 0 {
			cron = 4 * time.Hour
		}
		for range 1 + s.dice.IntN(3)*s.dice.IntN(4)/2 {
			n := s.add(fmt.Sprintf("10.%d.%d.0", home/250, home%250), fmt.Sprint("owner", owner))
			n.street, n.cron = fmt.Sprint("street", home/20), cron
		}
	}
	s.nodes = s.nodes[:nodes]
	return s
}

func (s *sim) add(network, payout string) *simNode {
	no := int32(len(s.nodes) + 1)
	model := simModels()[s.dice.IntN(4)]
	n := &simNode{model: model, memory: &Memory{}, way: 15 + 60*s.dice.Float64(), jitter: 2 + 15*s.dice.Float64()}
	n.Member = Member{
		NodeNo: no, PoolNo: no % 10, Model: model.name, Payout: payout, Board: fmt.Sprint("board", no), Serial: fmt.Sprint("board", no), Created: noon,
	}
	n.Network, n.weakRadio = network, s.dice.IntN(15) == 0
	n.rate = model.rate * model.truth * math.Exp(0.03*s.dice.NormFloat64())
	if s.dice.IntN(20) == 0 {
		n.rate *= 1.25 // its clock is raised
	}
	if n.weakRadio {
		n.way, n.jitter = 150, 250
	}
	s.reboot(n)
	s.nodes = append(s.nodes, n)
	return n
}

func (s *sim) id() string { return fmt.Sprintf("%016x%016x", s.dice.Uint64(), s.dice.Uint64()) }

func (s *sim) reboot(n *simNode) {
	n.boot, n.booted, n.in, n.out = s.id(), s.now.Add(-time.Minute), 0, 0
	n.run = s.id()
}

// chance is true once in so many days, on average.
func (s *sim) chance(days float64) bool { return s.dice.Float64() < simStep.Hours()/24/days }

func (s *sim) within(d time.Duration) time.Duration {
	return time.Duration(s.dice.Float64() * float64(d))
}

// step goes on by five minutes.
func (s *sim) step() {
	if s.chance(3.5) { // the coordinator or its database fails
		s.ourFault = s.now.Add(s.within(15 * time.Minute))
		if s.kept != nil {
			s.kept.fault(s.now, s.ourFault)
		}
	}
	for _, n := range s.nodes {
		s.live(n)
	}
	for _, n := range s.nodes {
		if s.dice.Float64() < float64(simStep)/float64(333*time.Second) {
			s.ask(n, s.now.Add(s.within(simStep/2)), false, nil)
		}
	}
	if s.dice.Float64() < float64(simStep)/float64(1500*time.Second) {
		s.cohort(s.now.Add(simStep/2 + s.within(simStep/2)))
	}
	s.now = s.now.Add(simStep)
	s.look()
}

// live is what befalls a node, and what it tells of itself.
func (s *sim) live(n *simNode) {
	if s.now.Before(n.away) {
		return
	}
	midnight := s.now.Truncate(24 * time.Hour)
	nightly := n.cron > 0 && !s.now.After(midnight.Add(n.cron)) && s.now.Add(simStep).After(midnight.Add(n.cron))
	switch {
	case n.cheat.leaves != nil && n.cheat.leaves(s, n):
	case nightly:
		s.leave(n, midnight.Add(n.cron+s.within(time.Second)), 2*time.Minute, false)
		s.reboot(n)
	case s.chance(10):
		s.leave(n, s.now.Add(s.within(simStep)), 2*time.Minute, false)
		s.reboot(n)
	case s.chance(7):
		n.run = s.id()
	case s.chance(0.5), n.weakRadio && s.chance(0.1): // connects anew
		s.leave(n, s.now.Add(s.within(simStep)), 10*time.Second, n.weakRadio)
	case s.chance(300): // a power cut or a provider's fault
		s.outages[n.street] = s.now.Add(5*time.Minute + s.within(2*time.Hour))
	case s.chance(5):
		n.hot = s.now.Add(s.within(5 * time.Hour))
	case s.chance(2):
		n.busy = s.now.Add(s.within(8 * time.Hour))
	case s.chance(180): // an interface comes anew
		n.in, n.out = 0, 0
	}
	if until := s.outages[n.street]; s.now.Before(until) {
		s.leave(n, s.now.Add(s.within(90*time.Second)), until.Sub(s.now), true)
	}
	s.tell(n)
}

// leave makes a node offline. Without a word it is missed only after a while.
func (s *sim) leave(n *simNode, at time.Time, away time.Duration, silent bool) {
	if n.away = at.Add(away); silent {
		n.lost = at.Add(s.within(3 * time.Minute))
	}
	if s.kept != nil {
		s.kept.left(n.NodeNo, at, n.away)
	}
	if at.After(s.ourFault.Add(15 * time.Minute)) {
		s.departures = append(s.departures, Departure{n.NodeNo, at, n.Network})
	}
}

func (s *sim) tell(n *simNode) {
	n.in += int64(2e6 * math.Exp(1.5*s.dice.NormFloat64()))
	n.out += int64(4e5 * math.Exp(0.5*s.dice.NormFloat64()))
	memory := int64(3e8 + 2e7*s.dice.NormFloat64())
	f := Figures{
		NodeNo: n.NodeNo, At: s.now, RunNo: int64(n.booted.Unix()), Seq: s.now.Unix(), In: one(n.in), Out: one(n.out),
		MemoryUsed: one(memory), MemoryNewest: one(memory + int64(s.dice.IntN(1e6))), CPU: one(float32(5 + 20*s.dice.Float64())),
	}
	if s.dice.IntN(3000) == 0 { // its clock is set
		f.At = f.At.Add(-s.within(time.Hour))
	}
	if n.cheat.figures != nil {
		n.cheat.figures(s, n, &f)
	}
	s.figures = append(s.figures, f)
	if s.kept != nil {
		s.kept.told(f)
		s.kept.run(n.NodeNo, n.run, s.now)
	}
}

// cohort asks half of the fleet at once, groups with something in common, and who owes one.
func (s *sim) cohort(at time.Time) {
	chosen := map[int32]bool{}
	common := suspicionOf(s.members(), s.sharedNow())
	for _, no := range common.draw(s.dice.Perm(len(common.groups))) {
		chosen[no] = true
	}
	for _, i := range s.dice.Perm(len(s.nodes)) {
		if n := s.nodes[i]; n.owed || len(chosen) < len(s.nodes)/2 {
			chosen[n.NodeNo] = true
		}
	}
	alike := map[string][]*simNode{}
	for _, n := range s.nodes {
		if chosen[n.NodeNo] && n.cheat.kind != "" {
			alike[n.cheat.kind] = append(alike[n.cheat.kind], n)
		}
	}
	for _, n := range s.nodes {
		if chosen[n.NodeNo] {
			s.ask(n, at, true, alike[n.cheat.kind])
		}
	}
}

func (s *sim) sharedNow() [][]int32 {
	byBoot := map[string][]int32{}
	for _, b := range s.boots {
		byBoot[b.Boot] = append(byBoot[b.Boot], b.NodeNo)
	}
	var all [][]int32
	for _, nos := range byBoot {
		if len(nos) > 1 {
			slices.Sort(nos)
			all = append(all, nos)
		}
	}
	return all
}

// ask challenges a node and lets the rules see how it ended.
func (s *sim) ask(n *simNode, at time.Time, together bool, alike []*simNode) {
	if at.Before(n.away) && !at.Before(n.lost) || at.Before(n.open) {
		return // offline nodes get none, nor does one that has yet to answer
	}
	n.challenges++
	s.verdict++
	a := Answer{
		VerdictNo: s.verdict, NodeNo: n.NodeNo, KeyEpoch: 1, ChallengeID: fmt.Sprint("c", s.verdict), Cohort: together,
		Rate: n.model.fastest(), Limit: 2 * time.Second, Network: n.Network, Result: "valid", Answered: true, Run: n.run, Boot: n.boot,
	}
	for range 8 {
		a.Hashes += 1 + s.dice.Uint64N(1<<14)
	}
	rate := n.rate
	if at.Before(n.hot) {
		rate, a.Throttled = rate/2.5, true
	}
	if at.Before(n.busy) {
		rate /= 1 + 3*s.dice.Float64()
	}
	took := n.way + n.jitter*s.dice.ExpFloat64() + 1000*float64(a.Hashes)/rate
	a.Took = time.Duration(took * float64(time.Millisecond))
	a.BootTime = at.Add(a.Took).Sub(n.booted)
	if at.Before(n.lost) {
		a = Answer{VerdictNo: a.VerdictNo, NodeNo: a.NodeNo, KeyEpoch: 1, ChallengeID: a.ChallengeID, Cohort: together, Limit: a.Limit, Result: "missed"}
	} else if n.cheat.answers != nil {
		n.cheat.answers(s, n, &a, alike)
	}
	deadline := 30 * time.Second
	if together {
		deadline = a.Limit
	}
	if a.Answered && a.Took > deadline {
		a.Result = "late"
	}
	if a.At = at.Add(a.Took); at.Before(s.ourFault) {
		a.Result = "void"
	}
	n.open = a.At
	n.owed = together && a.failed()
	if n.cheat.judged != nil {
		n.cheat.judged(n, a)
	}
	s.flag(n, n.memory.see(a))
	s.sawBoot(n, a)
	if s.kept != nil {
		s.kept.answer(a)
	}
}
