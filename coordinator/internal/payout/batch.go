package payout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout/sqlgen"
	"lucid.internal/coordinator/internal/publicid"
)

// Batch is what one call made.
type Batch struct {
	ID        string
	CreatedBy string
	CreatedAt time.Time
	Payouts   []Payout
	Dropped   []Dropped // of a plan that was executed
}

// Dropped is a line of a plan that was left out.
type Dropped struct {
	NodeID string `json:"node_id"`
	Reason string `json:"reason"`
}

// Planned is a line of a plan that is to be executed.
type Planned struct {
	Request
	Hash string `json:"hash"`
}

// CreateBatch makes a payout of every request, or none: one bad line refuses
// them all. From then on each goes its own way.
func (s *Store) CreateBatch(ctx context.Context, by audit.By, key string, requests []Request) (Batch, error) {
	return s.batch(ctx, by, key, "create a batch", requests, requests, func(lines []Line) ([]Line, []Dropped, error) {
		return lines, nil, allGood(lines)
	})
}

// Execute makes what a plan showed. A line that would do anything else now is
// left out with its reason; when nothing is left, it is fault.PlanChanged.
func (s *Store) Execute(ctx context.Context, by audit.By, key string, planned []Planned) (Batch, error) {
	requests := make([]Request, len(planned))
	for i, p := range planned {
		requests[i] = p.Request
	}
	return s.batch(ctx, by, key, "execute a plan", planned, requests, func(lines []Line) ([]Line, []Dropped, error) {
		return unchanged(planned, lines)
	})
}

// batch makes what choose leaves of the lines. input is what the caller asked
// for, by which the same call again is known.
func (s *Store) batch(ctx context.Context, by audit.By, key, call string, input any, requests []Request,
	choose func([]Line) ([]Line, []Dropped, error),
) (made Batch, err error) {
	if n := len(requests); n < 1 || n > MostInBatch {
		return Batch{}, fault.New(fault.Validation, "a batch holds 1 to %d payouts, not %d", MostInBatch, n).
			WithFields(fault.Field{Name: "payout_requests", Reason: fmt.Sprintf("holds %d", n)})
	}
	at := s.cfg.Now()
	err = db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		id, err := Once(ctx, tx, by, key, call, input, at, func() (string, error) {
			if err := ledger.Lock(ctx, tx); err != nil {
				return "", err
			}
			lines, err := s.lines(ctx, tx, requests, at)
			if err != nil {
				return "", err
			}
			lines, dropped, err := choose(lines)
			if err != nil {
				return "", err
			}
			return s.insertBatch(ctx, tx, by, lines, dropped, at)
		})
		if err == nil {
			made, err = readBatch(ctx, tx, id)
		}
		return err
	})
	return made, err
}

func (s *Store) insertBatch(ctx context.Context, tx db.Tx, by audit.By, lines []Line, dropped []Dropped, at time.Time) (string, error) {
	left, err := json.Marshal(append([]Dropped{}, dropped...)) // never null
	if err != nil {
		return "", err
	}
	id := publicid.New("batch")
	err = sqlgen.New(tx).InsertBatch(ctx, sqlgen.InsertBatchParams{BatchID: id, CreatedBy: by.Actor, CreatedAt: at, Dropped: left})
	if err != nil {
		return "", fmt.Errorf("store a batch: %w", err)
	}
	payouts, err := s.insert(ctx, tx, by.Actor, &id, lines, at)
	if err != nil {
		return "", err
	}
	all := make(map[string]trace, len(payouts))
	for _, p := range payouts {
		all[p.ID] = traceOf(p)
	}
	return id, audit.Write(ctx, tx, by.Record("payout.batch", id, nil, all).AtTime(at))
}

// Batch reads one.
func (s *Store) Batch(ctx context.Context, batchID string) (b Batch, err error) {
	err = db.AtOneMoment(ctx, s.cfg.Pool, func(tx db.Tx) error {
		b, err = readBatch(ctx, tx, batchID)
		return err
	})
	return b, err
}

func readBatch(ctx context.Context, tx db.Tx, batchID string) (Batch, error) {
	q := sqlgen.New(tx)
	row, err := q.Batch(ctx, batchID)
	if errors.Is(err, pgx.ErrNoRows) {
		return Batch{}, fault.New(fault.PayoutNotFound, "no batch %s", batchID)
	} else if err != nil {
		return Batch{}, fmt.Errorf("read batch %s: %w", batchID, err)
	}
	b := Batch{ID: row.BatchID, CreatedBy: row.CreatedBy, CreatedAt: row.CreatedAt}
	if err := json.Unmarshal(row.Dropped, &b.Dropped); err != nil {
		return Batch{}, err
	}
	payouts, err := q.PayoutsOfBatch(ctx, batchID)
	for _, p := range payouts {
		b.Payouts = append(b.Payouts, payoutOf(p.Payout, p.NodeID))
	}
	return b, err
}
