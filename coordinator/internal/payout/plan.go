package payout

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout/sqlgen"
)

// Plan shows what a batch or a round would do now.
type Plan struct {
	At    time.Time
	Lines []Line

	// Sums of the lines that can be made.
	Payouts     int
	Amount      ledger.Amount
	Fees        ledger.Amount
	NetworkCost ledger.Amount
}

// MostInBatch is how many payouts one call may make.
const MostInBatch = 1000

// Plan shows what these requests would make, without making anything.
func (s *Store) Plan(ctx context.Context, requests []Request) (Plan, error) {
	at := s.cfg.Now()
	lines, err := s.readLines(ctx, requests, at)
	return planOf(lines, at), err
}

// PlanRound shows whom an automatic round would pay now: every node whose
// payable earnings have reached the threshold.
func (s *Store) PlanRound(ctx context.Context) (Plan, error) {
	owners, err := ledger.OwnersAbove(ctx, s.cfg.Pool, ledger.KindPayable, s.cfg.Threshold)
	if err != nil {
		return Plan{}, err
	}
	requests := make([]Request, len(owners))
	for i, owner := range owners {
		requests[i] = Request{NodeID: owner, all: true}
	}
	at := s.cfg.Now()
	var lines []Line
	for part := range slices.Chunk(requests, MostInBatch) {
		more, err := s.readLines(ctx, part, at)
		if err != nil {
			return Plan{}, err
		}
		lines = append(lines, more...)
	}
	return planOf(lines, at), nil
}

func planOf(lines []Line, at time.Time) Plan {
	p := Plan{At: at, Lines: lines}
	for _, l := range lines {
		if l.Refused == nil {
			p.Payouts++
			p.Amount += l.Amount
			p.Fees += l.Fee
			p.NetworkCost += l.NetworkCost
		}
	}
	return p
}

func (s *Store) readLines(ctx context.Context, requests []Request, at time.Time) (lines []Line, err error) {
	err = db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		lines, err = s.lines(ctx, tx, requests, at)
		return err
	})
	return lines, err
}

// lines prices requests against what their nodes are and have. Under the
// ledger's lock they stay true until the transaction ends.
func (s *Store) lines(ctx context.Context, tx db.Tx, requests []Request, at time.Time) ([]Line, error) {
	ids := make([]string, len(requests))
	for i, r := range requests {
		ids[i] = r.NodeID
	}
	standings, err := s.standings(ctx, tx, ids, at)
	if err != nil {
		return nil, err
	}
	lines, seen := make([]Line, len(requests)), make(map[string]bool, len(requests))
	for i, r := range requests {
		standing, known := standings[r.NodeID]
		lines[i] = s.cfg.line(r, standing, known, at)
		if seen[r.NodeID] && lines[i].Refused == nil {
			lines[i].Refused = fault.New(fault.Validation, "%s is named twice; a node has one live payout", r.NodeID).
				WithFields(fault.Field{Name: "node_id", Reason: "is named twice"})
		}
		seen[r.NodeID] = true
		s.expectCost(&lines[i])
	}
	return lines, nil
}

// expectCost lets the rail say what it would cost, and whether it rather waits.
func (s *Store) expectCost(l *Line) {
	if l.Refused != nil {
		return
	}
	cost, wait := s.cfg.Cost(l.NetAmount, l.Fee)
	l.NetworkCost = cost
	if wait != "" {
		l.Refused = fault.New(fault.BelowMinimum, "%s USDT for %s wait: %s", l.Amount, l.NodeID, wait)
	}
}

func (s *Store) standings(ctx context.Context, tx db.Tx, nodeIDs []string, at time.Time) (map[string]standing, error) {
	rows, err := sqlgen.New(tx).Standings(ctx, sqlgen.StandingsParams{NodeIds: nodeIDs, At: at})
	if err != nil {
		return nil, fmt.Errorf("read whom to pay: %w", err)
	}
	nodeNos := make([]int32, len(rows))
	for i, row := range rows {
		nodeNos[i] = row.NodeNo
	}
	held, err := s.cfg.Held(ctx, tx, nodeNos)
	if err != nil {
		return nil, fmt.Errorf("ask who is held: %w", err)
	}
	standings := make(map[string]standing, len(rows))
	for _, row := range rows {
		standings[row.NodeID] = standing{row.NodeNo, ledger.Amount(row.Payable), row.Address, row.Live, held[row.NodeNo]}
	}
	return standings, nil
}
