package epoch

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/epoch/sqlgen"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
)

// Store reads what nodes earned.
type Store struct{ pool *db.Pool }

// NewStore makes a Store.
func NewStore(pool *db.Pool) *Store { return &Store{pool} }

// Earnings is what a node has, where, and how it came by it.
type Earnings struct {
	Payable  ledger.Amount
	Held     ledger.Amount // until vetting ends or a suspicion is decided
	InFlight ledger.Amount // net amount of its live payout
	Paid     ledger.Amount // net amount of completed payouts
	Fees     ledger.Amount // of the payouts in InFlight and Paid
	Epochs   []Line        // newest first
}

// Earnings reads them at one moment, with at most limit epochs (0 means 20,
// never more than 1000).
func (s *Store) Earnings(ctx context.Context, nodeNo int32, limit int) (Earnings, error) {
	var e Earnings
	err := db.AtOneMoment(ctx, s.pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		nodeID, err := q.NodeID(ctx, nodeNo)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.New(fault.NodeNotFound, "no such node")
		} else if err != nil {
			return err
		}
		balances, err := ledger.Balances(ctx, tx, nodeID)
		if err != nil {
			return err
		}
		e.Payable, e.Held = balances[ledger.KindPayable], balances[ledger.KindHeld]
		e.InFlight, e.Paid = balances[ledger.KindInFlight], balances[ledger.KindPaidOut]
		fees, err := q.Fees(ctx, nodeNo)
		if err != nil {
			return err
		}
		e.Fees = ledger.Amount(fees)
		rows, err := q.Lines(ctx, sqlgen.LinesParams{NodeNo: nodeNo, Most: int32(min(cmp.Or(limit, 20), 1000))})
		e.Epochs = make([]Line, len(rows))
		for i, r := range rows {
			e.Epochs[i] = Line{
				EpochNo: r.EpochNo, PoolID: r.PoolID, StartsAt: r.StartsAt, EndsAt: r.EndsAt, Reward: ledger.Amount(r.Reward),
				NodeNo: nodeNo, NodeID: nodeID, MemberMs: r.MemberMs, CreditedMs: r.CreditedMs, ScoreNano: r.Score,
				Factors: r.Factors, Weight: r.Weight, Share: ledger.Amount(r.Share), Destination: r.Destination, Reasons: r.Reasons,
			}
		}
		return err
	})
	if err != nil {
		return Earnings{}, fmt.Errorf("read earnings of node %d: %w", nodeNo, err)
	}
	return e, nil
}
