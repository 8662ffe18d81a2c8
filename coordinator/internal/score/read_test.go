package score_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lucid.internal/coordinator/internal/score"
)

func TestAsOf(t *testing.T) {
	f := newFleet(t, &score.Vetting{Verdicts: 2})
	node, other, silent := f.node(), f.node(), f.node()
	f.judge(node, score.Valid, "", minute(0))
	second := f.judge(node, score.Missed, "", minute(10))
	third := f.judge(node, score.Missed, "", minute(10)) // the same instant: the later one holds
	f.judge(other, score.Invalid, "", minute(5))
	for _, c := range []struct {
		name        string
		at          time.Time
		node, other int64
		vetted      bool
	}{
		{"before any verdict", minute(0).Add(-1000), 0, 0, false},
		{"at the first", minute(0), score.One, 0, false},
		{"between", minute(9), score.One, 995_000_000, false},
		{"at the last", minute(10), third.After, 995_000_000, true},
		{"long after", minute(100000), third.After, 995_000_000, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := f.store.AsOf(t.Context(), f.pool, []int32{node, other, silent, 9999}, c.at)
			if err != nil || len(got) != 4 {
				t.Fatalf("got %v, %v", got, err)
			}
			if got[node].ScoreNano != c.node || got[other].ScoreNano != c.other || got[node].Vetted != c.vetted || got[other].Vetted {
				t.Errorf("got %+v, want %+v", got, c)
			}
			if got[silent].ScoreNano != 0 || got[silent].Factors != nil || got[9999].ScoreNano != 0 {
				t.Errorf("without a verdict: %+v", got)
			}
		})
	}
	if second.After == third.After {
		t.Fatal("the two verdicts of one instant give one score: the test shows nothing")
	}
	got, err := f.store.AsOf(t.Context(), f.pool, []int32{other}, minute(5))
	if err != nil {
		t.Fatal(err)
	}
	var factors score.Factors
	if err := json.Unmarshal(got[other].Factors, &factors); err != nil || factors.Score() != got[other].ScoreNano {
		t.Errorf("factors %s, %v do not give the score %d", got[other].Factors, err, got[other].ScoreNano)
	}
}

func TestGet(t *testing.T) {
	f := newFleet(t, nil)
	node := f.node()
	none, err := f.store.Get(t.Context(), node)
	if err != nil || none != (score.Current{}) {
		t.Errorf("without a verdict: %+v, %v", none, err)
	}
	f.judge(node, score.Valid, "", noon)
	f.judge(node, score.Invalid, "bad_solution", minute(1))
	got, err := f.store.Get(t.Context(), node)
	want := score.Current{Record: score.Evaluate(apply(t, score.New(), score.Valid, score.Invalid), score.One),
		RuleVersion: score.RuleVersion, FailuresLeft: 10, CalculatedAt: minute(1),
		LastResult: score.Invalid, LastReason: "bad_solution", LastAt: minute(1)}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestHistory(t *testing.T) {
	f := newFleet(t, nil)
	node := f.node()
	var changes []score.Change
	for i := range 5 {
		changes = append(changes, f.judge(node, score.Missed, "late by far", minute(i)))
		f.judge(f.node(), score.Valid, "", minute(i))
	}
	var seen []score.Verdict
	for cursor, more := int64(0), true; more; more = cursor != 0 {
		page, next, err := f.store.History(t.Context(), node, 2, cursor)
		if err != nil || len(page) == 0 {
			t.Fatalf("%d verdicts after %d, %v", len(page), cursor, err)
		}
		seen, cursor = append(seen, page...), next
	}
	if len(seen) != len(changes) {
		t.Fatalf("%d verdicts, want %d", len(seen), len(changes))
	}
	for i, v := range seen {
		c := changes[len(changes)-1-i]
		if v.No != c.VerdictNo || v.Before != c.Before || v.After != c.After || v.Result != score.Missed || v.Reason != "late by far" ||
			!v.At.Equal(minute(len(changes)-1-i)) || v.AnsweredMs == nil || *v.AnsweredMs != 250 || v.RuleVersion != 1 {
			t.Errorf("verdict %d from the end is %+v, want %+v", i, v, c)
		}
	}
	if page, next, err := f.store.History(t.Context(), node, 5, 0); err != nil || len(page) != 5 || next != 0 {
		t.Errorf("a page that holds all: %d verdicts, and %d follows, %v", len(page), next, err)
	}
}

// The verdict rows alone give the stored score, and every step on the way.
func TestReplayGivesTheStoredScore(t *testing.T) {
	f := newFleet(t, nil)
	rapid.Check(t, func(rt *rapid.T) {
		node := f.node()
		for i, r := range rapid.SliceOfN(rapid.SampledFrom(results), 1, 8).Draw(rt, "results") {
			f.judge(node, r, "", minute(i))
		}
		rows, err := f.pool.Query(t.Context(), `SELECT v.result, c.before, c.after FROM verdict v JOIN score_change c USING (verdict_no)
			WHERE v.node_no = $1 ORDER BY verdict_no`, node)
		if err != nil {
			rt.Fatal(err)
		}
		defer rows.Close()
		replayed := score.Record{Counters: score.New()}
		for rows.Next() {
			var result score.Result
			var before, after int64
			if err := rows.Scan(&result, &before, &after); err != nil {
				rt.Fatal(err)
			}
			previous := replayed.Score
			replayed = score.Evaluate(apply(t, replayed.Counters, result), score.One)
			if before != previous || after != replayed.Score {
				rt.Fatalf("%s: stored %d -> %d, replayed %d -> %d", result, before, after, previous, replayed.Score)
			}
		}
		stored, err := f.store.Get(t.Context(), node)
		if err != nil || stored.Record != replayed {
			rt.Fatalf("stored %+v, %v, replayed %+v", stored.Record, err, replayed)
		}
	})
}
