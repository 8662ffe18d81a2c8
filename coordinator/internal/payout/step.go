package payout

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

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
	then     follow // nil: nothing
}

// follow does what follows from a step's entry.
type follow func(ctx context.Context, tx db.Tx, row sqlgen.LockPayoutRow, at time.Time) error

// Settle completes a processing payout within the caller's transaction: the
// money has left by that transaction, which pays no other payout.
func Settle(ctx context.Context, tx db.Tx, by audit.By, payoutID, transactionHash string, at time.Time) (Payout, error) {
	transactionHash, err := ParseTransaction(transactionHash)
	if err != nil {
		return Payout{}, err
	}
	return move(ctx, tx, by, payoutID, step{from: Processing, to: Completed, refusal: fault.StateNotAllowed, flow: ledger.Settle}, at, func(p *sqlgen.Payout) error {
		p.TransactionHash, p.CompletedAt = &transactionHash, &at
		// The ledger's lock makes all that settle come one after another.
		other, err := sqlgen.New(tx).PaidBy(ctx, transactionHash)
		if err == nil {
			return fault.New(fault.StateNotAllowed, "transaction %s paid %s already; look up which one paid %s", transactionHash, other, payoutID)
		} else if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
}

// Fail gives the money of a processing payout back to its node within the
// caller's transaction, or to the node's pools where its fraud was confirmed
// meanwhile. Call it only when it is proven that nothing was or will be sent.
func (s *Store) Fail(ctx context.Context, tx db.Tx, by audit.By, payoutID, reason string, at time.Time) (Payout, error) {
	if err := checkText("error_message", reason, maxReason); err != nil {
		return Payout{}, err
	}
	return move(ctx, tx, by, payoutID, step{from: Processing, to: Failed, refusal: fault.StateNotAllowed, flow: ledger.Void, then: s.takeBack}, at, func(p *sqlgen.Payout) error {
		p.ErrorMessage = &reason
		return nil
	})
}

// Complete records the transfer that paid a payout by hand and settles the
// money. What another rail pays, that rail settles. While payouts are halted
// for what is MaybePaid, a pending one may have been paid before the database
// forgot it.
func (s *Store) Complete(ctx context.Context, by audit.By, payoutID, transactionHash string) (Payout, error) {
	if err := s.look(ctx); err != nil {
		return Payout{}, err
	}
	return s.alone(ctx, func(tx db.Tx, at time.Time) (Payout, error) {
		if err := ledger.Lock(ctx, tx); err != nil { // before any other lock
			return Payout{}, err
		}
		if err := s.takeForgotten(ctx, tx, by, payoutID); err != nil {
			return Payout{}, err
		}
		p, err := Settle(ctx, tx, by, payoutID, transactionHash, at)
		if err == nil && p.Rail != Manual && p.Rail != "" { // "": it began before rails were noted
			err = fault.New(fault.StateNotAllowed, "payout %s is paid by %s, which settles it itself", payoutID, p.Rail)
		}
		return p, err
	})
}

// Retry makes a failed payout pending again and sets its money aside anew. It is
// refused when the tries are used up, another payout of the node is live, the
// money is gone, or the payout must not be paid any more.
func (s *Store) Retry(ctx context.Context, by audit.By, payoutID string) (Payout, error) {
	again := step{from: Failed, to: Pending, refusal: fault.StateNotAllowed, flow: ledger.Reserve}
	return s.alone(ctx, func(tx db.Tx, at time.Time) (Payout, error) {
		if err := ledger.Lock(ctx, tx); err != nil { // before any other lock
			return Payout{}, err
		}
		if err := s.MayPay(ctx, tx, payoutID); err != nil {
			return Payout{}, err
		}
		return move(ctx, tx, by, payoutID, again, at, func(p *sqlgen.Payout) error {
			p.RetryCount++
			p.ErrorMessage, p.ProcessedAt, p.Rail = nil, nil, nil
			return nil
		})
	})
}

func (s *Store) alone(ctx context.Context, run func(tx db.Tx, at time.Time) (Payout, error)) (after Payout, err error) {
	at := s.cfg.Now()
	err = db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) (err error) {
		after, err = run(tx, at)
		return err
	})
	if err != nil {
		return Payout{}, err
	}
	return after, nil
}

// move makes the step and books its entry. Locks come in the order that all
// keep: the ledger's head, then the payout.
func move(ctx context.Context, tx db.Tx, by audit.By, payoutID string, st step, at time.Time, change func(*sqlgen.Payout) error) (Payout, error) {
	if err := ledger.Lock(ctx, tx); err != nil {
		return Payout{}, err
	}
	row, err := sqlgen.New(tx).LockPayout(ctx, sqlgen.LockPayoutParams{PayoutID: payoutID, At: at})
	if err != nil {
		return Payout{}, notFound(payoutID, err)
	}
	p := row.Payout
	if Status(p.Status) != st.from {
		return Payout{}, fault.New(st.refusal, "payout %s is %s; only a %s one can become %s", payoutID, p.Status, st.from, st.to)
	}
	if err := change(&p); err != nil {
		return Payout{}, err
	}
	p.Status, p.UpdatedAt = string(st.to), at
	after, err := store(ctx, tx, p, row.NodeID)
	if err != nil {
		return Payout{}, err
	}
	entry := st.flow(attemptRef(payoutID, p.RetryCount), at, row.NodeID, after.NetAmount, after.Fee)
	if _, err := ledger.Post(ctx, tx, entry); err != nil {
		return Payout{}, err
	}
	if st.then != nil {
		if err := st.then(ctx, tx, row, at); err != nil {
			return Payout{}, err
		}
	}
	return after, record(ctx, tx, by, payoutOf(row.Payout, row.NodeID), after)
}

// store writes what a step made of a payout, and tells of it.
func store(ctx context.Context, tx db.Tx, p sqlgen.Payout, nodeID string) (Payout, error) {
	err := sqlgen.New(tx).StepPayout(ctx, sqlgen.StepPayoutParams{
		PayoutNo: p.PayoutNo, Status: p.Status, Rail: p.Rail, WalletAddress: p.WalletAddress,
		TransactionHash: p.TransactionHash, ErrorMessage: p.ErrorMessage,
		ProcessedAt: p.ProcessedAt, CompletedAt: p.CompletedAt, RetryCount: p.RetryCount, UpdatedAt: p.UpdatedAt,
	})
	if err != nil {
		return Payout{}, refused(p.PayoutID, err)
	}
	after := payoutOf(p, nodeID)
	return after, publishChanges(ctx, tx, []Payout{after})
}

// record writes a step into the audit log.
func record(ctx context.Context, tx db.Tx, by audit.By, before, after Payout) error {
	return audit.Write(ctx, tx, by.Record("payout."+string(after.Status), after.ID, traceOf(before), traceOf(after)).AtTime(after.UpdatedAt))
}

// trace is what the audit log keeps of a payout.
type trace struct {
	NodeID          string        `json:"node_id"`
	Status          Status        `json:"status"`
	Amount          ledger.Amount `json:"amount"`
	Fee             ledger.Amount `json:"fee"`
	WalletAddress   string        `json:"wallet_address"`
	Rail            Rail          `json:"rail,omitempty"`
	TransactionHash *string       `json:"transaction_hash"`
	ErrorMessage    *string       `json:"error_message"`
	RetryCount      int           `json:"retry_count"`
	ApprovedBy      *string       `json:"approved_by,omitempty"`
}

func traceOf(p Payout) trace {
	return trace{p.NodeID, p.Status, p.Amount, p.Fee, p.WalletAddress, p.Rail, p.TransactionHash, p.ErrorMessage, p.RetryCount, p.ApprovedBy}
}

// refused turns the database's refusals into faults.
func refused(payoutID string, err error) error {
	switch db.Constraint(err) {
	case "payout_live":
		return fault.Wrap(fault.StateNotAllowed, err, "payout %s cannot go on: its node has another live payout", payoutID)
	case "payout_approved":
		return fault.Wrap(fault.StateNotAllowed, err, "payout %s waits for the approval of a second person", payoutID)
	case "payout_tries":
		return fault.Wrap(fault.StateNotAllowed, err, "payout %s was retried as often as it may be", payoutID)
	}
	return err
}
