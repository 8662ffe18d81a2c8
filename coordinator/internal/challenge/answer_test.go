package challenge_test

import (
	"lucid.internal/coordinator/internal/challenge"
	"lucid.internal/coordinator/internal/node"
	"lucid.internal/shared/proof"
	"slices"
	"testing"
	"time"
)

func TestVerdicts(t *testing.T) {
	known := [32]byte{9}
	for name, c := range map[string]struct {
		chain  *[32]byte
		after  time.Duration
		change func(*proof.Response)
		want   challenge.Result
		reason string
	}{
		"honest":                    {&known, 2 * time.Second, nil, challenge.Valid, ""},
		"telemetry not checkable":   {nil, 2 * time.Second, nil, challenge.Valid, ""},
		"altered telemetry":         {&[32]byte{8}, 2 * time.Second, nil, challenge.Invalid, "hash_mismatch"},
		"wrong solution":            {&known, 2 * time.Second, func(r *proof.Response) { r.Solutions[1] ^= 1 }, challenge.Invalid, "bad_solution"},
		"one solution missing":      {&known, 2 * time.Second, func(r *proof.Response) { r.Solutions = r.Solutions[:2] }, challenge.Invalid, "bad_solution"},
		"hash of another challenge": {&known, 2 * time.Second, func(r *proof.Response) { r.ChallengeHash[0] ^= 1 }, challenge.Invalid, "bad_solution"},
		"after the deadline":        {&known, 30*time.Second + time.Millisecond, nil, challenge.Late, "after_deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.chain = c.chain
			payload := s.solve(t, s.round(t), c.change)
			s.clock = s.clock.Add(c.after)
			s.answer(t, payload)
			if len(s.stored) != 1 || s.stored[0].Result != c.want || s.stored[0].Reason != c.reason {
				t.Fatalf("verdicts %+v, want %s (%s)", s.stored, c.want, c.reason)
			}
			if v := s.verdicts[0]; v.Verdict != string(c.want) || v.ScoreNano != 7 {
				t.Errorf("published %+v", v)
			}
			s.answer(t, payload) // delivered once more: the same verdict, nothing new
			if len(s.stored) != 1 || len(s.verdicts) != 2 || s.verdicts[1].Verdict != string(c.want) || s.verdicts[1].ScoreNano != 8 {
				t.Errorf("repeated: stored %d, published %+v", len(s.stored), s.verdicts)
			}
		})
	}
}

func TestAnswersThatChangeNothing(t *testing.T) {
	s := newStage(t)
	c := s.round(t)
	good := s.solve(t, c, nil)

	s.answer(t, []byte("{"))
	s.answer(t, []byte(`{"v":1,"challenge_id":"","bytes":"AAAA"}`))
	s.answer(t, s.solve(t, c, func(r *proof.Response) { r.ChallengeID[0] ^= 1 }))
	key := s.keys.Response
	s.keys.Response[0] ^= 1
	s.answer(t, s.solve(t, c, nil))
	s.keys.Response = key
	live := s.session.Number
	s.session.Number--
	s.answer(t, good)
	s.session.Number = live
	s.clock = s.clock.Add(2*time.Minute + time.Millisecond)
	s.answer(t, good)

	want := []string{"malformed", "malformed", "unknown_challenge", "bad_mac", "other_session", "expired"}
	if !slices.Equal(s.counted, want) || len(s.stored) != 0 {
		t.Errorf("counted %v, want %v; %d verdicts", s.counted, want, len(s.stored))
	}
}

// An answer behind a message that took us long may have come in time.
func TestTimeThatWeHeldAnAnswerUpDoesNotCount(t *testing.T) {
	for held, want := range map[time.Duration]challenge.Result{
		5 * time.Second:                    challenge.Valid,
		5*time.Second - 1*time.Millisecond: challenge.Late,
	} {
		s := newStage(t)
		payload := s.solve(t, s.round(t), nil)
		s.clock = s.clock.Add(35 * time.Second)
		s.session.Held = held
		s.answer(t, payload)
		if len(s.stored) != 1 || s.stored[0].Result != want || s.stored[0].Answered != 35*time.Second {
			t.Errorf("held up for %s: verdicts %+v, want %s", held, s.stored, want)
		}
	}
}

// Nor does it make the node look slow.
func TestTimeThatWeHeldAnAnswerUpIsNotTheNodesSlowness(t *testing.T) {
	prompt := func(held time.Duration) int64 {
		s := newStage(t)
		payload := s.solve(t, s.round(t), nil)
		s.clock = s.clock.Add(20 * time.Second)
		s.session.Held = held
		s.answer(t, payload)
		if len(s.stored) != 1 || s.stored[0].Prompt == nil {
			t.Fatalf("verdicts %+v, want one that says how prompt it was", s.stored)
		}
		return *s.stored[0].Prompt
	}
	if slow, quick := prompt(0), prompt(20*time.Second); slow >= 1_000_000_000 || quick != 1_000_000_000 {
		t.Errorf("prompt by %d, and %d where we held it up", slow, quick)
	}
}

// What we read late because we stood still was not sent late.
func TestLateIsVoidWhenTheFaultIsOurs(t *testing.T) {
	s := newStage(t)
	payload := s.solve(t, s.round(t), nil)
	s.clock, s.ourFault = s.clock.Add(40*time.Second), true
	s.answer(t, payload)
	if len(s.stored) != 1 || s.stored[0].Result != challenge.Void || s.stored[0].Reason != "our_fault" {
		t.Errorf("verdicts %+v, want void", s.stored)
	}
}

// An answer is its node's alone, and to what still stands: whatever else comes
// under a good MAC is counted and changes no verdict.
func TestAnswersOfOthersAndToWhatWasWithdrawn(t *testing.T) {
	s := newStage(t)
	c := s.round(t)
	own, keys := s.session, s.keys
	payload := s.solve(t, c, nil)

	s.enrol(t, s.Nodes) // another node, in its own session and under its own key
	s.answer(t, payload)
	s.session, s.keys = own, keys
	s.clock = s.clock.Add(time.Second)
	s.setStatus(t, node.Maintenance, "new fan")
	if err := s.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.answer(t, payload)
	if want := []string{"unknown_challenge", "judged_already"}; !slices.Equal(s.counted, want) {
		t.Errorf("counted %v, want %v", s.counted, want)
	}
	if len(s.stored) != 1 || s.stored[0].Result != challenge.Void {
		t.Errorf("verdicts %+v, want the withdrawn one alone", s.stored)
	}
}

// Solutions that no puzzle of d bits can have are wrong ones; more than any
// challenge has are no answer.
func TestSolutionsOutOfRange(t *testing.T) {
	s := newStage(t)
	c := s.round(t)
	s.answer(t, s.solve(t, c, func(r *proof.Response) { r.Solutions = make([]uint64, proof.MaxCount+1) }))
	if !slices.Equal(s.counted, []string{"malformed"}) || len(s.stored) != 0 {
		t.Fatalf("counted %v, %d verdicts", s.counted, len(s.stored))
	}
	s.answer(t, s.solve(t, c, func(r *proof.Response) { r.Solutions[0] |= 1 << c.Difficulty }))
	if len(s.stored) != 1 || s.stored[0].Result != challenge.Invalid || s.stored[0].Reason != "bad_solution" {
		t.Errorf("verdicts %+v, want bad_solution", s.stored)
	}
}
