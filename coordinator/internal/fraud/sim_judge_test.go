package fraud

import (
	"fmt"
	"slices"
	"time"
)

// catch is when a rule first spoke: time and challenges from the beginning on.
type catch struct {
	at         time.Time
	challenges int
}

func (s *sim) sawBoot(n *simNode, a Answer) {
	if !a.Answered {
		return
	}
	k := [2]string{a.Boot, fmt.Sprint(n.NodeNo)}
	b, known := s.boots[k]
	if !known {
		b = Shared{a.Boot, n.NodeNo, a.At, a.At}
	}
	b.Last = a.At
	s.boots[k] = b
}

func (s *sim) members() []Member {
	all := make([]Member, len(s.nodes))
	for i, n := range s.nodes {
		all[i] = n.Member
		network := all[i].Network
		all[i].Memory = *n.memory
		all[i].Network = network
	}
	return all
}

// look is what the judge does every ten minutes.
func (s *sim) look() {
	if s.now.Sub(noon)%wideEvery != 0 {
		return
	}
	byNo := map[int32]*simNode{}
	for _, n := range s.nodes {
		byNo[n.NodeNo] = n
	}
	s.departures = slices.DeleteFunc(s.departures, func(d Departure) bool { return s.now.Sub(d.At) > stepLookBack })
	flags := append(among(s.members(), s.now), steps(s.departures, len(s.nodes), s.now)...)
	shared := make([]Shared, 0, len(s.boots))
	for k, b := range s.boots {
		if shared = append(shared, b); s.now.Sub(b.Last) > 24*time.Hour {
			delete(s.boots, k)
		}
	}
	flags = append(flags, sharedBoots(shared)...)
	if s.now.Sub(noon)%telemetryBack == 0 { // the judge looks at each span several times; once shows the same
		flags = append(flags, s.telemetry()...)
	}
	for _, f := range flags {
		s.flag(byNo[f.NodeNo], []Found{f})
	}
}

func (s *sim) telemetry() []Found {
	slices.SortStableFunc(s.figures, func(a, b Figures) int {
		if a.NodeNo != b.NodeNo {
			return int(a.NodeNo) - int(b.NodeNo)
		}
		return a.At.Compare(b.At)
	})
	flags := copies(s.figures)
	for from := 0; from < len(s.figures); {
		to := from
		for to < len(s.figures) && s.figures[to].NodeNo == s.figures[from].NodeNo {
			to++
		}
		flags = append(flags, plausible(s.figures[from:to])...)
		from = to
	}
	s.figures = s.figures[:0]
	return flags
}

func (s *sim) flag(n *simNode, flags []Found) {
	for _, f := range flags {
		if s.found[n.NodeNo] == nil {
			s.found[n.NodeNo] = map[string]catch{}
		}
		if _, known := s.found[n.NodeNo][f.Rule.ID]; !known {
			s.found[n.NodeNo][f.Rule.ID] = catch{s.now, n.challenges}
		}
		k := fmt.Sprint(f.Rule.ID, n.NodeNo, f.Subject)
		if s.stored[k] {
			continue
		}
		s.stored[k] = true
		if _, held := s.heldAt[n.NodeNo]; held || f.Rule.Severity == Notice {
			continue
		}
		if s.marks[n.NodeNo] = append(s.marks[n.NodeNo], mark{f.Rule.Layer, f.Rule.Severity, f.At}); holds(s.marks[n.NodeNo]) {
			s.heldAt[n.NodeNo] = catch{s.now, n.challenges}
		}
	}
}
