package fraud

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// minute is a time in minutes after noon.
func minute(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }

// proven is a valid answer of a run on a boot, so many minutes after noon.
func proven(at int, run, boot string, since time.Duration) Answer {
	return Answer{
		VerdictNo: int64(at + 1), NodeNo: 1, KeyEpoch: 1, ChallengeID: fmt.Sprint("c", at), At: minute(at), Result: "valid",
		Answered: true, Run: run, Boot: boot, BootTime: since, Took: 200 * time.Millisecond, Hashes: 65_000, Rate: 330_000,
	}
}

func rulesOf(flags []Found) (ids []string) {
	for _, f := range flags {
		ids = append(ids, f.Rule.ID)
	}
	return ids
}

func TestIdentity(t *testing.T) {
	m := time.Minute
	changed := func(a Answer, change func(*Answer)) Answer { change(&a); return a }
	for name, c := range map[string]struct {
		answers []Answer
		want    []string
	}{
		"one run":                            {[]Answer{proven(0, "A", "1", m), proven(5, "A", "1", 6*m)}, nil},
		"the agent restarts again and again": {[]Answer{proven(0, "A", "1", m), proven(5, "B", "1", 6*m), proven(10, "C", "1", 11*m)}, nil},
		"the machine reboots":                {[]Answer{proven(0, "A", "1", 100*m), proven(5, "B", "2", m), proven(10, "C", "3", m)}, nil},
		"a key that was given to another machine and back": {[]Answer{
			proven(0, "A", "1", m), changed(proven(5, "B", "2", m), func(a *Answer) { a.KeyEpoch = 2 }),
			changed(proven(10, "A", "1", 11*m), func(a *Answer) { a.KeyEpoch = 3 }),
		}, nil},
		"silence in between": {[]Answer{proven(0, "A", "1", m), {VerdictNo: 3, NodeNo: 1, KeyEpoch: 1, At: minute(5), Result: "missed"}, proven(10, "A", "1", 11*m)}, nil},
		"an answer on its way when the next run began": {[]Answer{
			changed(proven(0, "A", "1", m), func(a *Answer) { a.LaterRunSince = a.At.Add(-m) }),
		}, nil},
		"an altered running hash":      {[]Answer{changed(proven(0, "A", "1", m), func(a *Answer) { a.Result, a.Reason = "invalid", "hash_mismatch" })}, []string{alteredHash}},
		"a wrong solution is no fraud": {[]Answer{changed(proven(0, "A", "1", m), func(a *Answer) { a.Result, a.Reason = "invalid", "bad_solution" })}, nil},
		"a cloned key":                 {[]Answer{proven(0, "A", "1", m), proven(5, "B", "2", m), proven(10, "A", "1", 11*m)}, []string{supersededRun, alternatingBoot}},
		"a later run sends while this one proves": {[]Answer{
			changed(proven(0, "A", "1", m), func(a *Answer) { a.LaterRunSince = a.At.Add(-2 * m) }),
		}, []string{twoLiveRuns}},
		"time since boot goes back": {[]Answer{proven(0, "A", "1", 10*m), proven(5, "A", "1", 9*m)}, []string{bootTimeBack}},
	} {
		var memory Memory
		var flags []Found
		for _, a := range c.answers {
			flags = append(flags, memory.see(a)...)
		}
		if got := rulesOf(flags); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestSecondAnswerIsFlagged(t *testing.T) {
	f := second(Second{NodeNo: 7, ChallengeID: "c", At: noon, SHA256: "00"})
	if f.NodeNo != 7 || f.Rule.ID != secondAnswer || f.Rule.Layer != Crypto || f.Subject != "c" {
		t.Errorf("%+v", f)
	}
}

// What a judge reads again after a crash must not look like a second machine.
func TestAVerdictIsSeenOnce(t *testing.T) {
	var memory Memory
	all := []Answer{proven(0, "A", "1", time.Minute), proven(5, "B", "2", time.Minute)}
	for range 2 {
		for _, a := range all {
			if flags := memory.see(a); len(flags) > 0 {
				t.Errorf("%v", rulesOf(flags))
			}
		}
	}
}

func TestTraceIsBounded(t *testing.T) {
	var memory Memory
	for i := range 100 {
		memory.see(proven(i, fmt.Sprint("run", i), fmt.Sprint("boot", i), time.Minute))
	}
	if len(memory.Trace.Runs) != remembered || len(memory.Trace.Boots) != remembered || memory.Trace.Runs[remembered-1].ID != "run99" {
		t.Errorf("%d runs, %d boots", len(memory.Trace.Runs), len(memory.Trace.Boots))
	}
}

func TestHolds(t *testing.T) {
	warning := func(l Layer, days int) mark { return mark{l, Warning, noon.AddDate(0, 0, days)} }
	for name, c := range map[string]struct {
		marks []mark
		want  bool
	}{
		"none":                              {nil, false},
		"one of L0":                         {[]mark{{Crypto, Critical, noon}}, true},
		"one of L1":                         {[]mark{{Identity, Critical, noon}}, true},
		"many of one layer":                 {[]mark{warning(Plausibility, 0), warning(Plausibility, 1), warning(Plausibility, 2)}, false},
		"two layers":                        {[]mark{warning(Plausibility, 0), warning(Relation, 3)}, true},
		"two layers with weeks in between":  {[]mark{warning(Plausibility, 0), warning(Relation, 15)}, false},
		"a notice supports nothing":         {[]mark{warning(Plausibility, 0), {Relation, Notice, noon}}, false},
		"economics have their own remedies": {[]mark{warning(Plausibility, 0), warning(Economics, 0)}, false},
	} {
		if got := holds(c.marks); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestEveryRuleIsKnownOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.ID] || r.Version < 1 || r.Summary == "" || (r.Severity == Critical) != (r.Layer <= Identity) {
			t.Errorf("%+v", r)
		}
		seen[r.ID] = true
	}
	if _, known := RuleByID("no_such_rule"); known {
		t.Error("a rule that does not exist is known")
	}
}

// Checks speak of who is hardly ever checked, not of a day after an outage.
func TestChecks(t *testing.T) {
	for name, c := range map[string]struct {
		unchecked func(i int) bool
		answers   int
		want      []string
	}{
		"always checked":               {func(int) bool { return false }, 2000, nil},
		"a gap, and a restart later":   {func(i int) bool { return i >= 1000 && i < 1250 }, 2000, nil},
		"every other answer":           {func(i int) bool { return i%2 == 0 }, 2000, nil},
		"never":                        {func(int) bool { return true }, 300, []string{uncheckedHash}},
		"once a day, between two gaps": {func(i int) bool { return i%288 > 0 }, 300, []string{uncheckedHash}},
		"too few to tell":              {func(int) bool { return true }, 299, nil},
	} {
		subjects := map[string]bool{}
		m := new(Memory)
		var rules []string
		for i := range c.answers {
			a := proven(5*i, "run", "boot", time.Hour+time.Duration(i)*5*time.Minute)
			a.Unchecked = c.unchecked(i)
			for _, f := range m.see(a) {
				if !subjects[f.Rule.ID+f.Subject] {
					subjects[f.Rule.ID+f.Subject], rules = true, append(rules, f.Rule.ID)
				}
			}
		}
		if !slices.Equal(rules, c.want) {
			t.Errorf("%s: %v, want %v", name, rules, c.want)
		}
	}
}
