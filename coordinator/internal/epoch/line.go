package epoch

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/span"
)

// Line is one node's part of one epoch: what it earned and why.
type Line struct {
	EpochNo     int64
	PoolID      string
	StartsAt    time.Time
	EndsAt      time.Time
	Reward      ledger.Amount // of the whole pool
	NodeNo      int32
	NodeID      string
	MemberMs    int64           // time in the pool
	CreditedMs  int64           // of it: active and connected
	ScoreNano   int64           // as of the epoch's end, 1e9 = 100 points
	Factors     json.RawMessage // what the score was made of; null without a verdict by then
	Weight      int64           // ScoreNano * CreditedMs
	Share       ledger.Amount
	Destination string // DestinationPayable or DestinationHeld
	Reasons     []string
}

// Where a share goes.
const (
	DestinationPayable = "payable"
	DestinationHeld    = "held"
)

// Reasons of a Line beyond those of its Credit.
const (
	ReasonNew     = "new"  // vetting has not ended: the share is held
	ReasonHeld    = "held" // under suspicion: the share is held
	ReasonNoScore = "no_score"
)

// scores reads what all members' scores were at the epoch's end.
func (c *closing) scores(ctx context.Context, members map[int32][]member) (map[int32]ScoreAt, error) {
	var nodeNos []int32
	for _, pool := range members {
		for _, m := range pool {
			nodeNos = append(nodeNos, m.nodeNo)
		}
	}
	if len(nodeNos) == 0 {
		return nil, nil
	}
	slices.Sort(nodeNos)
	scores, err := c.cfg.ScoreAsOf(ctx, c.tx, slices.Compact(nodeNos), c.epoch.To)
	if err != nil {
		return nil, fmt.Errorf("read scores as of %s: %w", c.epoch.To.Format(time.RFC3339), err)
	}
	return scores, nil
}

// lines computes a pool's statement. It is not decided while a node may still
// come back from a fault of ours.
func (c *closing) lines(t turn, members []member, windows []span.Interval, scores map[int32]ScoreAt) (lines []Line, decided bool, err error) {
	lines, weights := make([]Line, len(members)), make([]Weight, len(members))
	for i, m := range members {
		credit := CreditOf(c.epoch, m.evidence, windows, c.now)
		if credit.Undecided {
			return nil, false, nil
		}
		lines[i] = lineOf(m, credit, scores[m.nodeNo])
		weights[i] = Weight{m.nodeID, lines[i].ScoreNano, lines[i].CreditedMs}
	}
	shares, _, err := Shares(t.reward, weights)
	if err != nil {
		return nil, false, err
	}
	for i, share := range shares {
		lines[i].Share = share
	}
	return lines, true, nil
}

func lineOf(m member, credit Credit, score ScoreAt) Line {
	l := Line{
		NodeNo: m.nodeNo, NodeID: m.nodeID,
		MemberMs: credit.MemberMs, CreditedMs: credit.CreditedMs,
		ScoreNano: score.ScoreNano, Factors: score.Factors,
		Destination: DestinationPayable, Reasons: credit.Reasons,
	}
	if len(l.Factors) == 0 {
		l.Factors = json.RawMessage("null")
	}
	if score.ScoreNano == 0 {
		l.Reasons = append(l.Reasons, ReasonNoScore)
	}
	if !score.Vetted {
		l.Destination, l.Reasons = DestinationHeld, append(l.Reasons, ReasonNew)
	}
	if score.Held {
		l.Destination, l.Reasons = DestinationHeld, append(l.Reasons, ReasonHeld)
	}
	return l
}
