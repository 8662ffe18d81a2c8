package score_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/score"
)

// answered is a verdict as statistics see it; ms is -1 without an answer.
type answered struct {
	node   int32
	at     time.Time
	result score.Result
	ms     int32
}

func (f *fleet) keep(all []answered) {
	f.t.Helper()
	for _, v := range all {
		f.exec(`WITH asked AS (
				INSERT INTO challenge (challenge_id, node_no, key_epoch, session_no, issued_at, deadline_at, expires_at, canonical, state)
				VALUES ($1, $2, 1, 1, $3::timestamptz - interval '1 second', $3, $3, '', 'judged')), judged AS (
				INSERT INTO verdict (challenge_id, node_no, at, result, rule_version, answered_ms) VALUES ($1, $2, $3, $4, 1, nullif($5::integer, -1)))
			INSERT INTO score (node_no, reputation_a, reputation_b, timely_a, timely_b, verdicts, score, confidence, factors, rule_version, calculated_at)
			VALUES ($2, 1, 0, 1, 0, 1, 1000000000, 0, '{}', 1, $3) ON CONFLICT (node_no) DO UPDATE SET calculated_at = excluded.calculated_at`,
			uuid.New(), v.node, v.at, string(v.result), v.ms)
	}
}

// expected is what statistics should say, from the verdicts themselves.
func expected(all []answered, from, to time.Time) score.Statistics {
	s := score.Statistics{From: from, To: to, By: map[score.Result]int64{score.Valid: 0, score.Invalid: 0, score.Late: 0, score.Missed: 0, score.Deferred: 0, score.Void: 0}}
	nodes, total := map[int32]bool{}, 0
	var took []int32
	for _, v := range all {
		if v.at.Before(from) || !v.at.Before(to) {
			continue
		}
		s.Verdicts++
		s.By[v.result]++
		if nodes[v.node] = true; v.ms >= 0 {
			took = append(took, v.ms)
			total += int(v.ms)
		}
	}
	s.Nodes, s.Answered = int64(len(nodes)), int64(len(took))
	if slices.Sort(took); len(took) > 0 {
		s.MeanMs = float64(total) / float64(len(took))
		s.MedianMs, s.P95Ms = took[(len(took)*50+99)/100-1], took[(len(took)*95+99)/100-1]
	}
	return s
}

func TestStatisticsAreTheSameCountedUpOrNot(t *testing.T) {
	f := newFleet(t, nil)
	f.clock = noon.Add(17 * time.Minute)
	dice := rand.New(rand.NewPCG(4, 2))
	results := []score.Result{score.Valid, score.Valid, score.Invalid, score.Late, score.Missed, score.Deferred, score.Void}
	all := []answered{{f.node(), noon.Add(-5 * time.Hour), score.Valid, 0}} // to the instant
	nodes := []int32{all[0].node, f.node(), f.node(), f.node()}
	for at := noon.Add(-5 * time.Hour); at.Before(f.clock); at = at.Add(time.Duration(dice.Int64N(int64(6 * time.Minute)))) {
		if hour := at.Sub(noon); hour > -3*time.Hour && hour < -2*time.Hour {
			continue // in which nobody was judged
		}
		v := answered{nodes[dice.IntN(3)], at.Truncate(time.Microsecond), results[dice.IntN(len(results))], dice.Int32N(40)}
		if v.result == score.Missed || v.result == score.Void {
			v.ms = -1
		}
		all = append(all, v)
	}
	f.keep(all)
	spans := []time.Duration{time.Minute, 17 * time.Minute, time.Hour, 77 * time.Minute, 3 * time.Hour, 317 * time.Minute, 10 * time.Hour}
	agree := func(when string) {
		t.Helper()
		for _, back := range spans {
			got, err := f.store.Statistics(t.Context(), f.clock.Add(-back), f.clock)
			if err != nil {
				t.Fatal(err)
			}
			got.Scores = score.Scores{}
			if want := expected(all, f.clock.Add(-back), f.clock); !reflect.DeepEqual(got, want) {
				t.Errorf("%s, the last %s: %+v, want %+v", when, back, got, want)
			}
		}
	}
	agree("before")
	for range 2 {
		if err := f.store.RunOnceHours(t.Context()); err != nil {
			t.Fatal(err)
		}
		agree("counted up")
	}
	if through := value[time.Time](f, "SELECT through FROM verdict_hour_through"); !through.Equal(noon) {
		t.Errorf("counted up until %s", through)
	}
	f.exec("UPDATE verdict_hour SET verdicts = verdicts + 1000")
	if got, err := f.store.Statistics(t.Context(), f.clock.Add(-3*time.Hour), f.clock); err != nil || got.Verdicts < 1000 {
		t.Errorf("%d verdicts, %v: hours that are counted up are read one by one", got.Verdicts, err)
	}
}

// Hours may be forgotten between two statements of a reader.
func TestStatisticsAreOfOneMoment(t *testing.T) {
	f := newFleet(t, nil)
	all := []answered{{f.node(), noon.Add(-90 * time.Minute), score.Valid, 7}, {f.node(), noon.Add(-time.Minute), score.Missed, -1}}
	f.keep(all)
	f.clock = noon.Add(17 * time.Minute)
	if err := f.store.RunOnceHours(t.Context()); err != nil {
		t.Fatal(err)
	}
	store := fleetIn(t, dbtest.Forgetting(t, f.pool, "FROM verdict_hour h", 1,
		"DELETE FROM verdict_hour; UPDATE verdict_hour_through SET through = NULL"), nil).store
	got, err := store.Statistics(t.Context(), noon.Add(-3*time.Hour), f.clock)
	if err != nil || got.Verdicts != 2 {
		t.Errorf("%d verdicts, %v; want 2", got.Verdicts, err)
	}
}

// A verdict may be stored a little after its time: an hour is counted up later.
func TestAnHourIsCountedUpOnceItsVerdictsAreStored(t *testing.T) {
	f := newFleet(t, nil)
	through := func() *time.Time {
		t.Helper()
		if err := f.store.RunOnceHours(t.Context()); err != nil {
			t.Fatal(err)
		}
		return value[*time.Time](f, "SELECT through FROM verdict_hour_through")
	}
	if at := through(); at != nil {
		t.Errorf("without a verdict, until %s", at)
	}
	node := f.node()
	f.keep([]answered{{node, noon.Add(5 * time.Minute), score.Valid, 3}, {node, noon.Add(time.Hour), score.Valid, 3}})
	for minutes, want := range map[time.Duration]bool{59: false, 69: false, 70: true} {
		f.exec("UPDATE verdict_hour_through SET through = NULL")
		f.exec("DELETE FROM verdict_hour")
		f.clock = noon.Add(minutes * time.Minute)
		if at := through(); (at != nil && at.Equal(noon.Add(time.Hour))) != want {
			t.Errorf("after %d minutes: until %v", minutes, at)
		}
	}
}

// A clock of ours that jumps ahead, or back, leaves no verdict out of the
// statistics, whatever is judged meanwhile, nor does a jump that time catches up
// with before anybody looks.
func TestJumpOfOurClockLeavesNoVerdictOut(t *testing.T) {
	for name, c := range map[string]struct {
		jump   time.Duration
		judged bool          // while the clock is wrong
		next   time.Duration // after the jump, until hours are counted up again
	}{
		"80 hours":                       {80 * time.Hour, true, time.Minute},
		"80 hours, nobody judged":        {80 * time.Hour, false, time.Minute},
		"within an hour":                 {55 * time.Minute, true, time.Minute},
		"80 hours, looked at after two":  {80 * time.Hour, true, 2 * time.Hour},
		"within an hour, caught up with": {55 * time.Minute, false, 2 * time.Hour},
		"80 hours back":                  {-80 * time.Hour, true, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, nil)
			node := f.node()
			var all []answered
			judge := func() {
				all = append(all, answered{node, f.clock, score.Valid, 7})
				f.keep(all[len(all)-1:])
			}
			count := func() {
				t.Helper()
				if err := f.store.RunOnceHours(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for at := noon.Add(-100 * time.Hour); at.Before(noon.Add(40 * time.Minute)); at = at.Add(20 * time.Minute) {
				f.clock = at
				judge()
			}
			count()
			f.clock = f.clock.Add(c.jump)
			if c.judged {
				judge()
			}
			count()
			f.clock = f.clock.Add(time.Minute - c.jump)
			judge()
			f.clock = f.clock.Add(c.next)
			for range 90 { // longer than the jump
				judge()
				count()
				got, err := f.store.Statistics(t.Context(), noon.Add(-200*time.Hour), f.clock)
				want := expected(all, noon.Add(-200*time.Hour), f.clock)
				if got.Scores = (score.Scores{}); err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("at %s: %+v, %v, want %+v", f.clock, got, err, want)
				}
				f.clock = f.clock.Add(time.Hour)
			}
			if through := value[time.Time](f, "SELECT through FROM verdict_hour_through"); f.clock.Sub(through) > 3*time.Hour {
				t.Errorf("counted up until %s at %s", through, f.clock)
			}
		})
	}
}

// However much is older, statistics and pages of history are read by indexes.
func TestReadsOfAYearGoByIndexes(t *testing.T) {
	f := newFleet(t, nil)
	node := f.node()
	f.aYear(1)
	f.judge(node, score.Valid, "", noon)
	f.exec(`INSERT INTO verdict_hour SELECT date_trunc('hour', at), result, answered_ms, count(*) FROM verdict WHERE at < $1 GROUP BY 1, 2, 3`, noon)
	f.exec("UPDATE verdict_hour_through SET through = $1", noon)
	f.exec("ANALYZE")
	watched, sent := dbtest.Record(t, f.pool)
	store := fleetIn(t, watched, nil).store
	for name, read := range map[string]func() error{
		"statistics of 30 days": func() error {
			_, err := store.Statistics(t.Context(), noon.Add(-30*day-time.Minute), noon.Add(time.Minute))
			return err
		},
		"history": func() error {
			_, _, err := store.History(t.Context(), node, 20, 0)
			return err
		},
		"leaderboard": func() error {
			_, _, err := store.Leaders(t.Context(), "", 20, 0)
			return err
		},
	} {
		if err := read(); err != nil {
			t.Fatal(err)
		}
		if dbtest.WantIndexes(t, f.pool, name, sent.Take()...) == 0 {
			t.Errorf("%s asked nothing", name)
		}
	}
}
