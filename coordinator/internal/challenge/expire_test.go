package challenge_test

import (
	"lucid.internal/coordinator/internal/challenge"
	"testing"
	"time"
)

func TestAChallengeThatCannotBeClosedHoldsUpNoOther(t *testing.T) {
	s := newStage(t)
	s.round(t)
	s.refuse = s.session.NodeNo
	s.enrol(t, s.Nodes)
	s.connect(t)
	s.round(t)
	s.clock = s.clock.Add(2*time.Minute + time.Millisecond)
	if err := s.RunOnce(t.Context()); err == nil {
		t.Error("a challenge that could not be closed is no error")
	}
	if len(s.stored) != 1 || s.stored[0].NodeNo != s.session.NodeNo {
		t.Errorf("closed %+v, want that of node %d", s.stored, s.session.NodeNo)
	}
}

func TestSilenceIsMissedUnlessTheFaultIsOurs(t *testing.T) {
	for ours, want := range map[bool]challenge.Result{false: challenge.Missed, true: challenge.Void} {
		s := newStage(t)
		s.ourFault = ours
		s.round(t)
		s.clock = s.clock.Add(2 * time.Minute)
		if err := s.RunOnce(t.Context()); err != nil || len(s.stored) != 0 {
			t.Fatalf("at the end of validity: %+v, %v", s.stored, err)
		}
		s.clock = s.clock.Add(time.Millisecond)
		if err := s.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(s.stored) != 1 || s.stored[0].Result != want {
			t.Errorf("our fault %v: %+v, want %s", ours, s.stored, want)
		}
	}
}

// What was sent in time may still be on its way through a broker that is not ours.
func TestSilenceIsKnownNoLaterThanWhatWasHeard(t *testing.T) {
	s := newStage(t)
	heard := s.clock
	s.Heard = func() time.Time { return heard }
	payload := s.solve(t, s.round(t), nil)
	s.clock = s.clock.Add(3 * time.Minute)
	if err := s.RunOnce(t.Context()); err != nil || len(s.stored) != 0 {
		t.Fatalf("%+v, %v", s.stored, err)
	}
	s.session.Held = 3 * time.Minute
	s.answer(t, payload)
	heard = s.clock
	if err := s.RunOnce(t.Context()); err != nil || len(s.stored) != 1 || s.stored[0].Result != challenge.Valid {
		t.Errorf("%+v, %v; want the answer that came late", s.stored, err)
	}
}
