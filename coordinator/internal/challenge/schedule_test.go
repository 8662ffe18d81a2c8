package challenge_test

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/node"
)

// A challenge that comes before the node could subscribe reaches nobody.
func TestAStartingNodeGetsTimeToSubscribe(t *testing.T) {
	s := newStage(t)
	s.clock = s.clock.Add(-time.Second / 2) // half a second after it connected
	if err := s.RunOnce(t.Context()); err != nil || len(s.challenges) != 0 {
		t.Fatalf("%d challenges, %v; want none yet", len(s.challenges), err)
	}
	s.clock = s.clock.Add(time.Second / 2)
	s.round(t)
}

// A challenge names a session. A node that left or came back between the
// question who is due and the challenge could not answer it.
func TestNobodyIsChallengedInASessionThatEnded(t *testing.T) {
	for name, leave := range map[string]func(s *stage){
		"connected anew": func(s *stage) { s.connect(t) },
		"left": func(s *stage) {
			if _, err := s.presence.Disconnected(t.Context(), s.session.NodeNo, s.session.Number); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			calls := 0
			s.tick = func() {
				if calls++; calls == 3 { // closing, asking who is due, and the challenge itself
					s.tick = nil
					leave(s)
				}
			}
			if err := s.RunOnce(t.Context()); err != nil || len(s.challenges) != 0 {
				t.Errorf("%d challenges, %v; want none", len(s.challenges), err)
			}
			var open int
			if err := s.pool.QueryRow(t.Context(), "SELECT count(*) FROM challenge").Scan(&open); err != nil || open != 0 {
				t.Errorf("%d challenges stored, %v; want none", open, err)
			}
		})
	}
}

func TestWhoIsChallengedWhen(t *testing.T) {
	s := newStage(t)
	setStatus := func(status node.Status, reason string) { t.Helper(); s.setStatus(t, status, reason) }
	silent := func(why string) {
		t.Helper()
		before := len(s.challenges)
		if err := s.RunOnce(t.Context()); err != nil || len(s.challenges) != before {
			t.Errorf("%s: %d challenges, %v", why, len(s.challenges)-before, err)
		}
	}
	payload := s.solve(t, s.round(t), nil) // a starting node at once, though the coordinator has just started
	silent("one is open")
	s.answer(t, payload)
	setStatus(node.Active, "")
	s.clock = s.clock.Add(59 * time.Second)
	silent("in the quiet time")
	s.clock = s.clock.Add(4 * time.Minute)
	silent("before its moment")
	s.clock = s.clock.Add(time.Second)
	s.answer(t, s.solve(t, s.round(t), nil))

	s.clock = s.clock.Add(5 * time.Minute)
	setStatus(node.Maintenance, "")
	silent("in maintenance")
	setStatus(node.Suspended, "operator: looks odd")
	silent("suspended by the operator")
	if _, err := s.presence.Disconnected(t.Context(), s.session.NodeNo, s.session.Number); err != nil {
		t.Fatal(err)
	}
	setStatus(node.Active, "")
	silent("offline")
	s.clock = s.clock.Add(2 * time.Second)
	s.connect(t)
	silent("just connected: its moment is drawn anew")
	s.clock = s.clock.Add(5 * time.Minute)
	setStatus(node.Suspended, "score: reputation 0.89")
	s.round(t) // suspended by its score: that is how it comes back
}

// Who connects anew more often than the referee looks must not escape: a moment
// that came while the node was there stands.
func TestConnectingAnewEscapesNoChallenge(t *testing.T) {
	s := newStage(t)
	s.answer(t, s.solve(t, s.round(t), nil))
	s.setStatus(t, node.Active, "")
	s.clock = s.clock.Add(5*time.Minute + 2*time.Second) // its moment came two seconds ago
	s.connect(t)                                         // in place of the connection before
	s.answer(t, s.solve(t, s.round(t), nil))

	s.clock = s.clock.Add(5*time.Minute + 100*time.Millisecond)
	if _, err := s.presence.Disconnected(t.Context(), s.session.NodeNo, s.session.Number); err != nil {
		t.Fatal(err)
	}
	s.clock = s.clock.Add(2 * time.Second)
	s.connect(t)
	s.round(t)
}

// Whoever has a node started again and again has it challenged each time, but
// that counts no more often than it would have been asked anyway.
func TestStartingAtWillCountsOnceInAMeanGap(t *testing.T) {
	s := newStage(t)
	begin := func() {
		t.Helper()
		s.setStatus(t, node.Inactive, "stopped")
		s.clock = s.clock.Add(time.Second)
		s.setStatus(t, node.Starting, "started")
		s.clock = s.clock.Add(time.Second)
	}
	last := func() challenge.Verdict { return s.stored[len(s.stored)-1] }
	for i, aside := range []bool{false, true, true, false} {
		s.answer(t, s.solve(t, s.round(t), nil))
		if v := last(); v.Aside != aside || v.Result != challenge.Valid {
			t.Errorf("start %d: %+v, want aside %v", i+1, v, aside)
		}
		s.setStatus(t, node.Active, "proven")
		s.clock = s.clock.Add(s.Interval / 3)
		begin()
	}
	s.clock = s.clock.Add(s.Interval)
	s.round(t)
	begin() // without an answer
	before := len(s.stored)
	s.answer(t, s.solve(t, s.round(t), nil))
	if withdrawn, v := s.stored[before], last(); withdrawn.Result != challenge.Void || v.Aside {
		t.Errorf("after one that was withdrawn: %+v", v)
	}
}
