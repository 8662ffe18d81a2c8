package fraud

import "time"

// Answer is one verdict as the rules see it. Without an answer of the node only
// its first part is set.
type Answer struct {
	VerdictNo   int64
	NodeNo      int32
	KeyEpoch    int32
	ChallengeID string
	At          time.Time
	Result      string
	Reason      string
	Cohort      bool // asked together with many others

	Answered  bool
	Took      time.Duration // from issue to receipt
	Hashes    uint64        // that a search from 0 needs for its solutions
	Rate      float64       // hashes a second that one core of its model makes at most; 0: unknown
	Limit     time.Duration // that its model has in a cohort; 0: unknown
	Throttled bool          // the firmware slowed the machine down
	Run, Boot string
	// Unchecked: what it says of the run's telemetry cannot be checked, since some
	// of that is missing, or it says nothing although the run sends for long.
	Unchecked bool
	BootTime  time.Duration
	Network   string // /24 or /64 that the answer came from; "" unknown
	// LaterRunSince is when a run that began after this answer's own stored its
	// first message; zero when there is none.
	LaterRunSince time.Time
}

// failed: not in time, whatever the excuse. Faults of ours say nothing.
func (a Answer) failed() bool {
	return a.Result == "late" || a.Result == "missed" || a.Result == "deferred"
}

// tooSlow: a cohort would not have waited for it. Alone a node has much longer,
// so only this makes the two comparable.
func (a Answer) tooSlow() bool { return a.Answered && a.Limit > 0 && a.Took > a.Limit }

func (a Answer) inTime() bool { return a.Result == "valid" || a.Result == "invalid" }

// Second is a second answer to a challenge, other than the one that was judged
// and under a good MAC from the session that was asked.
type Second struct {
	NodeNo      int32
	ChallengeID string
	At          time.Time
	SHA256      string // of its bytes
}
