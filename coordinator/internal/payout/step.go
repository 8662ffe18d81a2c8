package payout

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout/sqlgen"
)

// step is one move of a payout's life, with the entry that it books.
type step struct {
	from, to Status
	refusal  fault.Code // when the payout is in another status
	flow     func(ref string, at time.Time, nodeID string, net, fee ledger.Amount) ledger.Entry
}

// Start marks a pending payout as being paid; from now on it cannot be cancelled.
func (s *Store) Start(ctx context.Context, by audit.By, payoutID string) (Payout, error) {
	return s.step(ctx, by, payoutID, step{Pending, Processing, fault.StateNotAllowed, nil}, func(p *sqlgen.Payout, at time.Time) {
		p.ProcessedAt = &at
	})
}

// Complete records the transfer that paid it and settles the money.
func (s *Store) Complete(ctx context.Context, by audit.By, payoutID, transactionHash string) (Payout, error) {
	if transactionHash == "" {
		return Payout{}, fault.New(fault.Validation, "a completed payout needs the transaction that paid it").
			WithFields(fault.Field{Name: "transaction_hash", Reason: "is empty"})
	}
	return s.step(ctx, by, payoutID, step{Processing, Completed, fault.StateNotAllowed, ledger.Settle}, func(p *sqlgen.Payout, at time.Time) {
		p.TransactionHash, p.CompletedAt = &transactionHash, &at
	})
}

// Fail gives the money of a payout back to its node. Call it only when it is
// proven that nothing was or will be sent.
func (s *Store) Fail(ctx context.Context, by audit.By, payoutID, reason string) (Payout, error) {
	if reason == "" {
		return Payout{}, fault.New(fault.Validation, "a failed payout needs a reason").
			WithFields(fault.Field{Name: "error_message", Reason: "is empty"})
	}
	return s.step(ctx, by, payoutID, step{Processing, Failed, fault.StateNotAllowed, ledger.Void}, func(p *sqlgen.Payout, _ time.Time) {
		p.ErrorMessage = &reason
	})
}

// Cancel gives the money of a pending payout back to its node.
func (s *Store) Cancel(ctx context.Context, by audit.By, payoutID string) (Payout, error) {
	return s.step(ctx, by, payoutID, step{Pending, Cancelled, fault.NotCancellable, ledger.Void}, func(*sqlgen.Payout, time.Time) {})
}

// Retry makes a failed payout pending again and sets its money aside anew. It
// is refused when the tries are used up, another payout of the node is live, or
// the money is gone.
func (s *Store) Retry(ctx context.Context, by audit.By, payoutID string) (Payout, error) {
	return s.step(ctx, by, payoutID, step{Failed, Pending, fault.StateNotAllowed, ledger.Reserve}, func(p *sqlgen.Payout, _ time.Time) {
		p.RetryCount++
		p.ErrorMessage, p.ProcessedAt = nil, nil
	})
}

func (s *Store) step(ctx context.Context, by audit.By, payoutID string, st step, change func(*sqlgen.Payout, time.Time)) (Payout, error) {
	var after Payout
	err := db.InTx(ctx, s.pool, func(tx db.Tx) error {
		if st.flow != nil { // before the payout's lock, as the round does
			if err := ledger.Lock(ctx, tx); err != nil {
				return err
			}
		}
		q := sqlgen.New(tx)
		row, err := q.LockPayout(ctx, payoutID)
		if err != nil {
			return notFound(payoutID, err)
		}
		p, now := row.Payout, s.now()
		if Status(p.Status) != st.from {
			return fault.New(st.refusal, "payout %s is %s; only a %s one can become %s", payoutID, p.Status, st.from, st.to)
		}
		change(&p, now)
		p.Status, p.UpdatedAt = string(st.to), now
		if err := q.StepPayout(ctx, sqlgen.StepPayoutParams{
			PayoutNo: p.PayoutNo, Status: p.Status, TransactionHash: p.TransactionHash, ErrorMessage: p.ErrorMessage,
			ProcessedAt: p.ProcessedAt, CompletedAt: p.CompletedAt, RetryCount: p.RetryCount, UpdatedAt: p.UpdatedAt,
		}); err != nil {
			return refused(payoutID, err)
		}
		after = payoutOf(p, row.NodeID)
		if err := publishChange(ctx, tx, after); err != nil {
			return err
		}
		if st.flow != nil {
			entry := st.flow(attemptRef(payoutID, p.RetryCount), now, row.NodeID, after.NetAmount, after.Fee)
			if _, err := ledger.Post(ctx, tx, entry); err != nil {
				return err
			}
		}
		return audit.Write(ctx, tx, by.Record("payout."+string(st.to), payoutID, recordOf(payoutOf(row.Payout, row.NodeID)), recordOf(after)).AtTime(now))
	})
	if err != nil {
		return Payout{}, err
	}
	return after, nil
}

// record is what the audit log keeps of a payout.
type record struct {
	NodeID          string        `json:"node_id"`
	Status          Status        `json:"status"`
	Amount          ledger.Amount `json:"amount"`
	Fee             ledger.Amount `json:"fee"`
	WalletAddress   string        `json:"wallet_address"`
	TransactionHash *string       `json:"transaction_hash"`
	ErrorMessage    *string       `json:"error_message"`
	RetryCount      int           `json:"retry_count"`
}

func recordOf(p Payout) record {
	return record{p.NodeID, p.Status, p.Amount, p.Fee, p.WalletAddress, p.TransactionHash, p.ErrorMessage, p.RetryCount}
}

// refused turns the database's refusals into faults.
func refused(payoutID string, err error) error {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case ok && pg.ConstraintName == "payout_live":
		return fault.Wrap(fault.StateNotAllowed, err, "payout %s cannot go on: its node has another live payout", payoutID)
	case ok && pg.ConstraintName == "payout_tries":
		return fault.Wrap(fault.StateNotAllowed, err, "payout %s was retried as often as it may be", payoutID)
	}
	return err
}
