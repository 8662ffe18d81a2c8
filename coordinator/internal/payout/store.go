package payout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout/sqlgen"
)

// Status is where a payout is in its life.
type Status string

// Statuses.
const (
	Pending    Status = "pending"
	Processing Status = "processing"
	Completed  Status = "completed"
	Failed     Status = "failed"
	Cancelled  Status = "cancelled"
)

// Payout is a payment to the owner of a node. Nil means that it has none yet.
type Payout struct {
	No              int64 // rises; the cursor of lists
	ID              string
	NodeID          string
	Amount          ledger.Amount // gross
	Fee             ledger.Amount
	NetAmount       ledger.Amount // what the owner gets
	Currency        string
	WalletAddress   string // fixed when paying begins
	Rail            Rail   // by which it is paid; empty until then
	Status          Status
	Priority        string // urgent, high, normal, low
	TransactionHash *string
	BatchID         *string
	ScheduledAt     *time.Time
	ProcessedAt     *time.Time
	CompletedAt     *time.Time
	ErrorMessage    *string
	RetryCount      int
	MaxRetries      int
	CreatedBy       string // who asked for it, as in the audit log
	NeedsApproval   bool
	ApprovedBy      *string
	ApprovedAt      *time.Time
	CreatedAt       time.Time
	UpdatedAt       time.Time
}

// Store reads payouts and moves payouts through their life.
type Store struct{ cfg Config }

// NewStore makes a Store; it lists every fault of cfg.
func NewStore(cfg Config) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Store{cfg}, nil
}

// Get reads one payout; fault.PayoutNotFound when there is none.
func (s *Store) Get(ctx context.Context, payoutID string) (Payout, error) {
	row, err := sqlgen.New(s.cfg.Pool).Payout(ctx, payoutID)
	if err != nil {
		return Payout{}, notFound(payoutID, err)
	}
	return payoutOf(row.Payout, row.NodeID), nil
}

func notFound(payoutID string, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.New(fault.PayoutNotFound, "no payout %s", payoutID)
	}
	return fmt.Errorf("read payout %s: %w", payoutID, err)
}

// Filter selects payouts of a node; zero values select all.
type Filter struct {
	Status Status
	Before int64 // cursor: only payouts with a smaller No
	Offset int   // skips so many, for pages by number
	Limit  int   // at most 100; 0 means 20
}

// List reads payouts of a node, newest first, and how many match in all,
// whatever the cursor. The No of the last one is the cursor of the next page.
func (s *Store) List(ctx context.Context, nodeNo int32, f Filter) ([]Payout, int, error) {
	q := sqlgen.New(s.cfg.Pool)
	total, err := q.CountPayouts(ctx, sqlgen.CountPayoutsParams{NodeNo: nodeNo, Status: string(f.Status)})
	if err != nil {
		return nil, 0, fmt.Errorf("count payouts: %w", err)
	}
	rows, err := q.Payouts(ctx, sqlgen.PayoutsParams{
		NodeNo: nodeNo, Status: string(f.Status), Before: cmp.Or(f.Before, math.MaxInt64),
		Skip: int32(f.Offset), Most: int32(min(cmp.Or(f.Limit, 20), 100)),
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list payouts: %w", err)
	}
	payouts := make([]Payout, len(rows))
	for i, r := range rows {
		payouts[i] = payoutOf(r.Payout, r.NodeID)
	}
	return payouts, int(total), nil
}

// Newest reads the newest payouts of these nodes, or of all when none is named,
// and the cursor of what follows; 0 when nothing does. It has no Offset, and as
// many as Limit says.
func (s *Store) Newest(ctx context.Context, nodeIDs []string, f Filter) (payouts []Payout, next int64, err error) {
	limit := cmp.Or(f.Limit, 20)
	rows, err := sqlgen.New(s.cfg.Pool).Newest(ctx, sqlgen.NewestParams{
		Status: string(f.Status), NodeIds: append([]string{}, nodeIDs...), Before: cmp.Or(f.Before, math.MaxInt64), Most: int32(limit + 1),
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list payouts: %w", err)
	}
	rows, more := db.Cut(rows, limit)
	for _, r := range rows {
		payouts = append(payouts, payoutOf(r.Payout, r.NodeID))
	}
	if more {
		next = payouts[limit-1].No
	}
	return payouts, next, nil
}

func payoutOf(r sqlgen.Payout, nodeID string) Payout {
	return Payout{
		No: r.PayoutNo, ID: r.PayoutID, NodeID: nodeID,
		Amount: ledger.Amount(r.Amount), Fee: ledger.Amount(r.Fee), NetAmount: ledger.Amount(r.NetAmount),
		Currency: r.Currency, WalletAddress: r.WalletAddress, Rail: Rail(orEmpty(r.Rail)), Status: Status(r.Status), Priority: r.Priority,
		TransactionHash: r.TransactionHash, BatchID: r.BatchID,
		ScheduledAt: r.ScheduledAt, ProcessedAt: r.ProcessedAt, CompletedAt: r.CompletedAt,
		ErrorMessage: r.ErrorMessage, RetryCount: int(r.RetryCount), MaxRetries: int(r.MaxRetries),
		CreatedBy: r.CreatedBy, NeedsApproval: r.NeedsApproval, ApprovedBy: r.ApprovedBy, ApprovedAt: r.ApprovedAt,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
