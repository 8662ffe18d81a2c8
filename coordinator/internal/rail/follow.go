package rail

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/rail/sqlgen"
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain"
)

// Attempts end so.
const (
	statePaid   = "paid"
	stateFailed = "failed" // in a block, and did nothing
	stateDead   = "dead"   // in no block, and never will be
)

// resend is how long a transaction that was sent waits before it is sent again.
const resend = 30 * time.Second

// attempt is a transaction under way.
type attempt struct {
	sqlgen.RailAttempt
	payoutID string
	id       tron.ID
}

// followAll looks after every transaction under way. While the database is not
// known to be sound, only success is booked: what failed could have been paid
// by another transaction that this database forgot.
func (r *Runner) followAll(ctx context.Context, h heads, sound bool) error {
	rows, err := sqlgen.New(r.cfg.Pool).LiveAttempts(ctx)
	if err != nil {
		return fmt.Errorf("list transactions under way: %w", err)
	}
	live := make(map[int64]time.Time, len(rows))
	var errs []error
	for _, row := range rows {
		a := attempt{row.RailAttempt, row.PayoutID, tron.ID(row.RailAttempt.TxID)}
		if err := r.follow(ctx, a, h, sound); err != nil {
			errs = append(errs, fmt.Errorf("%s by transaction %s: %w", a.payoutID, a.id, err))
		}
		live[a.AttemptNo] = r.sent[a.AttemptNo]
	}
	r.sent = live // those that ended are forgotten
	return errors.Join(errs...)
}

// follow asks both nodes what became of a transaction, and does what follows
// from it. Whatever is not certain leaves everything as it is.
func (r *Runner) follow(ctx context.Context, a attempt, h heads, sound bool) error {
	found, receipt, err := r.find(ctx, a)
	switch {
	case err != nil:
		return err
	case found == paid:
		return r.settle(ctx, a, receipt)
	case found == mismatch:
		return r.halt(ctx, haltMismatch, fmt.Errorf("it worked, and moved something else than %s USDT to %s: look at it", ledger.Amount(a.Amount), a.Payee))
	case !sound:
		return nil
	case found == failed:
		return r.fail(ctx, a, receipt)
	case !h[0].Time.After(a.ExpiresAt) || !h[1].Time.After(a.ExpiresAt):
		if receipt != nil { // one of them knows it
			return nil
		}
		return r.send(ctx, a)
	}
	if err := r.proveDead(ctx, a); err != nil {
		return fmt.Errorf("it expired at %s, and is not proven dead: %w", a.ExpiresAt.UTC().Format(time.DateTime), err)
	}
	return r.bury(ctx, a)
}

// find joins what the two nodes say. receipt is of the first that knows it.
func (r *Runner) find(ctx context.Context, a attempt) (found finding, receipt *chain.Receipt, err error) {
	var receipts [2]*chain.Receipt
	for i, node := range r.cfg.Solid {
		told, known, err := node.Receipt(ctx, a.id)
		if err != nil {
			return unknown, nil, err
		}
		if known {
			receipts[i], receipt = &told, &told
		}
	}
	addresses, err := parseAll(a.Contract, a.Wallet, a.Payee)
	if err != nil {
		return unknown, nil, err
	}
	found, differ := findingOf(receipts[0], receipts[1], addresses[0], addresses[1], addresses[2], a.Amount)
	if differ != "" {
		err = fmt.Errorf("%s and %s disagree: %s", r.cfg.Solid[0].Host(), r.cfg.Solid[1].Host(), differ)
	}
	return found, receipt, err
}

func parseAll(texts ...string) ([]tron.Address, error) {
	list := make([]tron.Address, len(texts))
	for i, text := range texts {
		a, err := tron.ParseAddress(text)
		if err != nil {
			return nil, err
		}
		list[i] = a
	}
	return list, nil
}

// send hands the stored bytes to every full node, and again after a while:
// no answer tells for certain that a transaction will or will not be in a block.
// That they were signed is remembered outside the database before they leave, and
// the database is asked once more whether it knows: one that forgot it would sign
// again. One that forgot anything may have forgotten another transaction of the same
// payout, and sends nothing.
func (r *Runner) send(ctx context.Context, a attempt) error {
	if now := r.cfg.Now(); now.Sub(r.sent[a.AttemptNo]) < resend {
		return nil
	}
	err := r.cfg.Payouts.RememberThat(ctx, "transaction "+a.id.String()+" of "+a.payoutID, func(ctx context.Context, tx db.Tx) (bool, error) {
		return sqlgen.New(tx).HasAttempt(ctx, a.TxID)
	})
	if err != nil {
		return err
	}
	if forgot, err := r.cfg.Payouts.Forgot(ctx); err != nil || forgot {
		return err
	}
	taken, errs := false, []error(nil)
	for _, node := range r.cfg.Full {
		verdict, err := node.Broadcast(ctx, a.Raw, tron.Signature(a.Signature))
		switch {
		case err != nil:
			errs = append(errs, err)
		case verdict.Accepted:
			taken = true
		default:
			r.cfg.Logger.Info("a node did not take a transaction, which proves nothing", "payout_id", a.payoutID, "transaction", a.id.String(),
				"node", node.Host(), "code", verdict.Code, "message", verdict.Message)
		}
	}
	if taken {
		r.sent[a.AttemptNo] = r.cfg.Now()
		return nil
	}
	return errors.Join(errs...)
}

// settle completes the payout and books what left the wallet.
func (r *Runner) settle(ctx context.Context, a attempt, receipt *chain.Receipt) error {
	return r.decide(ctx, a, statePaid, receipt, func(tx db.Tx, at time.Time) error {
		_, err := payout.Settle(ctx, tx, By(), a.payoutID, a.id.String(), at)
		return err
	})
}

// fail books what the failed transaction cost and gives the money back to the node.
func (r *Runner) fail(ctx context.Context, a attempt, receipt *chain.Receipt) error {
	return r.decide(ctx, a, stateFailed, receipt, func(tx db.Tx, at time.Time) error {
		reason := fmt.Sprintf("transaction %s failed on the chain: %s", a.id, receipt.Result)
		_, err := r.cfg.Payouts.Fail(ctx, tx, By(), a.payoutID, reason, at)
		return err
	})
}

// bury frees the payout for a new transaction.
func (r *Runner) bury(ctx context.Context, a attempt) error {
	r.cfg.Logger.Warn("a transaction is proven dead; its payout gets another one", "payout_id", a.payoutID, "transaction", a.id.String())
	return r.decide(ctx, a, stateDead, nil, func(db.Tx, time.Time) error { return nil })
}

// decide ends an attempt in one transaction with all that follows. The last
// step, which writes the audit log, is the caller's.
func (r *Runner) decide(ctx context.Context, a attempt, state string, receipt *chain.Receipt, then func(tx db.Tx, at time.Time) error) error {
	at := r.cfg.Now()
	return db.InTx(ctx, r.cfg.Pool, func(tx db.Tx) error {
		if err := ledger.Lock(ctx, tx); err != nil {
			return err
		}
		q := sqlgen.New(tx)
		was, err := q.LockAttempt(ctx, a.AttemptNo)
		if err != nil || was != "live" {
			return err // another runner was first
		}
		decision := sqlgen.DecideAttemptParams{AttemptNo: a.AttemptNo, State: state, DecidedAt: &at}
		if receipt != nil {
			decision.BlockNo, decision.Result = &receipt.Block, &receipt.Result
			decision.FeeSun, decision.Energy = &receipt.FeeSun, &receipt.EnergyAll
			if err := book(ctx, tx, a, state == statePaid, receipt, at); err != nil {
				return err
			}
		}
		if err := q.DecideAttempt(ctx, decision); err != nil {
			return fmt.Errorf("decide attempt %d: %w", a.AttemptNo, err)
		}
		return then(tx, at)
	})
}

// book posts what a transaction took from the wallet. What the ledger did not
// know to be there was there all the same, and is booked as received first.
func book(ctx context.Context, tx db.Tx, a attempt, moved bool, receipt *chain.Receipt, at time.Time) error {
	amount, sun := ledger.Amount(0), ledger.Amount(receipt.FeeSun)
	if moved {
		amount = ledger.Amount(a.Amount)
	}
	held, err := ledger.Balances(ctx, tx, a.Wallet)
	if err != nil {
		return err
	}
	ref := a.id.String()
	missing, missingSun := max(0, amount-held[ledger.KindWallet]), max(0, sun-held[ledger.KindTRXWallet])
	if missing > 0 || missingSun > 0 {
		if _, err := ledger.Post(ctx, tx, ledger.Receipt(ref, at, a.Wallet, missing, missingSun)); err != nil {
			return err
		}
	}
	if amount > 0 {
		if _, err := ledger.Post(ctx, tx, ledger.Transfer(ref, at, a.Wallet, amount)); err != nil {
			return err
		}
	}
	if sun > 0 {
		_, err = ledger.Post(ctx, tx, ledger.NetworkFee(ref, at, a.Wallet, sun))
	}
	return err
}
