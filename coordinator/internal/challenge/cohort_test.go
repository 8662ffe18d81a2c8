package challenge_test

import (
	"slices"
	"testing"
	"time"

	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
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

// So is who defers one, since its answer says nothing of whom it shares with.
func TestWhoDefersACohortIsInTheNext(t *testing.T) {
	s, _ := crowd(t, 1)
	for range 2 {
		if drawn := s.cohort(t); len(drawn) != 1 {
			t.Fatalf("%d asked", len(drawn))
		}
		c := s.challenges[len(s.challenges)-1]
		s.answer(t, s.solve(t, c, func(r *proof.Response) { r.Solutions, r.Throttle = nil, 1 }))
		var owed bool
		if err := s.pool.QueryRow(t.Context(), "SELECT cohort_owed FROM challenge_schedule").Scan(&owed); err != nil || !owed {
			t.Errorf("owes a cohort: %v, %v", owed, err)
		}
	}
	if v := s.stored[1]; len(s.stored) != 2 || v.Result != challenge.Deferred || v.Reason != "throttled" {
		t.Errorf("verdicts %+v", s.stored)
	}
}

// The bound on deferrals is that of a day.
func TestDeferralsAreBoundedADay(t *testing.T) {
	s := newStage(t)
	for i := range proof.DeferralsPerDay + 1 {
		s.answer(t, s.solve(t, s.round(t), func(r *proof.Response) { r.Solutions, r.Throttle = nil, 4 }))
		want := challenge.Deferred
		if i == proof.DeferralsPerDay {
			want = challenge.Missed
		}
		if s.stored[i].Result != want {
			t.Fatalf("deferral %d: %s (%s), want %s", i+1, s.stored[i].Result, s.stored[i].Reason, want)
		}
		s.clock = s.clock.Add(time.Hour)
	}
	s.clock = s.clock.Add(24 * time.Hour)
	s.answer(t, s.solve(t, s.round(t), func(r *proof.Response) { r.Solutions, r.Throttle = nil, 4 }))
	if v := s.stored[len(s.stored)-1]; v.Result != challenge.Deferred {
		t.Errorf("a day later: %s (%s)", v.Result, v.Reason)
	}
	// Nothing but throttling of now excuses.
	s.clock = s.clock.Add(time.Hour)
	s.answer(t, s.solve(t, s.round(t), func(r *proof.Response) { r.Solutions, r.Throttle = nil, 0x70008 }))
	if v := s.stored[len(s.stored)-1]; v.Result != challenge.Invalid {
		t.Errorf("without throttling: %s (%s)", v.Result, v.Reason)
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
