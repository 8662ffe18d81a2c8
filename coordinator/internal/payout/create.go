package payout

import (
	"context"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout/sqlgen"
	"lucid.internal/coordinator/internal/publicid"
)

// Create makes one payout and sets its money aside. The same request of the
// same caller under the same key again gives the same payout.
func (s *Store) Create(ctx context.Context, by audit.By, key string, r Request) (Payout, error) {
	at := s.cfg.Now()
	var made Payout
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		id, err := Once(ctx, tx, by, key, "create a payout", r, at, func() (string, error) {
			if err := ledger.Lock(ctx, tx); err != nil {
				return "", err
			}
			lines, err := s.lines(ctx, tx, []Request{r}, at)
			if err != nil {
				return "", err
			}
			if refused := lines[0].Refused; refused != nil {
				return "", refused
			}
			payouts, err := s.insert(ctx, tx, by.Actor, nil, lines, at)
			if err != nil {
				return "", err
			}
			return payouts[0].ID, audit.Write(ctx, tx, by.Record("payout.create", payouts[0].ID, nil, traceOf(payouts[0])).AtTime(at))
		})
		if err != nil {
			return err
		}
		row, err := sqlgen.New(tx).Payout(ctx, id)
		made = payoutOf(row.Payout, row.NodeID)
		return err
	})
	return made, err
}

// insert stores lines that can be made as pending payouts, sets their money
// aside and tells of them. It runs under the ledger's lock.
func (s *Store) insert(ctx context.Context, tx db.Tx, creator string, batchID *string, lines []Line, at time.Time) ([]Payout, error) {
	q := sqlgen.New(tx)
	needs, err := s.needsApproval(ctx, q, creator, lines, at)
	if err != nil {
		return nil, err
	}
	rows := sqlgen.InsertPayoutsParams{BatchID: batchID, CreatedBy: creator, NeedsApproval: needs, At: at}
	for _, l := range lines {
		scheduled := time.Unix(0, 0)
		if l.ScheduledAt != nil {
			scheduled = *l.ScheduledAt
		}
		rows.PayoutIds, rows.NodeNos = append(rows.PayoutIds, publicid.New("payout")), append(rows.NodeNos, l.nodeNo)
		rows.Amounts, rows.Fees = append(rows.Amounts, int64(l.Amount)), append(rows.Fees, int64(l.Fee))
		rows.WalletAddresses, rows.Priorities = append(rows.WalletAddresses, l.WalletAddress), append(rows.Priorities, l.Priority)
		rows.ScheduledAts = append(rows.ScheduledAts, scheduled)
	}
	if err := q.InsertPayouts(ctx, rows); err != nil {
		return nil, fmt.Errorf("store payouts: %w", err)
	}
	made, err := q.PayoutsByID(ctx, rows.PayoutIds)
	if err != nil {
		return nil, err
	}
	payouts := make([]Payout, len(made))
	for i, row := range made {
		p := payoutOf(row.Payout, row.NodeID)
		payouts[i] = p
		if _, err := ledger.Post(ctx, tx, ledger.Reserve(attemptRef(p.ID, 0), at, p.NodeID, p.NetAmount, p.Fee)); err != nil {
			return nil, err
		}
	}
	return payouts, publishChanges(ctx, tx, payouts)
}

// needsApproval counts what the creator asked for in the last 24 hours, under
// whatever name. Of
// automatic rounds the standing budget was approved before.
func (s *Store) needsApproval(ctx context.Context, q *sqlgen.Queries, creator string, lines []Line, at time.Time) (bool, error) {
	if creator == audit.System {
		return false, nil
	}
	names, err := namesOf(ctx, q, creator)
	if err != nil {
		return false, err
	}
	before, err := q.CreatedSince(ctx, sqlgen.CreatedSinceParams{Creators: names, Since: at.Add(-day)})
	if err != nil {
		return false, fmt.Errorf("sum up the payouts of %s: %w", creator, err)
	}
	return s.cfg.needsApproval(ledger.Amount(before), planOf(lines, at).Amount), nil
}

const day = 24 * time.Hour

// attemptRef names a try of a payout in the ledger: every retry reserves anew.
func attemptRef(payoutID string, retries int32) string {
	return fmt.Sprintf("%s/%d", payoutID, retries)
}
