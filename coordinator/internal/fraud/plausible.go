package fraud

import (
	"math"
	"time"
)

// Speed is what a node's answers cost it: the sums of a regression of the time
// that each took on the hashes that it needed. The slope is the time of one
// hash, whatever the way of the answer adds, and whatever is waited out on top.
type Speed struct {
	N     float64   `json:"n"`
	H     float64   `json:"h"` // thousands of hashes
	T     float64   `json:"t"` // milliseconds
	HH    float64   `json:"hh"`
	TT    float64   `json:"tt"`
	HT    float64   `json:"ht"`
	Since time.Time `json:"since"`
}

// A node answers too fast when a hash costs it less than one core of its model
// can make it. The agent solves on one core.
const (
	speedLeast = 30.0  // answers
	speedMost  = 600.0 // then it begins anew
	speedSure  = 6.0   // standard errors of the slope
)

func (s *Speed) see(a Answer) []Found {
	if !a.inTime() || !a.Answered || a.Rate <= 0 || a.Hashes == 0 {
		return nil
	}
	if s.N >= speedMost {
		*s = Speed{}
	}
	if s.N == 0 {
		s.Since = a.At
	}
	h, t := float64(a.Hashes)/1000, float64(a.Took)/float64(time.Millisecond)
	s.N, s.H, s.T, s.HH, s.TT, s.HT = s.N+1, s.H+h, s.T+t, s.HH+h*h, s.TT+t*t, s.HT+h*t
	slope, sure, known := s.slope()
	needs := 1e6 / a.Rate // milliseconds a thousand hashes
	if !known || slope+speedSure*sure >= needs {
		return nil
	}
	judged := *s
	*s = Speed{}
	return []Found{found(fastAnswers, a.NodeNo, day(a.At), a.At, speedEvidence{int(judged.N), judged.Since, slope, sure, needs, a.ChallengeID})}
}

// slope is what a thousand hashes cost, in milliseconds, with its standard error.
func (s *Speed) slope() (slope, standardError float64, known bool) {
	hh, tt, ht := s.HH-s.H*s.H/s.N, s.TT-s.T*s.T/s.N, s.HT-s.H*s.T/s.N
	if s.N < speedLeast || hh <= 1e-9*s.HH {
		return 0, 0, false
	}
	slope = ht / hh
	rest := max(tt-slope*ht, 0) / (s.N - 2)
	return slope, math.Sqrt(rest / hh), true
}

type speedEvidence struct {
	Answers     int       `json:"answers"`
	Since       time.Time `json:"since"`
	Costs       float64   `json:"ms_a_thousand_hashes"`
	Error       float64   `json:"standard_error"`
	Needs       float64   `json:"model_needs_ms"` // at least, on one core
	ChallengeID string    `json:"challenge_id"`   // the last of them
}

// day makes a rule speak once a day of what lasts.
func day(at time.Time) string { return at.UTC().Format(time.DateOnly) }

// Figures are a node's telemetry in five minutes.
type Figures struct {
	NodeNo       int32
	At           time.Time
	RunNo, Seq   int64  // of the newest sample; 0: nobody asked
	In, Out      *int64 // network counters of the newest sample
	MemoryUsed   *int64 // mean
	CPU          *float32
	MemoryNewest *int64
}

const (
	figuresEvery = 5 * time.Minute
	// linkBytes is what no board carries in a second in one direction: twice a
	// gigabit port, with the radio beside it.
	linkBytes = 312_500_000
	// frozenFor is how many figures in a row must be the same.
	frozenFor = 12
	// fallsLeast is how often a counter must fall: an interface that came anew
	// begins at 0, once.
	fallsLeast = 3
)

// plausible judges one node's figures, oldest first.
func plausible(figures []Figures) (flags []Found) {
	still, falls := 1, 0
	for i := 1; i < len(figures); i++ {
		was, is := figures[i-1], figures[i]
		// A clock that was set puts samples in another order than they were taken.
		if was.RunNo != 0 && was.RunNo == is.RunNo && was.Seq < is.Seq {
			flags = append(flags, counters(was, is, &falls)...)
		}
		if still++; !frozen(was, is) {
			still = 1
		}
		if still == frozenFor {
			flags = append(flags, found(frozenMetrics, is.NodeNo, day(is.At), is.At, frozenEvidence{
				figures[i-frozenFor+1].At, is.At, *is.Out, *is.MemoryUsed,
			}))
		}
	}
	return flags
}

// counters looks at two figures of one run, so of one boot.
func counters(was, is Figures, falls *int) (flags []Found) {
	for _, c := range []struct {
		name    string
		was, is *int64
	}{{"bytes_in", was.In, is.In}, {"bytes_out", was.Out, is.Out}} {
		if c.was == nil || c.is == nil {
			continue
		}
		e := counterEvidence{c.name, was.At, *c.was, is.At, *c.is, is.RunNo}
		if *c.is < *c.was {
			if *falls++; *falls >= fallsLeast {
				flags = append(flags, found(fallingCounter, is.NodeNo, day(is.At), is.At, e))
			}
			break
		}
		// A clock that was set may make a span look shorter than it was.
		if span := max(is.At.Sub(was.At), figuresEvery); float64(*c.is-*c.was) > linkBytes*span.Seconds() {
			flags = append(flags, found(impossibleTraffic, is.NodeNo, day(is.At), is.At, e))
			break
		}
	}
	return flags
}

// frozen: a machine that sends has other counters afterwards, and its memory
// and load are never the same to the byte.
func frozen(was, is Figures) bool {
	return same(was.Out, is.Out) && same(was.In, is.In) && same(was.MemoryUsed, is.MemoryUsed) && same(was.CPU, is.CPU) &&
		is.At.Sub(was.At) <= 2*figuresEvery
}

func same[T comparable](a, b *T) bool { return a != nil && b != nil && *a == *b }

type counterEvidence struct {
	Counter string    `json:"counter"`
	FromAt  time.Time `json:"from_at"`
	From    int64     `json:"from"`
	ToAt    time.Time `json:"to_at"`
	To      int64     `json:"to"`
	RunNo   int64     `json:"run_no"`
}

type frozenEvidence struct {
	FromAt time.Time `json:"from_at"`
	ToAt   time.Time `json:"to_at"`
	Out    int64     `json:"network_bytes_out"`
	Memory int64     `json:"memory_used_bytes"`
}

// Copies of counters: so many equal ones, of so many bytes, are no chance.
const (
	copiesEnough = 3
	copiedBytes  = 1 << 20
)

// copies finds nodes that show the counters of a node which is older here.
func copies(all []Figures) (flags []Found) {
	type print struct{ in, out, memory int64 }
	type pair struct{ of, by int32 }
	first, times, last := map[print]Figures{}, map[pair]int{}, map[pair]Figures{}
	for _, f := range all {
		if f.In == nil || f.Out == nil || f.MemoryNewest == nil || *f.In < copiedBytes {
			continue
		}
		p := print{*f.In, *f.Out, *f.MemoryNewest}
		o, known := first[p]
		if !known || o.NodeNo == f.NodeNo {
			first[p] = f
			continue
		}
		if f.NodeNo < o.NodeNo { // the older node is the original
			first[p], o, f = f, f, o
		}
		k := pair{o.NodeNo, f.NodeNo}
		times[k], last[k] = times[k]+1, f
	}
	for k, n := range times {
		if n >= copiesEnough {
			f := last[k]
			flags = append(flags, found(copiedMetrics, k.by, day(f.At), f.At, copyEvidence{k.of, n, f.At, *f.In, *f.Out}))
		}
	}
	return sorted(flags)
}

type copyEvidence struct {
	OfNodeNo int32     `json:"of_node_no"`
	Times    int       `json:"times"`
	LastAt   time.Time `json:"last_at"`
	In       int64     `json:"network_bytes_in"`
	Out      int64     `json:"network_bytes_out"`
}
