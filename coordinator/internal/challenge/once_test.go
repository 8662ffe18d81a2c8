package challenge_test

import (
	"sync"
	"testing"
	"time"
)

// TestJudgedOnceBesideItsExpiry delivers an answer eight times at once, read
// just after the challenge's validity ended, while the referee closes what
// ended: whoever is first gives the one verdict, and all tell the same.
func TestJudgedOnceBesideItsExpiry(t *testing.T) {
	const deliveries = 8
	for range 4 {
		s := newStage(t)
		payload, received := s.solve(t, s.round(t), nil), s.clock.Add(time.Second)
		s.clock = s.clock.Add(2*time.Minute + time.Millisecond)
		failed := make(chan error, deliveries+1)
		start := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() { <-start; failed <- s.RunOnce(t.Context()) })
		for range deliveries {
			all.Go(func() { <-start; failed <- s.Answer(t.Context(), s.session, payload, received) })
		}
		close(start)
		all.Wait()
		close(failed)
		for err := range failed {
			if err != nil {
				t.Error(err)
			}
		}

		var verdicts, told int
		var result string
		err := s.pool.QueryRow(t.Context(), `SELECT count(*), max(result), (SELECT count(*) FROM event_outbox WHERE kind = 'proof') FROM verdict`).Scan(&verdicts, &result, &told)
		if err != nil {
			t.Fatal(err)
		}
		if verdicts != 1 || told != 1 || len(s.stored) != 1 {
			t.Errorf("%d verdicts, %d events, %d counted; want one of each", verdicts, told, len(s.stored))
		}
		s.said.Lock() // a verdict of the round may be published still
		for _, v := range s.verdicts {
			if v.Verdict != result {
				t.Errorf("published %s, stored %s", v.Verdict, result)
			}
		}
		s.said.Unlock()
	}
}
