package score

import (
	"encoding/json"
	"fmt"
)

// Trail is how a node's score at an instant came about: what was known of it at
// an earlier one, and the verdicts that were counted since, in their order.
type Trail struct {
	Before *Past     `json:"before"` // null: nothing was known
	Since  []Counted `json:"since"`
}

// Past is a score and its stored document.
type Past struct {
	ScoreNano int64           `json:"score"`
	Factors   json.RawMessage `json:"factors"`
}

// Counted is a verdict, and the node's availability when it was counted.
type Counted struct {
	No           int64  `json:"verdict_no"`
	Judged       Judged `json:"judged"`
	Availability int64  `json:"availability"`
}

// Replay computes the record at the end of the trail; nil when nothing is known
// of the node by then.
func (t Trail) Replay() (*Record, error) {
	var last *Record
	if t.Before != nil {
		before, err := decodeRecord(t.Before.ScoreNano, t.Before.Factors)
		if err != nil {
			return nil, err
		}
		if before.Score != before.Factors.Score() {
			return nil, fmt.Errorf("the score %d before is not the product of its factors, %d", before.Score, before.Factors.Score())
		}
		last = &before
	}
	for _, c := range t.Since {
		counters := New()
		if last != nil {
			counters = last.Counters
		}
		counters, err := Apply(counters, c.Judged)
		if err != nil {
			return nil, fmt.Errorf("verdict %d: %w", c.No, err)
		}
		next := Evaluate(counters, c.Availability)
		last = &next
	}
	return last, nil
}

// Is reports whether a score and its stored document are the record.
func (r *Record) Is(scoreNano int64, factors json.RawMessage) bool {
	if r == nil {
		return scoreNano == 0 && string(factors) == "null"
	}
	stored, err := decodeRecord(scoreNano, factors)
	return err == nil && stored == *r
}

// IsPast reports whether what a trail begins with is the record.
func (r *Record) IsPast(p *Past) bool {
	if p == nil {
		return r == nil
	}
	return r != nil && r.Is(p.ScoreNano, p.Factors)
}
