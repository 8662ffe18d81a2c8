package epoch

import (
	"encoding/json"
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

// Statement computes the lines of a pool's epoch, in the order of its members,
// as of the time when it is closed. It is not decided while a node may still
// come back from one of windows, the faults of ours.
func Statement(epoch span.Interval, reward ledger.Amount, members []Member, windows []span.Interval, now time.Time) (lines []Line, decided bool, err error) {
	lines, weights := make([]Line, len(members)), make([]Weight, len(members))
	for i, m := range members {
		credit := CreditOf(epoch, m.Evidence, windows, now)
		if credit.Undecided {
			return nil, false, nil
		}
		lines[i] = lineOf(m, credit)
		weights[i] = Weight{m.NodeID, lines[i].ScoreNano, lines[i].CreditedMs}
	}
	shares, _, err := Shares(reward, weights)
	if err != nil {
		return nil, false, err
	}
	for i, share := range shares {
		lines[i].Share = share
	}
	capped(lines, members)
	return lines, true, nil
}

// Accrual is the entry that pays the shares of a pool's epoch.
func Accrual(poolID string, startsAt, at time.Time, reward ledger.Amount, lines []Line) ledger.Entry {
	shares, unallocated := make([]ledger.Share, len(lines)), reward
	for i, l := range lines {
		shares[i] = ledger.Share{NodeID: l.NodeID, Amount: l.Share, Held: l.Destination == DestinationHeld}
		unallocated -= l.Share
	}
	return ledger.Accrue(poolID+"/"+startsAt.UTC().Format(time.RFC3339Nano), at, poolID, shares, unallocated)
}

func lineOf(m Member, credit Credit) Line {
	score := m.Score
	l := Line{
		NodeNo: m.NodeNo, NodeID: m.NodeID,
		MemberMs: credit.MemberMs, CreditedMs: credit.CreditedMs,
		ScoreNano: score.ScoreNano, Factors: score.Factors, Weight: score.ScoreNano * credit.CreditedMs,
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
