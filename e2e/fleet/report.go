package fleet

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"lucid.internal/e2e/harness"
)

// Report is what a fleet did and what became of it.
type Report struct {
	Seed             uint64                  `json:"seed"`
	Enrolment        Enrolment               `json:"enrolment"`
	PeakConnections  int64                   `json:"peak_connections"` // at once
	PeakAway         int64                   `json:"peak_away"`        // at once, by cuts and restarts
	EndedEarly       bool                    `json:"ended_early"`      // before its time was over
	Delivered        uint64                  `json:"delivered"`        // samples acknowledged before the end was told
	Due              uint64                  `json:"due"`              // samples that had to be by then, but for what faults took or held up
	Seconds          float64                 `json:"seconds"`          // measured, after the last connection was begun
	SamplesPerSecond float64                 `json:"samples_per_second"`
	Connections      uint64                  `json:"connections"` // in all
	Failed           uint64                  `json:"failed"`      // connections that ended or were refused by the other side
	Cuts             uint64                  `json:"cuts"`
	Restarts         uint64                  `json:"restarts"`
	SentAgain        uint64                  `json:"sent_again"` // messages, as a fault
	Delayed          uint64                  `json:"delayed"`    // messages that were held back, as a fault, and acknowledged later
	GivenUp          uint64                  `json:"given_up"`   // samples that a restart lost before their acknowledgement
	Dropped          uint64                  `json:"dropped"`    // samples that a full queue lost
	Commands         uint64                  `json:"commands"`   // obeyed
	Challenges       uint64                  `json:"challenges"`
	Answers          uint64                  `json:"answers"`
	SolvingMs        float64                 `json:"solving_ms"` // mean, on this machine
	Use              map[string]harness.Used `json:"use"`
	Groups           []*Group                `json:"groups"`
}

// Group is the nodes of one kind.
type Group struct {
	Kind     Kind     `json:"kind"`
	Nodes    int      `json:"nodes"`
	Findings Findings `json:"findings"`
	Verdicts Verdicts `json:"verdicts"`
	Flags    Flags    `json:"flags"` // nodes that each rule about fraud flagged, as the API shows
	Held     int      `json:"held"`  // nodes whose money is held for it
}

func (f *Fleet) report() *Report {
	c := &f.counts
	r := &Report{
		Seed: f.config.Seed, Enrolment: f.enrolment, PeakConnections: c.connected.peak.Load(), PeakAway: c.away.peak.Load(), Seconds: f.seconds,
		EndedEarly: f.pace.early, Delivered: f.pace.acked, Due: f.config.due(f.pace),
		Connections: c.connections.Load(), Failed: c.failed.Load(), Cuts: c.cuts.Load(), Restarts: c.restarts.Load(),
		SentAgain: c.sentAgain.Load(), Delayed: c.delayed.Load(), GivenUp: c.givenUp.Load(), Dropped: c.dropped.Load(), Commands: c.commands.Load(),
		Challenges: c.challenges.Load(), Answers: c.answers.Load(), Use: f.watched,
	}
	if f.seconds > 0 {
		r.SamplesPerSecond = float64(f.acked) / f.seconds
	}
	if r.Answers > 0 {
		r.SolvingMs = float64(c.solvingNs.Load()) / 1e6 / float64(r.Answers)
	}
	for _, m := range f.machines {
		r.group(m.kind).Nodes++
	}
	return r
}

func (r *Report) group(k Kind) *Group {
	for _, g := range r.Groups {
		if g.Kind == k {
			return g
		}
	}
	g := &Group{Kind: k, Verdicts: Verdicts{}, Flags: Flags{}}
	r.Groups = append(r.Groups, g)
	slices.SortFunc(r.Groups, func(a, b *Group) int {
		return slices.Index(allKinds(), a.Kind) - slices.Index(allKinds(), b.Kind)
	})
	return g
}

// Total sums all groups.
func (r *Report) Total() (total Findings) {
	for _, g := range r.Groups {
		total.add(g.Findings)
	}
	return total
}

// Err says what is wrong: something acknowledged was lost, doubled, or nothing was
// acknowledged, or an honest node was judged a cheat, or held for one.
func (r *Report) Err() error {
	total := r.Total()
	if total.Acked+total.Letters+total.Unsure == 0 {
		return errors.New("no sample was acknowledged, so nothing is proven")
	}
	if total.Wrong() {
		return fmt.Errorf("of %d samples acknowledged %d are missing; %d are stored twice, %d were never sent, %d should have been refused",
			total.Acked, total.Missing, total.Twice, total.NeverSent, total.LettersTaken)
	}
	if n := r.group(Honest).Verdicts["invalid"]; n > 0 {
		return fmt.Errorf("%d proofs of honest nodes were judged invalid", n)
	}
	if g := r.group(Honest); g.Held > 0 {
		return fmt.Errorf("%d honest nodes are held for suspected fraud; honest nodes flagged, by rule: %s", g.Held, g.Flags)
	}
	return nil
}

// Write prints the report for people.
func (r *Report) Write(w io.Writer) error {
	e := r.Enrolment
	fmt.Fprintf(w, "seed             %d\n", r.Seed)
	fmt.Fprintf(w, "enrolment        %d nodes in %.1f s (%.0f/s); keys, X25519 and signatures on this side %.2f ms each\n",
		e.Nodes, e.Seconds, e.PerSecond, e.OwnMs)
	fmt.Fprintf(w, "connections      %d at once, %d away at once by faults; %d in all, %d ended by the other side\n", r.PeakConnections, r.PeakAway, r.Connections, r.Failed)
	fmt.Fprintf(w, "throughput       %.0f samples/s acknowledged over %.1f s; %d by its end, where %d were due\n",
		r.SamplesPerSecond, r.Seconds, r.Delivered, r.Due)
	fmt.Fprintf(w, "faults           %d cuts, %d restarts, %d messages sent twice, %d delayed; %d samples given up by restarts, %d by full queues\n",
		r.Cuts, r.Restarts, r.SentAgain, r.Delayed, r.GivenUp, r.Dropped)
	fmt.Fprintf(w, "proofs           %d challenges, %d answers, %.2f ms to solve each; %d commands obeyed\n",
		r.Challenges, r.Answers, r.SolvingMs, r.Commands)
	for _, name := range slices.Sorted(maps.Keys(r.Use)) {
		fmt.Fprintf(w, "%-16s %s\n", name, r.Use[name])
	}
	fmt.Fprintln(w)
	if err := r.table(w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return r.flagTable(w)
}

// flagTable is what the coordinator suspects of each kind.
func (r *Report) flagTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "kind\tnodes\theld\tflagged, by rule")
	for _, g := range r.Groups {
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\n", g.Kind, g.Nodes, g.Held, g.Flags)
	}
	return t.Flush()
}

func (r *Report) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "kind\tnodes\tacked\tmissing\ttwice\tnever sent\tstored, unacked\trefused\trefused, stored\tunsure\t  verdicts\t")
	row := func(name string, nodes int, f Findings, verdicts string) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t  %s\t\n", name, nodes,
			f.Acked, f.Missing, f.Twice, f.NeverSent, f.Unacked, f.Letters, f.LettersTaken, f.Unsure, verdicts)
	}
	nodes := 0
	for _, g := range r.Groups {
		nodes += g.Nodes
		row(string(g.Kind), g.Nodes, g.Findings, g.Verdicts.String())
	}
	row("all", nodes, r.Total(), "")
	return t.Flush()
}

// String lists the results by name.
func (v Verdicts) String() string {
	var parts []string
	for _, result := range slices.Sorted(maps.Keys(v)) {
		parts = append(parts, fmt.Sprintf("%d %s", v[result], result))
	}
	return strings.Join(parts, ", ")
}
