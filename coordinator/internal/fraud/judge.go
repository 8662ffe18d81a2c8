package fraud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fraud/sqlgen"
)

const (
	// answersAtOnce bounds a transaction, roundTime a run.
	answersAtOnce = 2000
	roundTime     = 20 * time.Second
	// settled is how old a verdict is when no earlier one can become visible any
	// more. Younger ones are read again, and known by the node's memory.
	settled = time.Minute
	// wideEvery is how often the rules look that compare nodes.
	wideEvery = 10 * time.Minute
	// telemetryBack is how far they look back on telemetry: what is sent later is
	// not looked at.
	telemetryBack = 2 * time.Hour
	bootsKept     = 30 * 24 * time.Hour
)

// Judge runs the rules over what is new. It is for one goroutine of the leader.
// What it remembers saves work only: a new one goes on from the tables.
type Judge struct {
	store *Store
	wide  time.Time // last look at all nodes
}

// NewJudge makes a Judge over the store's tables.
func NewJudge(s *Store) *Judge { return &Judge{store: s} }

// RunOnce flags what new verdicts show, every few minutes what only shows among
// all nodes, and holds whom the open flags ask for.
func (j *Judge) RunOnce(ctx context.Context) error {
	s, now := j.store, j.store.cfg.Now()
	failed := errors.Join(s.seeAnswers(ctx, now), s.seeSeconds(ctx, now))
	if now.Sub(j.wide) >= wideEvery {
		if err := s.lookWide(ctx, now); err != nil {
			failed = errors.Join(failed, err)
		} else {
			j.wide = now
		}
	}
	return errors.Join(failed, s.holdAll(ctx))
}

// seeAnswers reads verdicts until none is new.
func (s *Store) seeAnswers(ctx context.Context, now time.Time) error {
	after := int64(-1) // from the cursor
	for {
		var last int64
		var n int
		err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) (err error) {
			last, n, err = s.seeSome(ctx, tx, after, now)
			return err
		})
		if err != nil {
			return fmt.Errorf("look at verdicts: %w", err)
		}
		if n < answersAtOnce || s.cfg.Now().Sub(now) > roundTime {
			return nil
		}
		after = last
	}
}

// seeSome applies the rules to the verdicts after one, and gives the last of
// them and their number.
func (s *Store) seeSome(ctx context.Context, tx db.Tx, after int64, now time.Time) (last int64, n int, err error) {
	q := sqlgen.New(tx)
	cursor, err := q.LockCursor(ctx)
	if err != nil {
		return 0, 0, err
	}
	rows, err := q.Answers(ctx, sqlgen.AnswersParams{After: max(cursor.VerdictNo, after), Since: time.Time{}, Most: answersAtOnce})
	if err != nil {
		return 0, 0, err
	}
	answers := make([]Answer, len(rows))
	for i, r := range rows {
		if answers[i], err = s.answerOf(r); err != nil {
			return 0, 0, err
		}
		if last = r.VerdictNo; r.At.Before(now.Add(-settled)) {
			cursor.VerdictNo = max(cursor.VerdictNo, last)
		}
	}
	flags, err := s.remember(ctx, q, answers)
	if err != nil {
		return 0, 0, err
	}
	if _, err := s.keep(ctx, tx, flags); err != nil {
		return 0, 0, err
	}
	return last, len(rows), q.MoveCursor(ctx, cursor.VerdictNo)
}

// remember applies the rules of one node and those of one boot to answers.
func (s *Store) remember(ctx context.Context, q *sqlgen.Queries, answers []Answer) ([]Found, error) {
	if len(answers) == 0 {
		return nil, nil
	}
	memories, err := memoriesOf(ctx, q, answers)
	if err != nil {
		return nil, err
	}
	var flags []Found
	boots := sqlgen.KeepBootsParams{}
	at := map[[2]string]int{}
	for _, a := range answers {
		m := memories[a.NodeNo]
		if a.VerdictNo <= m.VerdictNo {
			continue // seen before
		}
		flags = append(flags, m.see(a)...)
		if !a.Answered {
			continue
		}
		k := [2]string{a.Boot, fmt.Sprint(a.NodeNo)}
		if i, known := at[k]; known {
			boots.Lasts[i] = a.At
			continue
		}
		at[k] = len(boots.Boots)
		boots.Boots, boots.NodeNos = append(boots.Boots, a.Boot), append(boots.NodeNos, a.NodeNo)
		boots.Firsts, boots.Lasts = append(boots.Firsts, a.At), append(boots.Lasts, a.At)
	}
	rows, err := q.KeepBoots(ctx, boots)
	if err != nil {
		return nil, err
	}
	shared := make([]Shared, len(rows))
	for i, r := range rows {
		shared[i] = Shared{r.BootID, r.NodeNo, r.FirstAt, r.LastAt}
	}
	flags = append(flags, sharedBoots(shared)...)
	return flags, keepMemories(ctx, q, memories)
}

func memoriesOf(ctx context.Context, q *sqlgen.Queries, answers []Answer) (map[int32]*Memory, error) {
	memories := map[int32]*Memory{}
	var nodeNos []int32
	for _, a := range answers {
		if memories[a.NodeNo] == nil {
			memories[a.NodeNo] = &Memory{}
			nodeNos = append(nodeNos, a.NodeNo)
		}
	}
	rows, err := q.Memories(ctx, nodeNos)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if err := json.Unmarshal(r.Body, memories[r.NodeNo]); err != nil {
			return nil, fmt.Errorf("memory of node %d: %w", r.NodeNo, err)
		}
	}
	return memories, nil
}

func keepMemories(ctx context.Context, q *sqlgen.Queries, memories map[int32]*Memory) error {
	p := sqlgen.KeepMemoriesParams{}
	for no, m := range memories {
		body, err := json.Marshal(m)
		if err != nil {
			return err
		}
		p.NodeNos, p.Bodies = append(p.NodeNos, no), append(p.Bodies, string(body))
	}
	return q.KeepMemories(ctx, p)
}

// lookWide applies the rules that need all nodes, or what they told.
func (s *Store) lookWide(ctx context.Context, now time.Time) error {
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		all, err := members(ctx, q)
		if err != nil {
			return err
		}
		if err := s.suspect(ctx, q, all, now); err != nil {
			return err
		}
		flags := among(all, now)
		gone, err := departures(ctx, q, now.Add(-stepLookBack), now)
		if err != nil {
			return err
		}
		told, err := telemetry(ctx, q, now.Add(-telemetryBack), now)
		if err != nil {
			return err
		}
		earned, err := earnings(ctx, q, now.Add(-2*wideEvery))
		if err != nil {
			return err
		}
		if err := q.ForgetBoots(ctx, now.Add(-bootsKept)); err != nil {
			return err
		}
		flags = append(append(append(flags, steps(gone, len(all), now)...), told...), capped(earned)...)
		_, err = s.keep(ctx, tx, flags)
		return err
	})
	if err != nil {
		return fmt.Errorf("look at all nodes: %w", err)
	}
	return nil
}

// among are the rules that compare nodes by what is remembered of them.
func among(all []Member, now time.Time) []Found {
	flags := append(cohorts(all, now), relations(all, now)...)
	return append(append(flags, outliers(all, now)...), newAddresses(all, now)...)
}

// telemetry are the rules over what nodes told between two times.
func telemetry(ctx context.Context, q *sqlgen.Queries, since, until time.Time) ([]Found, error) {
	all, byNode, err := figures(ctx, q, since, until)
	if err != nil {
		return nil, err
	}
	flags := copies(all)
	for _, one := range byNode {
		flags = append(flags, plausible(one)...)
	}
	return flags, nil
}
