package challenge_test

import (
	"testing"
	"time"

	"lucid.internal/coordinator/internal/challenge"
)

// model makes the node's machine another one.
func (s *stage) model(t *testing.T, model string) {
	t.Helper()
	if _, err := s.pool.Exec(t.Context(), "UPDATE node SET inventory = jsonb_build_object('model', $1::text)", model); err != nil {
		t.Fatal(err)
	}
}

func TestPuzzlesFollowModelAndSpeed(t *testing.T) {
	s := newStage(t)
	s.Difficulty = challenge.Calibrated
	s.Count = 64 // many small puzzles spread less, and keep this test quick
	asked := func(want int, when string, taken time.Duration, times int) {
		t.Helper()
		for range times {
			c := s.round(t)
			if c.Difficulty != want {
				t.Fatalf("%s: %d bits, want %d", when, c.Difficulty, want)
			}
			payload := s.solve(t, c, nil)
			s.clock = s.clock.Add(taken)
			s.answer(t, payload)
			if v := s.stored[len(s.stored)-1]; v.Result != challenge.Valid {
				t.Fatalf("%s: %s (%s)", when, v.Result, v.Reason)
			}
			s.clock = s.clock.Add(time.Hour)
		}
	}
	s.model(t, "Raspberry Pi Zero W Rev 1.1")
	asked(7, "at the floor of its model", 50*time.Millisecond, 16)
	asked(8, "after quick answers", 20*time.Second, 16)
	asked(8, "after slow ones", 50*time.Millisecond, 16)
	asked(9, "after quick ones again", time.Second, 1)
	s.model(t, "Raspberry Pi 2 Model B Rev 1.1")
	asked(8, "at the floor of another model", time.Second, 1)
	s.Difficulty = 3
	asked(3, "set for all nodes", time.Millisecond, 20)
}
