package fraud

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fraud/sqlgen"
)

// lookAgain is how often a replay lets the rules look that compare nodes.
const lookAgain = 24 * time.Hour

// Replayed is what a rule would have flagged.
type Replayed struct {
	NodeID   string    `json:"node_id"`
	Rule     string    `json:"rule"`
	Version  int       `json:"rule_version"`
	At       time.Time `json:"at"`
	Subject  string    `json:"subject"`
	Evidence any       `json:"evidence"`
	Stored   bool      `json:"stored"` // the same stands as a flag already
}

// Replay runs one rule over what is stored of a span, as the judge would have,
// beginning with no memory, and tells whom it flags. It stores nothing.
func (s *Store) Replay(ctx context.Context, ruleID string, since, until time.Time) ([]Replayed, error) {
	if _, known := RuleByID(ruleID); !known {
		return nil, fmt.Errorf("there is no rule %q; docs/fraud.md lists them", ruleID)
	}
	var out []Replayed
	err := db.AtOneMoment(ctx, s.cfg.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		flags, err := s.again(ctx, q, since, until)
		if err != nil {
			return err
		}
		out, err = replayed(ctx, q, flags, ruleID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", ruleID, err)
	}
	return out, nil
}

// again is all that the rules say of a span.
func (s *Store) again(ctx context.Context, q *sqlgen.Queries, since, until time.Time) ([]Found, error) {
	all, err := members(ctx, q)
	if err != nil {
		return nil, err
	}
	byNo := make(map[int32]*Member, len(all))
	for i := range all {
		all[i].Memory = Memory{}
		byNo[all[i].NodeNo] = &all[i]
	}
	boots := map[[2]string]Shared{}
	var flags []Found
	look := since.Add(lookAgain)
	for after := int64(0); ; {
		rows, err := q.Answers(ctx, sqlgen.AnswersParams{After: after, Since: since, Most: answersAtOnce})
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			after = r.VerdictNo
			a, err := s.answerOf(r)
			if err != nil {
				return nil, err
			}
			for ; a.At.After(look); look = look.Add(lookAgain) {
				flags = append(flags, among(all, look)...)
			}
			if m := byNo[a.NodeNo]; m != nil && !a.At.After(until) {
				flags = append(flags, m.Memory.see(a)...)
				sawBoot(boots, a)
			}
		}
		if len(rows) < answersAtOnce {
			break
		}
	}
	flags = append(append(flags, among(all, until)...), sharedBoots(valuesOf(boots))...)
	more, err := s.beside(ctx, q, len(all), since, until)
	return append(flags, more...), err
}

// beside are the rules that look at no verdicts.
func (s *Store) beside(ctx context.Context, q *sqlgen.Queries, fleet int, since, until time.Time) ([]Found, error) {
	var flags []Found
	for from := (place{at: since}); ; {
		some, last, err := seconds(ctx, q, from)
		if err != nil {
			return nil, err
		}
		if flags, from = append(flags, some...), last; len(some) < answersAtOnce {
			break
		}
	}
	for from := since; from.Before(until); from = from.Add(telemetryBack / 2) { // as the judge's looks overlap
		told, err := telemetry(ctx, q, from, from.Add(telemetryBack))
		if err != nil {
			return nil, err
		}
		flags = append(flags, told...)
	}
	for to := until; to.After(since); to = to.Add(-lookAgain) {
		gone, err := departures(ctx, q, to.Add(-stepLookBack), to)
		if err != nil {
			return nil, err
		}
		flags = append(flags, steps(gone, fleet, to)...)
	}
	earned, err := earnings(ctx, q, since)
	return append(flags, capped(earned)...), err
}

func sawBoot(boots map[[2]string]Shared, a Answer) {
	if !a.Answered {
		return
	}
	k := [2]string{a.Boot, fmt.Sprint(a.NodeNo)}
	b, known := boots[k]
	if !known {
		b = Shared{a.Boot, a.NodeNo, a.At, a.At}
	}
	b.Last = a.At
	boots[k] = b
}

func valuesOf(boots map[[2]string]Shared) []Shared {
	all := make([]Shared, 0, len(boots))
	for _, b := range boots {
		all = append(all, b)
	}
	return all
}

// replayed names the nodes of one rule's flags, each subject once.
func replayed(ctx context.Context, q *sqlgen.Queries, flags []Found, ruleID string) ([]Replayed, error) {
	type key struct {
		nodeNo  int32
		subject string
	}
	seen := map[key]bool{}
	var nodeNos []int32
	var own []Found
	for _, f := range sorted(flags) {
		if k := (key{f.NodeNo, f.Subject}); f.Rule.ID == ruleID && !seen[k] {
			seen[k], own, nodeNos = true, append(own, f), append(nodeNos, f.NodeNo)
		}
	}
	names, err := namesOf(ctx, q, nodeNos)
	if err != nil {
		return nil, err
	}
	stored, err := q.Subjects(ctx, ruleID)
	if err != nil {
		return nil, err
	}
	known := map[key]bool{}
	for _, r := range stored {
		known[key{r.NodeNo, r.Subject}] = true
	}
	out := make([]Replayed, len(own))
	for i, f := range own {
		out[i] = Replayed{names[f.NodeNo].nodeID, ruleID, f.Rule.Version, f.At, f.Subject, f.Evidence, known[key{f.NodeNo, f.Subject}]}
	}
	return out, nil
}
