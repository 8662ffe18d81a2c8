package challenge_test

import (
	"slices"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

// crowd is a stage with so many active nodes whose moments are far away, past
// the quiet time.
func crowd(t *testing.T, nodes int) (s *stage, nodeIDs []string) {
	t.Helper()
	s = newStage(t)
	for {
		s.setStatus(t, node.Active, "proven")
		if nodeIDs = append(nodeIDs, s.session.NodeID); len(nodeIDs) == nodes {
			break
		}
		s.enrol(t, s.Nodes)
		s.connect(t)
	}
	s.clock = s.clock.Add(2 * time.Minute)
	if _, err := s.pool.Exec(t.Context(), "UPDATE challenge_schedule SET next_at = $1", s.clock.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	return s, nodeIDs
}

// cohort runs a round into which one falls and gives the nodes in it.
func (s *stage) cohort(t *testing.T) []string {
	t.Helper()
	before := len(s.challenges)
	s.clock = s.clock.Add(time.Second)
	s.exponential = 0 // the rarest luck: at once
	defer func() { s.exponential = 1 }()
	if err := s.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s.asked[before:]
}

func TestCohortIsAskedInOneInstantWithLittleTime(t *testing.T) {
	s, nodeIDs := crowd(t, 45)
	drawn := s.cohort(t)
	if len(drawn) != 22 {
		t.Fatalf("%d nodes of 45 in the cohort, want half", len(drawn))
	}
	for _, id := range drawn {
		if !slices.Contains(nodeIDs, id) {
			t.Errorf("%s is no node of these", id)
		}
	}
	slices.Sort(drawn)
	if len(slices.Compact(drawn)) != 22 {
		t.Error("a node is in it twice")
	}
	for _, c := range s.challenges {
		if c.IssuedMs != s.clock.UnixMilli() || c.DeadlineMs-c.IssuedMs != 2000 {
			t.Fatalf("asked at %d for %d ms, want %d for 2000", c.IssuedMs, c.DeadlineMs-c.IssuedMs, s.clock.UnixMilli())
		}
	}
	var one, far int
	err := s.pool.QueryRow(t.Context(), `SELECT (SELECT count(DISTINCT cohort_no) FROM challenge JOIN challenge_cohort USING (cohort_no) WHERE nodes = 22),
		(SELECT count(*) FROM challenge_schedule WHERE next_at > $1)`, s.clock.Add(50*time.Minute)).Scan(&one, &far)
	if err != nil || one != 1 || far != 45 {
		t.Errorf("%d cohorts on record, want 1; %d moments left as they were, want 45 (%v)", one, far, err)
	}
}

func TestNoCohortInTheQuietTimeAndNoneWithoutLuck(t *testing.T) {
	s, _ := crowd(t, 3)
	for range 5 { // luck of 1 means one mean gap, half an hour and more
		s.clock = s.clock.Add(time.Second)
		if err := s.RunOnce(t.Context()); err != nil || len(s.challenges) != 0 {
			t.Fatalf("%d challenges, %v; want none", len(s.challenges), err)
		}
	}
	s.Quiet = time.Hour
	if drawn := s.cohort(t); len(drawn) != 0 {
		t.Errorf("%v asked in the quiet time", drawn)
	}
}

// Silence in a cohort wins nothing: who missed one is in the next.
func TestWhoMissesACohortIsInTheNext(t *testing.T) {
	s, nodeIDs := crowd(t, 45)
	missed := slices.Clone(s.cohort(t))
	s.clock = s.clock.Add(3 * time.Minute)
	if err := s.RunOnce(t.Context()); err != nil || len(s.stored) != len(missed) || len(s.challenges) != len(missed) {
		t.Fatalf("%d closed, %d asked, %v", len(s.stored), len(s.challenges), err)
	}
	next := slices.Clone(s.cohort(t))
	slices.Sort(missed)
	slices.Sort(next)
	if !slices.Equal(missed, next) {
		t.Errorf("missed by %v, then asked %v", missed, next)
	}
	// Being asked pays what is owed.
	var owed int
	if err := s.pool.QueryRow(t.Context(), "SELECT count(*) FROM challenge_schedule WHERE cohort_owed").Scan(&owed); err != nil || owed != 0 {
		t.Errorf("%d of %d still owe one, %v", owed, len(nodeIDs), err)
	}
}

func TestWhoIsSuspectedIsInEveryCohort(t *testing.T) {
	s, nodeIDs := crowd(t, 45)
	for range 3 {
		for _, id := range nodeIDs[:4] {
			no, _, err := s.Nodes.LiveKeys(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			s.suspects = append(s.suspects, no)
		}
		drawn := s.cohort(t)
		for _, id := range nodeIDs[:4] {
			if !slices.Contains(drawn, id) {
				t.Errorf("%s is suspected and was not asked", id)
			}
		}
		if _, err := s.pool.Exec(t.Context(), "UPDATE challenge SET state = 'judged'"); err != nil {
			t.Fatal(err)
		}
	}
}

// What rules about fraud look at stands with the verdict.
func TestVerdictKeepsTheTraceOfItsAnswer(t *testing.T) {
	s := newStage(t)
	run := wire.RunID{4, 5, 6}
	s.answer(t, s.solve(t, s.round(t), func(r *proof.Response) {
		r.BootID, r.BootTimeMs, r.Throttle, r.Run, r.Seq = [16]byte{1, 2}, 1<<64-1, 0x50005, run, 77
	}))
	var bootID, address string
	var bootMs, seq, throttle int64
	var runID []byte
	var difficulty, puzzles int
	err := s.pool.QueryRow(t.Context(), `SELECT boot_id, host(address), boot_time_ms, run_id, run_seq, throttle, difficulty, puzzles
		FROM verdict JOIN challenge USING (challenge_id)`).Scan(&bootID, &address, &bootMs, &runID, &seq, &throttle, &difficulty, &puzzles)
	if err != nil || bootID != "01020000-0000-0000-0000-000000000000" || address != "192.0.2.7" || bootMs != 1<<63-1 ||
		!slices.Equal(runID, run[:]) || seq != 77 || throttle != 0x50005 || difficulty != 6 || puzzles != 3 {
		t.Errorf("boot %s at %d, address %s, run %x at %d, throttle %x, %d bits, %d puzzles, %v",
			bootID, bootMs, address, runID, seq, throttle, difficulty, puzzles, err)
	}
}

// Two answers to one challenge are the node's own doing; the second is kept as
// evidence, once, and only while the challenge was to be answered.
func TestSecondAnswerIsKeptOnce(t *testing.T) {
	s := newStage(t)
	c := s.round(t)
	s.answer(t, s.solve(t, c, nil))
	other := func(boot byte) []byte {
		return s.solve(t, c, func(r *proof.Response) { r.BootID[0] = boot })
	}
	kept := func(want int, when string) {
		t.Helper()
		var n int
		if err := s.pool.QueryRow(t.Context(), "SELECT count(*) FROM challenge_second_answer").Scan(&n); err != nil || n != want {
			t.Errorf("%s: %d kept, want %d (%v)", when, n, want, err)
		}
	}
	live := s.session.Number
	s.session.Number++
	s.answer(t, other(1))
	kept(0, "from another session")
	s.session.Number = live
	s.clock = s.clock.Add(2*time.Minute + time.Millisecond)
	s.answer(t, other(1))
	kept(0, "after the end of validity")
	s.clock = s.clock.Add(-time.Minute)
	s.answer(t, s.solve(t, c, nil))
	kept(0, "the same bytes")
	s.answer(t, other(1))
	s.answer(t, other(2))
	kept(1, "two others")
	if len(s.stored) != 1 {
		t.Errorf("%d verdicts, want the first alone", len(s.stored))
	}
}
