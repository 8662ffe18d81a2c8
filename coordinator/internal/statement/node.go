package statement

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/epoch"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/span"
)

// OfNode is what a node earned, line by line, as of one moment.
type OfNode struct {
	NodeID string        `json:"node_id"`
	Head   ledger.Head   `json:"ledger_head"` // when the statement was made: a chain that is written anew has another
	Lines  []AccountLine `json:"lines"`
	Next   int64         `json:"-"` // after which the next page begins; 0: nothing follows
}

// AccountLine is a line with what the whole pool had, so that its share can be
// computed: share = pool_reward * weight / pool_weight, rounded down, or one
// micro-USDT more where the remainder is among the largest.
type AccountLine struct {
	Line
	PoolReward ledger.Amount `json:"pool_reward"`
	PoolWeight string        `json:"pool_weight"` // the sum of all weights, which may be beyond 64 bits
	Faults     []Interval    `json:"fault_windows"`
	EntryID    *uuid.UUID    `json:"entry_id"` // in the ledger; null: a reward of 0 needs none
}

// Check refuses a span of time that holds nothing. The fields are named as
// those of the API.
func Check(overlap span.Interval) error {
	if overlap.From.Before(overlap.To) {
		return nil
	}
	return fault.New(fault.Validation, "the span of time holds nothing; see details").
		WithFields(fault.Field{Name: "end_time", Reason: "must be after start_time"})
}

// OfNode reads a page of a node's lines that overlap a span of time, the oldest
// first, from after a former page on.
func (a *Archive) OfNode(ctx context.Context, nodeNo int32, nodeID string, overlap span.Interval, after int64, most int) (OfNode, error) {
	s := OfNode{NodeID: nodeID, Lines: []AccountLine{}}
	err := db.AtOneMoment(ctx, a.Pool, func(tx db.Tx) (err error) {
		if s.Head, err = ledger.ReadHead(ctx, tx); err != nil {
			return err
		}
		return a.Epochs.Of(ctx, tx, nodeNo, overlap, after, most+1, func(sheet epoch.Sheet) error {
			if len(s.Lines) == most {
				s.Next = after
				return nil
			}
			after = sheet.EpochNo
			lines, err := linesOf(ctx, tx, sheet)
			if err != nil {
				return err
			}
			weight, err := epoch.PoolWeight(ctx, tx, sheet.EpochNo)
			for _, l := range lines {
				s.Lines = append(s.Lines, AccountLine{Line: l, PoolReward: sheet.Reward, PoolWeight: weight, Faults: intervalsOf(sheet.Windows), EntryID: sheet.EntryID})
			}
			return err
		})
	})
	if err != nil {
		return OfNode{}, fmt.Errorf("read the statement of %s: %w", nodeID, err)
	}
	return s, nil
}

// csvHead names the columns. Times are RFC 3339 in UTC; evidence is JSON.
var csvHead = []string{
	"node_id", "pool_id", "starts_at", "ends_at", "pool_reward", "pool_weight", "member_ms", "credited_ms", "score", "weight", "share",
	"destination", "reasons", "entry_id", "factors", "fault_windows", "evidence",
}

// WriteCSV writes the lines as CSV with a head.
func (s OfNode) WriteCSV(out io.Writer) error {
	w := csv.NewWriter(out)
	if err := w.Write(csvHead); err != nil {
		return err
	}
	for _, l := range s.Lines {
		row, err := l.row()
		if err != nil {
			return err
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

func (l AccountLine) row() ([]string, error) {
	faults, err := json.Marshal(l.Faults)
	if err != nil {
		return nil, err
	}
	evidence, err := json.Marshal(l.Evidence)
	if err != nil {
		return nil, err
	}
	entry := ""
	if l.EntryID != nil {
		entry = l.EntryID.String()
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []string{
		l.NodeID, l.PoolID, instant(l.StartsAt), instant(l.EndsAt), l.PoolReward.String(), l.PoolWeight, number(l.MemberMs), number(l.CreditedMs),
		number(l.ScoreNano), number(l.Weight), l.Share.String(), l.Destination, strings.Join(l.Reasons, " "), entry,
		string(l.Factors), string(faults), string(evidence),
	}, nil
}
