package challenge_test

import (
	"context"
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

var operator = audit.By{Actor: audit.CLI}

func (s *stage) desk() *challenge.Desk {
	return challenge.NewDesk(challenge.DeskConfig{
		Pool: s.pool, Nodes: s.Nodes, PuzzleKey: s.PuzzleKey, Remember: time.Minute, Poll: time.Millisecond, Now: func() time.Time { return s.clock },
	})
}

// bytesOf is the canonical answer inside of a message.
func bytesOf(t *testing.T, payload []byte) []byte {
	t.Helper()
	message, err := wire.DecodeResponse(payload)
	if err != nil {
		t.Fatal(err)
	}
	return message.Bytes
}

func (s *stage) shown(t *testing.T, c wire.Challenge, payload []byte) challenge.Shown {
	t.Helper()
	id, err := uuid.Parse(c.ChallengeID)
	if err != nil {
		t.Fatal(err)
	}
	return challenge.Shown{NodeID: s.session.NodeID, ChallengeID: id, Answer: bytesOf(t, payload), At: s.clock}
}

func check(t *testing.T, d *challenge.Desk, shown ...challenge.Shown) []challenge.Checked {
	t.Helper()
	all, err := d.Check(t.Context(), operator, shown)
	if err != nil || len(all) != len(shown) {
		t.Fatalf("%d of %d checked, %v", len(all), len(shown), err)
	}
	return all
}

func refusedAs(t *testing.T, what string, c challenge.Checked, code fault.Code) {
	t.Helper()
	if c.Fault == nil || c.Fault.Code != code {
		t.Errorf("%s: %+v, want %s", what, c, code)
	}
}

func TestCheckGivesTheStoredVerdict(t *testing.T) {
	s := newStage(t)
	c := s.round(t)
	payload := s.solve(t, c, nil)
	s.clock = s.clock.Add(time.Second)
	s.answer(t, payload)
	honest := s.shown(t, c, payload)
	with := func(change func(*challenge.Shown)) challenge.Shown { x := honest; change(&x); return x }
	other := bytesOf(t, s.solve(t, c, func(r *proof.Response) { r.Solutions[0] ^= 1 }))
	_, thief, _ := ed25519.GenerateKey(nil)
	device := s.device
	s.device = thief
	unsigned := bytesOf(t, s.solve(t, c, nil))
	s.device = device
	for name, x := range map[string]struct {
		shown                           challenge.Shown
		genuine, signed, solved, judged bool
		valid                           bool
	}{
		"what was judged":        {honest, true, true, true, true, true},
		"a day too late":         {with(func(x *challenge.Shown) { x.At = x.At.Add(24 * time.Hour) }), true, true, true, true, false},
		"wrong solution":         {with(func(x *challenge.Shown) { x.Answer = other }), true, true, false, false, false},
		"another device's":       {with(func(x *challenge.Shown) { x.Answer = unsigned }), true, false, true, false, false},
		"bytes that are nothing": {with(func(x *challenge.Shown) { x.Answer = []byte("proof") }), false, false, false, false, false},
	} {
		if _, err := s.pool.Exec(t.Context(), "UPDATE challenge SET attempts = 0"); err != nil {
			t.Fatal(err)
		}
		f := check(t, s.desk(), x.shown)[0]
		if f.Fault != nil || f.Result != challenge.Valid || f.Genuine != x.genuine || f.Signed != x.signed || f.Solved != x.solved ||
			f.Judged != x.judged || f.Valid() != x.valid {
			t.Errorf("%s: %+v, valid %v", name, f, f.Valid())
		}
	}
	if len(s.stored) != 1 || len(s.verdicts) != 1 {
		t.Errorf("%d verdicts after checking, want the one before", len(s.stored))
	}
}

func TestAttemptsAreCountedByChallengeAndRememberedOnesAreFree(t *testing.T) {
	s := newStage(t)
	c := s.round(t)
	payload := s.solve(t, c, nil)
	s.answer(t, payload)
	d, right := s.desk(), s.shown(t, c, payload)
	for range 5 {
		if f := check(t, d, right)[0]; !f.Valid() {
			t.Fatalf("the right answer: %+v", f)
		}
	}
	guess := func(n byte) challenge.Shown {
		x := right
		x.Answer = append([]byte{n}, right.Answer...)
		return x
	}
	check(t, d, guess(1), guess(2))
	refusedAs(t, "a fourth answer", check(t, d, guess(3))[0], fault.TooManyAttempts)
	if f := check(t, d, right)[0]; !f.Valid() {
		t.Errorf("the right answer, remembered: %+v", f)
	}
	s.clock = s.clock.Add(2 * time.Minute)
	refusedAs(t, "the right answer, forgotten", check(t, d, right)[0], fault.TooManyAttempts)
}

func TestOnlyJudgedChallengesAreChecked(t *testing.T) {
	s := newStage(t)
	c := s.round(t)
	shown := s.shown(t, c, s.solve(t, c, nil))
	refusedAs(t, "open", check(t, s.desk(), shown)[0], fault.ChallengeOpen)
	unknown, foreign := shown, shown
	unknown.ChallengeID, foreign.NodeID = uuid.New(), "node_other"
	all := check(t, s.desk(), unknown, shown, foreign)
	refusedAs(t, "unknown", all[0], fault.ChallengeUnknown)
	refusedAs(t, "open, beside others", all[1], fault.ChallengeOpen)
	refusedAs(t, "another node's", all[2], fault.ChallengeUnknown)
	s.clock = s.clock.Add(2*time.Minute + time.Millisecond)
	refusedAs(t, "ended, not closed yet", check(t, s.desk(), shown)[0], fault.ChallengeExpired)
	if len(s.stored) != 0 {
		t.Errorf("%d verdicts from outside", len(s.stored))
	}
}

func TestDemandedProofIsAskedAtOnceAndCountsOnceInAMeanGap(t *testing.T) {
	s, _ := crowd(t, 1)
	demand := func() challenge.Ticket {
		t.Helper()
		ticket, err := s.desk().Demand(t.Context(), operator, s.session.NodeID)
		if err != nil {
			t.Fatal(err)
		}
		return ticket
	}
	for i, aside := range []bool{false, true, true, false} {
		ticket := demand()
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if judged, err := s.desk().Await(over, ticket); judged || err != nil {
			t.Errorf("before the answer: judged %v, %v", judged, err)
		}
		c := s.round(t)
		demand() // while it is open: asked once
		s.answer(t, s.solve(t, c, nil))
		if judged, err := s.desk().Await(t.Context(), ticket); !judged || err != nil {
			t.Errorf("after the answer: judged %v, %v", judged, err)
		}
		if v := s.stored[i]; v.Aside != aside || v.Result != challenge.Valid {
			t.Errorf("demand %d: %+v, want aside %v", i+1, v, aside)
		}
		if before := len(s.challenges); s.RunOnce(t.Context()) != nil || len(s.challenges) != before {
			t.Error("asked again without a demand")
		}
		s.clock = s.clock.Add(s.Interval / 3)
		if i == 2 {
			s.clock = s.clock.Add(time.Second)
		}
	}
	var counted, asked int
	err := s.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM verdict WHERE counted),
		(SELECT count(*) FROM audit_entry WHERE action = 'node.challenge')`).Scan(&counted, &asked)
	if err != nil || counted != 2 || asked != 8 {
		t.Errorf("%d counted, want 2; %d demands in the audit log, want 8 (%v)", counted, asked, err)
	}
}

func TestWhoCannotAnswerIsNotDemandedAProof(t *testing.T) {
	s := newStage(t)
	demand := func(nodeID string) error {
		_, err := s.desk().Demand(t.Context(), operator, nodeID)
		return err
	}
	if err := demand("node_none"); !fault.Has(err, fault.NodeNotFound) {
		t.Errorf("unknown: %v", err)
	}
	s.setStatus(t, node.Maintenance, "new fan")
	if err := demand(s.session.NodeID); !fault.Has(err, fault.StateNotAllowed) {
		t.Errorf("in maintenance: %v", err)
	}
	s.setStatus(t, node.Active, "proven")
	if _, err := s.presence.Disconnected(t.Context(), s.session.NodeNo, s.session.Number); err != nil {
		t.Fatal(err)
	}
	if err := demand(s.session.NodeID); !fault.Has(err, fault.NodeOffline) {
		t.Errorf("offline: %v", err)
	}
}
