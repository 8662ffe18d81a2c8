package score_test

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lucid.internal/coordinator/internal/score"
)

func apply(t testing.TB, c score.Counters, results ...score.Result) score.Counters {
	t.Helper()
	for _, r := range results {
		var err error
		if c, err = score.Apply(c, score.Judged{Result: r, At: noon}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func repeat(n int, r score.Result) []score.Result {
	list := make([]score.Result, n)
	for i := range list {
		list[i] = r
	}
	return list
}

// until counts failures in a row up to the given standing.
func until(t *testing.T, c score.Counters, r score.Result, reached func(score.Standing) bool) int {
	t.Helper()
	for n := range 1000 {
		if reached(c.Standing) {
			return n
		}
		c = apply(t, c, r)
	}
	t.Fatal("never reached")
	return 0
}

func suspended(s score.Standing) bool { return s.Suspended() }
func doubted(s score.Standing) bool   { return s.DoubtSince != 0 }

// The numbers promised to owners: they follow from the constants.
func TestFailuresFromAPerfectRecord(t *testing.T) {
	for _, c := range []struct {
		name    string
		result  score.Result
		reached func(score.Standing) bool
		want    int
	}{
		{"wrong answers suspend", score.Invalid, suspended, 22},
		{"wrong answers begin the grace before disqualification", score.Invalid, doubted, 45},
		{"missing answers suspend", score.Missed, suspended, 10},
		{"late answers suspend", score.Late, suspended, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			for history, start := range map[string]score.Counters{
				"no history":        score.New(),
				"1000 good answers": apply(t, score.New(), repeat(1000, score.Valid)...),
			} {
				if got := until(t, start, c.result, c.reached); got != c.want {
					t.Errorf("%s: after %d, want %d", history, got, c.want)
				}
			}
		})
	}
	t.Run("missing answers never disqualify", func(t *testing.T) {
		if c := apply(t, score.New(), repeat(5000, score.Missed)...); c.Standing.Disqualified || c.Reputation() != score.One {
			t.Errorf("after 5000 misses: %+v, reputation %d", c.Standing, c.Reputation())
		}
	})
}

func TestApplyOnce(t *testing.T) {
	const one = score.One
	for _, c := range []struct {
		result score.Result
		want   score.Counters
	}{
		{score.Valid, score.Counters{ReputationA: 200 * one, TimelyA: 20 * one, Verdicts: 1, Prompt: one, Telemetry: one}},
		{score.Invalid, score.Counters{ReputationA: 199 * one, ReputationB: one, TimelyA: 20 * one, Verdicts: 1, Prompt: one, Telemetry: one}},
		{score.Late, score.Counters{ReputationA: 200 * one, TimelyA: 19 * one, TimelyB: one, Verdicts: 1, Prompt: one, Telemetry: one}},
		{score.Missed, score.Counters{ReputationA: 200 * one, TimelyA: 19 * one, TimelyB: one, Verdicts: 1, Prompt: one, Telemetry: one}},
		{score.Deferred, score.New()},
		{score.Void, score.New()},
	} {
		if got := apply(t, score.New(), c.result); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.result, got, c.want)
		}
	}
	if _, err := score.Apply(score.New(), score.Judged{Result: "perhaps"}); err == nil {
		t.Error("an unknown result was counted")
	}
}

// Vectors computed with exact rationals: any implementation must give them.
func TestRoundingIsDown(t *testing.T) {
	c := score.Counters{ReputationA: 1, ReputationB: 999, TimelyA: 19, TimelyB: 21}
	got := apply(t, c, score.Valid)
	want := score.Counters{ReputationA: score.One, ReputationB: 994, TimelyA: score.One + 18, TimelyB: 19, Verdicts: 1}
	if want.Standing = got.Standing; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	f := score.Factors{Reputation: 333_333_333, Timeliness: 999_999_999, Availability: 999_999_999, Quality: score.One}
	if got := f.Score(); got != 333_333_331 { // 333333332.6 -> ..332, then ..331.6 -> ..331
		t.Errorf("score %d, want 333333331", got)
	}
}

func TestStandingHasTwoThresholds(t *testing.T) {
	c := apply(t, score.New(), repeat(22, score.Invalid)...)
	back := 0
	for ; c.Standing.Suspended(); back++ {
		before := c.Reputation()
		c = apply(t, c, score.Valid)
		if c.Standing.Suspended() != (c.Reputation() < 920_000_000) {
			t.Fatalf("reputation %d -> %d: %+v", before, c.Reputation(), c.Standing)
		}
	}
	if back < 2 {
		t.Errorf("lifted after %d answers: there is no second threshold", back)
	}
	c = apply(t, score.New(), repeat(10, score.Missed)...)
	if c.Standing.Reason() != "low_timeliness" {
		t.Errorf("reason %q", c.Standing.Reason())
	}
	for c.Standing.Suspended() {
		c = apply(t, c, score.Valid)
		if c.Standing.Suspended() != (c.Timeliness() < 700_000_000) {
			t.Fatalf("timeliness %d: %+v", c.Timeliness(), c.Standing)
		}
	}
}

// Who falls to disqualification has the time of grace to come back to work, once.
func TestDisqualificationWaitsForTheEndOfGrace(t *testing.T) {
	at := func(c score.Counters, r score.Result, after time.Duration) score.Counters {
		c, err := score.Apply(c, score.Judged{Result: r, At: noon.Add(after)})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	fallen := apply(t, score.New(), repeat(45, score.Invalid)...)
	ends, pending := fallen.Standing.DisqualifiesAt()
	if fallen.Standing.Disqualified || !pending || !ends.Equal(noon.Add(score.Grace)) || fallen.Standing.Reason() != "low_reputation" {
		t.Fatalf("fallen: %+v, grace until %s", fallen.Standing, ends)
	}
	if c := at(fallen, score.Invalid, score.Grace-time.Millisecond); c.Standing.Disqualified {
		t.Error("disqualified before the end of grace")
	}
	lost := at(fallen, score.Invalid, score.Grace)
	if !lost.Standing.Disqualified || lost.Standing.Reason() != "reputation_lost" {
		t.Errorf("at the end of grace: %+v", lost.Standing)
	}
	if c := apply(t, lost, repeat(5000, score.Valid)...); !c.Standing.Disqualified || c.Standing.Suspended() || score.FailuresLeft(c) != 0 {
		t.Errorf("disqualified, then perfect: %+v, failures left %d", c.Standing, score.FailuresLeft(c))
	}
	if c := at(apply(t, fallen, repeat(9, score.Valid)...), score.Invalid, score.Grace); c.Standing.Disqualified || c.Standing.DoubtSince == 0 {
		t.Errorf("better at the end of grace, though not well: %+v", c.Standing)
	}
	mended := apply(t, fallen, repeat(200, score.Valid)...)
	if mended.Standing != (score.Standing{}) {
		t.Errorf("lifted: %+v, want nothing held against it", mended.Standing)
	}
	for mended.Standing.DoubtSince == 0 { // a year later, anew: another grace begins
		mended = at(mended, score.Invalid, 365*24*time.Hour)
	}
	if mended.Standing.Disqualified {
		t.Error("disqualified without grace")
	}
}

func TestQualityFollowsWhatWasSeen(t *testing.T) {
	none, half, all := int64(0), score.One/2, score.One
	see := func(c score.Counters, prompt, telemetry *int64, times int) score.Counters {
		for range times {
			var err error
			if c, err = score.Apply(c, score.Judged{Result: score.Valid, At: noon, Prompt: prompt, Telemetry: telemetry}); err != nil {
				t.Fatal(err)
			}
		}
		return c
	}
	for name, c := range map[string]struct {
		counters score.Counters
		want     int64
	}{
		"nothing seen yet":            {score.New(), score.One},
		"all as it should be":         {see(score.New(), &all, &all, 500), score.One},
		"one slow answer":             {see(score.New(), &none, nil, 1), 995_000_000},
		"one answer at half":          {see(score.New(), &half, nil, 1), 997_500_000},
		"always slow":                 {see(score.New(), &none, nil, 2000), 900_000_000},
		"always slow, and silent":     {see(score.New(), &none, &none, 2000), 800_000_000},
		"silent, then complete again": {see(see(score.New(), nil, &none, 2000), nil, &all, 2000), 999_999_998},
	} {
		if got := c.counters.Quality(); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// Whoever may ask at will moves nothing by asking often.
func TestVerdictAsideCountsNothing(t *testing.T) {
	start := apply(t, score.New(), repeat(30, score.Invalid)...)
	for _, r := range results {
		none := int64(0)
		c, err := score.Apply(start, score.Judged{Result: r, At: noon.Add(score.Grace), Aside: true, Prompt: &none, Telemetry: &none})
		if err != nil || c != start {
			t.Errorf("%s aside: %+v, %v", r, c, err)
		}
	}
	if _, err := score.Apply(start, score.Judged{Result: "perhaps", Aside: true}); err == nil {
		t.Error("an unknown result was taken")
	}
}

func TestStandingReasons(t *testing.T) {
	for want, s := range map[string]score.Standing{
		"":                              {},
		"low_reputation":                {LowReputation: true},
		"low_timeliness":                {LowTimeliness: true},
		"low_reputation_and_timeliness": {LowReputation: true, LowTimeliness: true},
		"reputation_lost":               {LowReputation: true, LowTimeliness: true, Disqualified: true},
	} {
		if got := s.Reason(); got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
}

var results = []score.Result{score.Valid, score.Invalid, score.Late, score.Missed, score.Deferred, score.Void}

func drawResults(t *rapid.T) []score.Result {
	return rapid.SliceOfN(rapid.SampledFrom(results), 0, 120).Draw(t, "results")
}

func TestFailuresLeftIsExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := apply(t, score.New(), drawResults(rt)...)
		left := score.FailuresLeft(c)
		if c.Standing.Suspended() || c.Standing.Disqualified {
			if left != 0 {
				rt.Fatalf("suspended, yet %d failures left", left)
			}
			return
		}
		// No row of failures, mixed as it may be, suspends earlier; one of the
		// two pure rows suspends exactly then.
		failures := rapid.SliceOfN(rapid.SampledFrom([]score.Result{score.Invalid, score.Late, score.Missed}), left-1, left-1).Draw(rt, "failures")
		if apply(t, c, failures...).Standing.Suspended() {
			rt.Fatalf("suspended after %d failures, not %d", left-1, left)
		}
		wrong, missed := apply(t, c, repeat(left, score.Invalid)...), apply(t, c, repeat(left, score.Missed)...)
		if !wrong.Standing.Suspended() && !missed.Standing.Suspended() {
			rt.Fatalf("not suspended after %d failures", left)
		}
	})
}

func TestScoreProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := apply(t, score.New(), drawResults(rt)...)
		availability := rapid.Int64Range(0, score.One).Draw(rt, "availability")
		now := score.Evaluate(c, availability)
		for name, v := range map[string]int64{"score": now.Score, "confidence": now.Confidence, "reputation": c.Reputation(), "timeliness": c.Timeliness()} {
			if v < 0 || v > score.One {
				rt.Fatalf("%s %d is not between 0 and 1", name, v)
			}
		}
		if lowest := min(c.Reputation(), c.Timeliness(), availability); now.Score > lowest {
			rt.Fatalf("score %d is above its lowest factor %d", now.Score, lowest)
		}
		better := score.Evaluate(apply(t, c, score.Valid), availability)
		for _, r := range results {
			next := score.Evaluate(apply(t, c, r), availability)
			switch {
			case next.Score > better.Score:
				rt.Fatalf("%s gives %d, a valid answer only %d", r, next.Score, better.Score)
			case next.Confidence < now.Confidence:
				rt.Fatalf("%s lowers the confidence", r)
			}
		}
		if more := score.Evaluate(c, min(score.One, availability+1000)); more.Score < now.Score {
			rt.Fatalf("more availability lowers the score from %d to %d", now.Score, more.Score)
		}
		if got, want := now.Score, exact(now.Factors); got > want || got < want-3 {
			rt.Fatalf("score %d, exact product %d: off by more than three roundings", got, want)
		}
	})
}

// exact is the product of the factors with one rounding at the end.
func exact(f score.Factors) int64 {
	product := big.NewInt(1)
	for _, v := range []int64{f.Reputation, f.Timeliness, f.Availability, f.Quality} {
		product.Mul(product, big.NewInt(v))
	}
	return product.Div(product, new(big.Int).Exp(big.NewInt(score.One), big.NewInt(3), nil)).Int64()
}

// A failure never helps: the same history with one answer turned bad gives no
// higher score, whatever comes after it.
func TestAFailureNeverHelps(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		history := rapid.SliceOfN(rapid.SampledFrom(results), 1, 120).Draw(rt, "history")
		i := rapid.IntRange(0, len(history)-1).Draw(rt, "i")
		good, bad := append([]score.Result{}, history...), append([]score.Result{}, history...)
		good[i], bad[i] = score.Valid, rapid.SampledFrom([]score.Result{score.Invalid, score.Late, score.Missed}).Draw(rt, "failure")
		a, b := apply(t, score.New(), good...), apply(t, score.New(), bad...)
		if a.Reputation() < b.Reputation() || a.Timeliness() < b.Timeliness() {
			rt.Fatalf("good %+v, bad %+v", a, b)
		}
	})
}

func TestNoScoreBeforeTheFirstCountedVerdict(t *testing.T) {
	got := score.Evaluate(apply(t, score.New(), score.Void, score.Deferred), score.One)
	if got != (score.Record{Counters: score.New()}) || score.Explain(score.Record{}, got) != nil {
		t.Errorf("got %+v: excused challenges must not make a score", got)
	}
	if first := score.Evaluate(apply(t, score.New(), score.Valid), score.One); first.Score != score.One {
		t.Errorf("first valid answer: score %d", first.Score)
	}
}

func TestConfidence(t *testing.T) {
	for verdicts, want := range map[int64]int64{0: 0, 1: 19_607_843, 50: 500_000_000, 100: 666_666_666, 1_000_000_000: 999_999_950} {
		if got := (score.Counters{Verdicts: verdicts}).Confidence(); got != want {
			t.Errorf("%d verdicts: %d, want %d", verdicts, got, want)
		}
	}
}

func TestExplainSumsToTheChange(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var before score.Record
		if rapid.Bool().Draw(rt, "has a score") {
			before = score.Evaluate(apply(t, score.New(), drawResults(rt)...), rapid.Int64Range(0, score.One).Draw(rt, "availability before"))
		}
		after := score.Evaluate(apply(t, before.Counters, drawResults(rt)...), rapid.Int64Range(0, score.One).Draw(rt, "availability after"))
		var sum int64
		for _, step := range score.Explain(before, after) {
			sum += step.Points
		}
		if sum != after.Score-before.Score {
			rt.Fatalf("steps sum to %d, score went from %d to %d", sum, before.Score, after.Score)
		}
	})
}

func TestExplainNamesTheFactor(t *testing.T) {
	before := score.Evaluate(apply(t, score.New(), score.Valid), score.One)
	after := score.Evaluate(apply(t, before.Counters, score.Missed), score.One/2)
	got := score.Explain(before, after)
	want := []score.Step{
		{Factor: "reputation", Before: score.One, After: score.One},
		{Factor: "timeliness", Before: score.One, After: 950_000_000, Points: -50_000_000},
		{Factor: "availability", Before: score.One, After: score.One / 2, Points: -475_000_000},
		{Factor: "quality", Before: score.One, After: score.One},
	}
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
	if first := score.Explain(score.Record{}, before); first[0].Points != score.One {
		t.Errorf("first step is %+v, want 100 points", first[0])
	}
}
