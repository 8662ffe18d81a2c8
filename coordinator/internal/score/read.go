package score

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/score/sqlgen"
)

// AsOf is a node's score at an instant. Factors is the stored document, nil
// when the node had no verdict by then.
type AsOf struct {
	ScoreNano int64
	Factors   json.RawMessage
	Vetted    bool
}

// Querier is a connection pool or a transaction.
type Querier = sqlgen.DBTX

// AsOf gives the score of each node at an instant, from the changes up to it
// alone: whoever asks later gets the same. A node without any has score 0.
func (s *Store) AsOf(ctx context.Context, q Querier, nodeNos []int32, at time.Time) (map[int32]AsOf, error) {
	rows, err := sqlgen.New(q).AsOf(ctx, sqlgen.AsOfParams{NodeNos: nodeNos, At: at})
	if err != nil {
		return nil, fmt.Errorf("scores of %d nodes as of %s: %w", len(nodeNos), at.Format(time.RFC3339), err)
	}
	scores := make(map[int32]AsOf, len(nodeNos))
	for _, no := range nodeNos {
		scores[no] = AsOf{}
	}
	for _, r := range rows {
		scores[r.NodeNo] = AsOf{ScoreNano: r.After, Factors: r.Factors, Vetted: vettedBy(r.VettedAt, at)}
	}
	return scores, nil
}

// Trails gives how the score of each node at an instant follows from an earlier
// one.
func Trails(ctx context.Context, q Querier, nodeNos []int32, since, at time.Time) (map[int32]Trail, error) {
	before, err := sqlgen.New(q).AsOf(ctx, sqlgen.AsOfParams{NodeNos: nodeNos, At: since})
	if err != nil {
		return nil, fmt.Errorf("scores as of %s: %w", since.Format(time.RFC3339), err)
	}
	trails := make(map[int32]Trail, len(nodeNos))
	for _, r := range before {
		trails[r.NodeNo] = Trail{Since: []Counted{}, Before: &Past{ScoreNano: r.After, Factors: r.Factors}}
	}
	rows, err := sqlgen.New(q).TrailsSince(ctx, sqlgen.TrailsSinceParams{NodeNos: nodeNos, At: at, Since: since})
	if err != nil {
		return nil, fmt.Errorf("verdicts until %s: %w", at.Format(time.RFC3339), err)
	}
	for _, r := range rows {
		factors, err := ParseFactors(r.Factors)
		if err != nil || factors == nil {
			return nil, fmt.Errorf("factors after verdict %d: %w", r.VerdictNo, err)
		}
		t := trails[r.NodeNo]
		t.Since = append(t.Since, Counted{No: r.VerdictNo, Availability: factors.Availability, Judged: Judged{
			Result: Result(r.Result), At: r.At.UTC(), Aside: !r.Counted, Prompt: r.Prompt, Telemetry: r.Telemetry,
		}})
		trails[r.NodeNo] = t
	}
	return trails, nil
}

// Current is a node's score now. LastResult and what follows it tell of the
// last verdict; without one LastResult is "" and everything else zero.
type Current struct {
	Record
	RuleVersion  int
	FailuresLeft int
	VettedAt     *time.Time
	CalculatedAt time.Time
	LastResult   Result
	LastReason   string
	LastAt       time.Time
	OutputHash   string // hex SHA-256 of the last answer's bytes; "" when there was none
}

// EarlyWarning reports whether the node should be warned: few failures separate
// it from a suspension that it is not under yet.
func (c Current) EarlyWarning() bool {
	return c.LastResult != "" && Warned(c.FailuresLeft, c.Counters.Standing)
}

// Get gives the current score of a node.
func (s *Store) Get(ctx context.Context, nodeNo int32) (Current, error) {
	row, err := sqlgen.New(s.pool).Get(ctx, nodeNo)
	if errors.Is(err, pgx.ErrNoRows) {
		return Current{}, nil
	}
	if err != nil {
		return Current{}, fmt.Errorf("score of node number %d: %w", nodeNo, err)
	}
	return current(row)
}

// Of gives the current score of the node with this id. It is not found when
// there is no such node, or no verdict of it yet.
func (s *Store) Of(ctx context.Context, nodeID string) (c Current, found bool, err error) {
	row, err := sqlgen.New(s.pool).OfNode(ctx, nodeID)
	if errors.Is(err, pgx.ErrNoRows) {
		return Current{}, false, nil
	}
	if err != nil {
		return Current{}, false, fmt.Errorf("score of node %s: %w", nodeID, err)
	}
	c, err = current(sqlgen.GetRow(row))
	return c, err == nil, err
}

func current(row sqlgen.GetRow) (Current, error) {
	record, err := decodeRecord(row.Score.Score, row.Score.Factors)
	if err != nil {
		return Current{}, fmt.Errorf("score of node number %d: %w", row.Score.NodeNo, err)
	}
	return Current{
		Record: record, RuleVersion: int(row.Score.RuleVersion), FailuresLeft: FailuresLeft(record.Counters),
		VettedAt: row.Score.VettedAt, CalculatedAt: row.Score.CalculatedAt,
		LastResult: Result(row.Result), LastReason: row.Reason, LastAt: row.At, OutputHash: row.OutputHash,
	}, nil
}

// Verdict is one row of a node's history.
type Verdict struct {
	No            int64
	ChallengeID   uuid.UUID
	Result        Result
	Reason        string
	At            time.Time
	AnsweredMs    *int32 // from issue to receipt; nil without an answer
	RuleVersion   int
	Before, After int64 // score
}

// History gives at most limit verdicts of a node, newest first. before is the
// number of the last verdict of the page before, 0 for the first page; next is that
// for the page that follows, 0 on the last one.
func (s *Store) History(ctx context.Context, nodeNo int32, limit int, before int64) (list []Verdict, next int64, err error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	rows, err := sqlgen.New(s.pool).History(ctx, sqlgen.HistoryParams{
		NodeNo: nodeNo, BeforeVerdict: before, Most: int32(limit + 1),
	})
	if err != nil {
		return nil, 0, fmt.Errorf("verdicts of node number %d: %w", nodeNo, err)
	}
	rows, more := db.Cut(rows, limit)
	if more {
		next = rows[limit-1].VerdictNo
	}
	list = make([]Verdict, len(rows))
	for i, r := range rows {
		list[i] = Verdict{
			No: r.VerdictNo, ChallengeID: r.ChallengeID, Result: Result(r.Result), Reason: r.Reason, At: r.At,
			AnsweredMs: r.AnsweredMs, RuleVersion: int(r.RuleVersion), Before: r.Before, After: r.After,
		}
	}
	return list, next, nil
}
