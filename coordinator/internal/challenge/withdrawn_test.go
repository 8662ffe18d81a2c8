package challenge_test

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/node"
)

// Who is told to stop, or set aside, does not answer what it was asked before.
func TestChallengeOfANodeThatIsSetAsideIsVoid(t *testing.T) {
	for _, c := range []struct {
		status node.Status
		reason string
		want   challenge.Result
	}{
		{node.Stopping, "stop requested", challenge.Void},
		{node.Inactive, "scaled", challenge.Void},
		{node.Maintenance, "new fan", challenge.Void},
		{node.Suspended, "operator: a look at it", challenge.Void},
		{node.Suspended, "score: low_timeliness", challenge.Missed},
		{node.Error, "stop not confirmed within 1m0s", challenge.Missed},
	} {
		s := newStage(t)
		s.round(t)
		s.clock = s.clock.Add(time.Second)
		s.setStatus(t, c.status, c.reason)
		if err := s.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if closed := len(s.stored) == 1; closed != (c.want == challenge.Void) { // at once: the next one may follow
			t.Errorf("%s (%s): closed %v", c.status, c.reason, closed)
		}
		s.clock = s.clock.Add(2 * time.Minute)
		if err := s.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(s.stored) != 1 || s.stored[0].Result != c.want {
			t.Errorf("%s (%s): %+v, want %s", c.status, c.reason, s.stored, c.want)
		}
	}
}

func TestChallengeUnderAKeyThatIsNoMoreIsVoid(t *testing.T) {
	s := newStage(t)
	s.round(t)
	s.clock = s.clock.Add(time.Second)
	token, err := s.Nodes.CreateToken(t.Context(), audit.By{Actor: audit.CLI}, node.Token{NodeNo: &s.session.NodeNo, Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	s.enrolWith(t, s.Nodes, token)
	if err := s.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.stored) != 1 || s.stored[0].Result != challenge.Void || s.stored[0].Reason != "withdrawn" {
		t.Errorf("stored %+v, want it void as withdrawn", s.stored)
	}
}

// A rotation leaves the key before good for a while: what was asked under it is
// answered under it, and judged.
func TestChallengeUnderAKeyThatWasRotatedIsJudged(t *testing.T) {
	s := newStage(t)
	asked := s.round(t)
	s.clock = s.clock.Add(time.Second)
	if _, err := s.pool.Exec(t.Context(), "UPDATE node_key SET rotated = true, retired_at = $1", s.clock.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.pool.Exec(t.Context(), `INSERT INTO node_key (node_no, key_epoch, root_box, device_public, created_at)
		SELECT node_no, key_epoch + 1, '', device_public, $1 FROM node_key`, s.clock); err != nil {
		t.Fatal(err)
	}
	if err := s.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.answer(t, s.solve(t, asked, nil))
	if len(s.stored) != 1 || s.stored[0].Result != challenge.Valid {
		t.Errorf("stored %+v, want one valid proof", s.stored)
	}
}

// A node that begins to start while it is connected (activated by scaling,
// lifted, started) is not left to a moment that was drawn for a working one.
func TestNodeThatBeginsToStartIsChallengedSoon(t *testing.T) {
	s := newStage(t)
	s.answer(t, s.solve(t, s.round(t), nil))
	s.setStatus(t, node.Active, "proven")
	for _, status := range []node.Status{node.Inactive, node.Starting} {
		s.clock = s.clock.Add(time.Second)
		s.setStatus(t, status, "scaled")
	}
	s.clock = s.clock.Add(time.Second)
	payload := s.solve(t, s.round(t), nil)
	s.answer(t, payload)
	before := len(s.challenges)
	s.clock = s.clock.Add(time.Minute) // judged without becoming active: from now on at drawn moments
	if err := s.RunOnce(t.Context()); err != nil || len(s.challenges) != before {
		t.Errorf("%d more challenges, %v", len(s.challenges)-before, err)
	}
}
