package rail

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain/chaintest"
)

var oneSchedule = flag.Uint64("schedule", 0, "run the schedule of this seed only, and tell what happens")

// schedules is how many are run: 50, and 1,000 under make test-long.
func schedules() uint64 {
	if os.Getenv("TEST_LONG") != "" {
		return 1000
	}
	return 50
}

// Whatever the network does and wherever the program ends, every payout is paid
// at most once, and all that is sent is on record.
func TestSeededSchedules(t *testing.T) {
	if *oneSchedule != 0 {
		runSchedule(t, *oneSchedule, tally{})
		return
	}
	happened := make(tally)
	for seed := uint64(1); seed <= schedules() && !t.Failed(); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { runSchedule(t, seed, happened) })
	}
	t.Log(happened)
	if n := happened["attempts decided in trouble"]; n < int(schedules()) {
		t.Errorf("%d attempts were decided while there was trouble: the schedules are nearly idle", n)
	}
	for _, what := range []string{"ends of the program", "completed payouts", "failed payouts", "cancelled payouts", "paid attempts", "failed attempts", "dead attempts",
		"payouts with several attempts", "attempts out of energy", "payouts that a hold failed", "payouts that came back to pools",
		"cancels", "retries", "changed addresses", "holds", "releases", "confirms", "starts of confirmed nodes", "memories lost", "looks at what was forgotten"} {
		if happened[what] == 0 {
			t.Errorf("no schedule had any %s", what)
		}
	}
}

// tally counts what happened in all schedules, so that none is idle.
type tally map[string]int

// schedule is what goes wrong, all of it drawn from one seed.
type schedule struct {
	*world
	random  *rand.Rand
	ids     []string
	calm    atomic.Bool // nothing goes wrong any more
	deaths  int
	done    tally        // what people did
	flags   []string     // that hold nodes
	trouble float64      // share of the requests with a fault
	kind    atomic.Int32 // of the nodes that tell what became of a transaction
}

// Kinds of times: in some, both nodes know nothing of any transaction for
// long; in others the second one tells the contrary, and the first knows
// little.
const (
	ordinary = iota
	blind
	lying
	kinds
)

// source is drawn from by the schedule and by the nodes, which may still answer
// what a program asked that has ended meanwhile.
type source struct {
	mu  sync.Mutex
	pcg *rand.PCG
}

func (s *source) Uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pcg.Uint64()
}

func runSchedule(t *testing.T, seed uint64, happened tally) {
	s := &schedule{world: newWorld(t, seed), random: rand.New(&source{pcg: rand.NewPCG(seed, 2)}), done: make(tally)}
	s.trouble = []float64{0, 0.05, 0.15}[s.random.IntN(3)]
	s.run(certain+1, 1) // the ledger knows what the wallet holds
	s.arm()
	for range 40 + s.random.IntN(41) {
		s.round()
		s.wantSound()
		s.act()
		s.wantSound()
	}
	happened["attempts decided in trouble"] += query[int](s.world, `SELECT count(*) FROM rail_attempt WHERE state <> 'live'`)
	s.heal()
	for i := 0; i < 200 && !s.over(); i++ {
		err := s.runOnce()
		s.chain.Advance(1 + s.random.IntN(20))
		s.judged()
		if *oneSchedule != 0 {
			t.Logf("calm round %d: %v", i, err)
		}
	}
	s.wantSound()
	if !s.over() {
		t.Errorf("%v are not over: %v; run with -schedule %d", s.ids, s.runOnce(), seed)
	}
	for range 30 { // what came later is found by comparing
		s.runOnce()
		s.chain.Advance(1)
	}
	s.wantSound()
	s.wantEven()
	s.count(happened)
	if t.Failed() {
		t.Logf("again: go test ./internal/rail -run TestSeededSchedules -schedule %d -v", seed)
	}
}

// arm gives the nodes and the chain their faults. Only the second solidity node
// lies or lags: two that tell the same untruth cannot be told from the truth.
func (s *schedule) arm() {
	s.chain.Fate = func(tron.ID) chaintest.Fate {
		if s.calm.Load() {
			return chaintest.Included
		}
		return []chaintest.Fate{
			chaintest.Included, chaintest.Included, chaintest.Included, chaintest.Dropped, chaintest.Late, chaintest.Reverted, chaintest.Starved,
		}[s.random.IntN(7)]
	}
	s.full.Faults = s.faults(false, chaintest.LostBefore, chaintest.LostAfter, chaintest.Unavailable, chaintest.Garbage, chaintest.Duplicate)
	s.solid[0].Faults = s.faults(false, chaintest.LostBefore, chaintest.LostAfter, chaintest.Unavailable, chaintest.Unknown)
	s.solid[1].Faults = s.faults(true, chaintest.LostAfter, chaintest.Unavailable, chaintest.Garbage, chaintest.Unknown, chaintest.OtherFork, chaintest.Lagging)
}

func (s *schedule) faults(liar bool, kinds ...chaintest.Answer) func(path string) chaintest.Answer {
	return func(path string) chaintest.Answer {
		kind := s.kind.Load()
		switch about := strings.HasSuffix(path, "gettransactioninfobyid"); {
		case s.calm.Load():
			return chaintest.Truth
		case about && (kind == blind || kind == lying && !liar && s.random.IntN(2) == 0):
			return chaintest.Unknown
		case about && kind == lying && liar:
			return chaintest.OtherFork
		case s.random.Float64() >= s.trouble:
			return chaintest.Truth
		}
		how := kinds[s.random.IntN(len(kinds))]
		if how == chaintest.Duplicate && !strings.HasSuffix(path, "broadcasthex") {
			return chaintest.Truth
		}
		return how
	}
}

// round lets the program run once, perhaps to its end at some step, and then
// time pass.
func (s *schedule) round() {
	if s.random.IntN(5) == 0 {
		s.restart(1+s.random.IntN(60), s.random.IntN(2) == 0)
	}
	err := s.runOnce()
	if *oneSchedule != 0 {
		s.t.Logf("round at block %d, dead %v after %d steps: %v", s.chain.Head(), s.now.dead, s.now.steps, err)
	}
	if s.now.dead {
		s.deaths++
		s.restart(-1, false)
	}
	s.now = &process{left: -1}
	switch s.random.IntN(12) {
	case 2:
		s.kind.Store(s.random.Int32N(kinds))
	case 0:
		s.chain.Advance(310) // past every expiration
	case 1:
		s.solid[1].Prune(s.chain.Head() - 60)
	default:
		s.chain.Advance(s.random.IntN(25))
	}
}

// heal ends all trouble; who is held remains so.
func (s *schedule) heal() {
	if err := s.payouts.Remember(s.t.Context()); err != nil {
		s.t.Error(err)
	}
	s.remembersAgain()
	s.calm.Store(true)
	s.solid[1].Prune(0)
	s.restart(-1, false)
}

// over reports whether every payout has come to its end, also what was put off
// for an hour. One that a hold could not cancel, since it may have been paid, waits
// for the hold to end.
func (s *schedule) over() bool {
	for _, id := range s.ids {
		switch s.status(id) {
		case payout.Completed, payout.Failed, payout.Cancelled:
		case payout.Pending:
			if query[int](s.world, `SELECT count(*) FROM payout p JOIN fraud_hold h USING (node_no) WHERE p.payout_id = $1 AND h.to_at IS NULL`, id) == 0 {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func (s *schedule) count(happened tally) {
	happened["ends of the program"] += s.deaths
	for _, state := range []string{"paid", "failed", "dead"} {
		happened[state+" attempts"] += query[int](s.world, `SELECT count(*) FROM rail_attempt WHERE state = $1`, state)
	}
	for what, times := range s.done {
		happened[what] += times
	}
	happened["attempts out of energy"] += query[int](s.world, `SELECT count(*) FROM rail_attempt WHERE result = 'OUT_OF_ENERGY'`)
	happened["payouts that a hold failed"] += query[int](s.world, `SELECT count(*) FROM payout WHERE error_message LIKE 'withheld before it was sent%'`)
	happened["payouts that came back to pools"] += query[int](s.world, `SELECT count(*) FROM entry WHERE kind = 'forfeit' AND ref LIKE 'payout_%'`)
	for _, id := range s.ids {
		happened[string(s.status(id))+" payouts"]++
	}
	happened["payouts with several attempts"] += query[int](s.world, `SELECT count(*) FROM (SELECT FROM rail_attempt GROUP BY payout_no HAVING count(*) > 1) several`)
}
