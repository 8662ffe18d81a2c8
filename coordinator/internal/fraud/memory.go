package fraud

import (
	"math"
	"time"
)

// Memory is all that the rules keep of a node's answers, so that no history is
// read again.
type Memory struct {
	VerdictNo int64     `json:"verdict_no"` // the last one seen
	At        time.Time `json:"at"`
	Trace     Trace     `json:"trace"`
	Network   string    `json:"network,omitempty"` // of the last answer
	Alone     Pace      `json:"alone"`
	Cohort    Pace      `json:"cohort"`
	Speed     Speed     `json:"speed"`
	Checks    Checks    `json:"checks"`           // of its running hash
	Failed    bool      `json:"failed,omitempty"` // the last challenge was
}

// Checks is how often what a node says of its telemetry could not be checked,
// weighted towards the last answers.
type Checks struct {
	N         float64 `json:"n"`
	Unchecked float64 `json:"unchecked"`
}

// A gap that an outage tore makes the rest of a run unchecked, for hours or days;
// who makes them on purpose is never checked for long.
const (
	checksLeast   = 300.0 // answers, about a day
	uncheckedMost = 0.9   // of them
)

// see tells of a run that is not checked, once.
func (c *Checks) see(a Answer) []Found {
	if !a.inTime() || !a.Answered {
		return nil
	}
	keep := 1.0
	if c.N >= checksLeast {
		keep = (checksLeast - 1) / checksLeast
	}
	if c.N, c.Unchecked = c.N*keep+1, c.Unchecked*keep; a.Unchecked {
		c.Unchecked++
	}
	if !a.Unchecked || c.N < checksLeast || c.Unchecked < uncheckedMost*c.N {
		return nil
	}
	return []Found{found(uncheckedHash, a.NodeNo, a.Run, a.At, checksEvidence{int(math.Round(c.N)), int(math.Round(c.Unchecked)), a.ChallengeID})}
}

type checksEvidence struct {
	Answers     int    `json:"answers"` // the last ones, by weight
	Unchecked   int    `json:"unchecked"`
	ChallengeID string `json:"challenge_id"` // the last of them
}

// Pace is how a node answered, weighted towards the last few: how often it
// failed, and the mean and variance of ln(milliseconds a hash).
type Pace struct {
	Asked  float64 `json:"asked"`
	Missed float64 `json:"missed"`
	N      float64 `json:"n"`
	Mean   float64 `json:"mean"`
	Var    float64 `json:"var"`
}

// Memories of a Pace: a few days of challenges alone, and as long of cohorts.
const (
	aloneKept  = 500.0
	cohortKept = 60.0
)

// see applies every rule that looks at one node's answers. A verdict that was
// seen before changes nothing.
func (m *Memory) see(a Answer) []Found {
	if a.VerdictNo <= m.VerdictNo {
		return nil
	}
	m.VerdictNo, m.At = a.VerdictNo, a.At
	flags := m.Trace.identity(a)
	if a.Network != "" {
		m.Network = a.Network
	}
	flags = append(append(flags, m.Speed.see(a)...), m.Checks.see(a)...)
	m.pace(a)
	return flags
}

// pace counts an answer. After a failure nothing counts until the node answers
// in time again: whoever is cut off fails several times for one reason, and
// who failed in a cohort is asked in the next one again.
func (m *Memory) pace(a Answer) {
	if !a.failed() && !a.inTime() {
		return // a fault of ours, or an operator's decision
	}
	after := m.Failed
	m.Failed = a.failed()
	if after {
		return
	}
	p, kept := &m.Alone, aloneKept
	if a.Cohort {
		p, kept = &m.Cohort, cohortKept
	}
	p.ask(a.failed() || a.tooSlow(), kept)
	if a.inTime() && a.Answered && !a.tooSlow() && !a.Throttled && a.Hashes > 0 && a.Took > 0 {
		p.take(math.Log(float64(a.Took)/float64(time.Millisecond)/float64(a.Hashes)), kept)
	}
}

func (p *Pace) ask(failed bool, kept float64) {
	keep := min(1, (kept-1)/kept)
	if p.Asked < kept {
		keep = 1
	}
	p.Asked, p.Missed = p.Asked*keep+1, p.Missed*keep
	if failed {
		p.Missed++
	}
}

// take adds a measurement. One that lies far out is drawn near, so that a
// single bad moment says little.
func (p *Pace) take(x, kept float64) {
	p.N = min(p.N+1, kept)
	if p.N > 10 {
		far := max(3*math.Sqrt(p.Var), 0.3)
		x = min(max(x, p.Mean-far), p.Mean+far)
	}
	d := x - p.Mean
	p.Mean += d / p.N
	p.Var += (d*(x-p.Mean) - p.Var) / p.N
}
