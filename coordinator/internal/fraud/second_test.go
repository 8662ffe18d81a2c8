package fraud

import (
	"testing"
	"time"
)

// twice lets a node answer a challenge twice now.
func (w *world) twice(no int32) {
	w.t.Helper()
	a := proven(0, "run", "boot"+string(rune('0'+no)), time.Hour)
	a.NodeNo, a.At, a.Network = no, w.clock, "198.51."+string(rune('0'+no))+".1"
	w.verdicts(a)
	w.exec(`INSERT INTO challenge_second_answer (challenge_id, node_no, at, response) SELECT challenge_id, node_no, at, '\x01' FROM verdict WHERE node_no = $1`, no)
}

// A second answer that came while no judge looked is found whenever one does.
func TestSecondAnswersWaitForTheJudge(t *testing.T) {
	w := newWorld(t)
	early, late := w.addNode(1, "pool_a"), w.addNode(2, "pool_a")
	w.twice(early)
	w.clock = w.clock.Add(time.Hour)
	w.run()
	w.wantFlags(early, secondAnswer)
	w.clock = w.clock.Add(time.Minute)
	w.twice(late)
	came := w.clock
	w.clock = w.clock.Add(24 * time.Hour)
	w.judge = NewJudge(w.Store)
	w.run()
	w.wantFlags(late, secondAnswer)
	if seen := query[time.Time](w, `SELECT seconds_at FROM fraud_cursor`); !seen.After(came.Add(-time.Hour)) {
		t.Errorf("the next look begins at %s", seen)
	}
}

// A clock of ours that was ahead for a while, and is set right, hides nothing that
// comes after: neither if nobody answered twice meanwhile, nor if somebody did.
func TestSecondAnswersAfterAClockThatWasAheadAreFound(t *testing.T) {
	for name, meanwhile := range map[string]bool{"none meanwhile": false, "one meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			early, ahead, late := w.addNode(1, "pool_a"), w.addNode(2, "pool_a"), w.addNode(3, "pool_a")
			w.twice(early)
			w.clock = w.clock.Add(240 * time.Hour)
			if meanwhile {
				w.twice(ahead)
			}
			w.run()
			w.clock = w.clock.Add(-240*time.Hour + time.Minute)
			if meanwhile {
				w.run() // fetches the cursor back
			}
			w.twice(late)
			w.clock = w.clock.Add(time.Minute)
			w.run()
			w.wantFlags(late, secondAnswer)
		})
	}
}

// One that is stored late is found, however many of a later time came first, and
// if all of them came at one instant.
func TestSecondAnswersThatAreStoredLateAreFound(t *testing.T) {
	w := newWorld(t)
	late, many := w.addNode(1, "pool_a"), w.addNode(2, "pool_a")
	const store = `WITH asked AS (
			INSERT INTO challenge (challenge_id, node_no, key_epoch, session_no, issued_at, deadline_at, expires_at, canonical, state)
			SELECT gen_random_uuid(), $1, 1, 1, $2, $2::timestamptz + interval '30 seconds', $2::timestamptz + interval '2 minutes', '\x01', 'judged' FROM generate_series(1, $3) RETURNING challenge_id)
		INSERT INTO challenge_second_answer (challenge_id, node_no, at, response) SELECT challenge_id, $1, $2, '\x01' FROM asked`
	slow, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Rollback(t.Context())
	if _, err := slow.Exec(t.Context(), store, late, w.clock.Add(-30*time.Second), 1); err != nil {
		t.Fatal(err)
	}
	w.exec(store, many, w.clock.Add(-20*time.Second), answersAtOnce+100)
	w.run()
	if n := query[int](w, `SELECT count(*) FROM fraud_flag WHERE node_no = $1`, many); n != answersAtOnce+100 {
		t.Errorf("%d flags, want %d", n, answersAtOnce+100)
	}
	w.wantFlags(late)
	if err := slow.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.clock = w.clock.Add(10 * time.Second)
	w.run()
	w.wantFlags(late, secondAnswer)
	replayed, err := w.Replay(t.Context(), secondAnswer, w.clock.Add(-time.Hour), w.clock)
	if err != nil || len(replayed) != answersAtOnce+101 {
		t.Errorf("a replay finds %d, %v; want all %d", len(replayed), err, answersAtOnce+101)
	}
}
