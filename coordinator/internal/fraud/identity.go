package fraud

import (
	"slices"
	"time"
)

// Trace is what is remembered of the machines that spoke with a key, oldest
// first.
type Trace struct {
	KeyEpoch int32  `json:"key_epoch"`
	Boots    []Boot `json:"boots,omitempty"`
	Runs     []Run  `json:"runs,omitempty"`
}

// Boot is one start of a machine, as its answers name it.
type Boot struct {
	ID   string        `json:"id"`
	At   time.Time     `json:"at"`   // of the last answer
	Time time.Duration `json:"time"` // since boot, then
}

// Run is one start of an agent.
type Run struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
}

// remembered is how many boots and runs of a key are kept.
const remembered = 16

// runOverlap is how long a later run must have been sending before an earlier
// one's answer speaks of two: what was on its way when it began is not counted.
const runOverlap = time.Minute

// identity applies L0 and L1 to an answer, and remembers it. A new run or boot
// is nothing by itself, nor is connecting anew: what comes back is.
func (t *Trace) identity(a Answer) (flags []Found) {
	if a.KeyEpoch != t.KeyEpoch {
		*t = Trace{KeyEpoch: a.KeyEpoch} // another key may be another machine's
	}
	flag := func(rule, subject string, evidence any) {
		flags = append(flags, found(rule, a.NodeNo, subject, a.At, evidence))
	}
	if a.Reason == "hash_mismatch" {
		flag(alteredHash, a.ChallengeID, hashEvidence{a.ChallengeID, a.Run})
	}
	if !a.Answered {
		return flags
	}
	if since := a.LaterRunSince; !since.IsZero() && a.At.Sub(since) > runOverlap {
		flag(twoLiveRuns, a.Run, overlapEvidence{a.ChallengeID, a.Run, since})
	}
	if before, again := t.seeRun(a); again {
		flag(supersededRun, a.Run, againEvidence{a.ChallengeID, a.Run, before.ID, before.At})
	}
	before, last, again := t.seeBoot(a)
	if again {
		flag(alternatingBoot, a.Boot, againEvidence{a.ChallengeID, a.Boot, last.ID, last.At})
	}
	if before.ID != "" && a.BootTime < before.Time {
		flag(bootTimeBack, a.Boot, backEvidence{a.ChallengeID, a.Boot, before.Time.Milliseconds(), before.At, a.BootTime.Milliseconds()})
	}
	return flags
}

// second speaks of what no agent does by mistake: an answer is made once.
func second(s Second) Found {
	return found(secondAnswer, s.NodeNo, s.ChallengeID, s.At, secondEvidence{s.ChallengeID, s.SHA256})
}

// seeRun makes the answer's run the newest. again: it was one before, and last
// took its place since.
func (t *Trace) seeRun(a Answer) (last Run, again bool) {
	i := slices.IndexFunc(t.Runs, func(r Run) bool { return r.ID == a.Run })
	if again = i >= 0 && i < len(t.Runs)-1; again {
		last = t.Runs[len(t.Runs)-1]
	}
	if i >= 0 {
		t.Runs = slices.Delete(t.Runs, i, i+1)
	}
	t.Runs = newest(append(t.Runs, Run{a.Run, a.At}))
	return last, again
}

// seeBoot is seeRun for boots; before is what was known of the answer's own.
func (t *Trace) seeBoot(a Answer) (before, last Boot, again bool) {
	i := slices.IndexFunc(t.Boots, func(b Boot) bool { return b.ID == a.Boot })
	if again = i >= 0 && i < len(t.Boots)-1; again {
		last = t.Boots[len(t.Boots)-1]
	}
	if i >= 0 {
		before = t.Boots[i]
		t.Boots = slices.Delete(t.Boots, i, i+1)
	}
	t.Boots = newest(append(t.Boots, Boot{a.Boot, a.At, a.BootTime}))
	return before, last, again
}

func newest[T any](all []T) []T { return all[max(0, len(all)-remembered):] }

// Evidence of L0 and L1.
type (
	secondEvidence struct {
		ChallengeID  string `json:"challenge_id"`
		SecondSHA256 string `json:"second_answer_sha256"` // its bytes stand in challenge_second_answer
	}
	hashEvidence struct {
		ChallengeID string `json:"challenge_id"`
		Run         string `json:"run"`
	}
	overlapEvidence struct {
		ChallengeID string    `json:"challenge_id"`
		Run         string    `json:"run"`
		LaterSince  time.Time `json:"later_run_since"`
	}
	againEvidence struct {
		ChallengeID string    `json:"challenge_id"`
		ID          string    `json:"id"`      // of the run or boot that came back
		Between     string    `json:"between"` // the one that had taken its place
		BetweenAt   time.Time `json:"between_at"`
	}
	backEvidence struct {
		ChallengeID string    `json:"challenge_id"`
		Boot        string    `json:"boot"`
		BeforeMs    int64     `json:"before_ms"`
		BeforeAt    time.Time `json:"before_at"`
		NowMs       int64     `json:"now_ms"`
	}
)
