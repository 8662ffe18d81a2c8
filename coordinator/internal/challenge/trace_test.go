package challenge_test

import (
	"slices"
	"testing"
	"time"

	"lucid.internal/shared/proof"
	"lucid.internal/shared/wire"
)

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

// Slow answers and old telemetry cost quality; the verdict says how much was seen.
func TestVerdictKeepsWhatWasSeenOfQuality(t *testing.T) {
	for _, c := range []struct {
		answered          time.Duration
		heard             time.Duration // before the answer
		prompt, telemetry int64
	}{
		{time.Second, time.Minute, 1_000_000_000, 1_000_000_000},
		{16 * time.Second, 6 * time.Minute, 500_000_000, 500_000_000},
		{30 * time.Second, time.Hour, 0, 0},
	} {
		s := newStage(t)
		payload := s.solve(t, s.round(t), nil)
		s.clock = s.clock.Add(c.answered)
		if _, err := s.pool.Exec(t.Context(), "UPDATE node_heartbeat SET at = $1", s.clock.Add(-c.heard)); err != nil {
			t.Fatal(err)
		}
		s.answer(t, payload)
		var prompt, telemetry int64
		if err := s.pool.QueryRow(t.Context(), "SELECT prompt, telemetry FROM verdict").Scan(&prompt, &telemetry); err != nil {
			t.Fatal(err)
		}
		if v := s.stored[0]; prompt != c.prompt || telemetry != c.telemetry || *v.Prompt != prompt || *v.Telemetry != telemetry {
			t.Errorf("answered after %s, heard %s before: prompt %d, telemetry %d, want %d, %d", c.answered, c.heard, prompt, telemetry, c.prompt, c.telemetry)
		}
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
