package rail

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/rail/sqlgen"
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain"
)

// MatchPayout records that an outflow of the wallet paid a payout, which a
// restored database has forgotten. Both nodes must say that it moved exactly
// the net amount; the payout is completed and booked. While a transaction of the
// payout is under way that could still pay it too, that is refused.
func (r *Runner) MatchPayout(ctx context.Context, by audit.By, id tron.ID, payoutID string) error {
	p, err := r.cfg.Payouts.Get(ctx, payoutID)
	if err != nil {
		return err
	}
	receipt, payee, err := r.outflow(ctx, id)
	if err != nil {
		return err
	}
	h, err := r.heads(ctx)
	if err != nil {
		return err
	}
	if !tron.Moves(receipt.Logs, r.cfg.Contract, r.wallet, payee, int64(p.NetAmount)) {
		return fault.New(fault.StateNotAllowed, "transaction %s did not move the %s USDT of %s", id, p.NetAmount, payoutID)
	}
	at := r.cfg.Now()
	return db.InTx(ctx, r.cfg.Pool, func(tx db.Tx) error {
		if err := ledger.Lock(ctx, tx); err != nil {
			return err
		}
		if _, err := r.cfg.Payouts.TakePaid(ctx, tx, by, payout.TRON, payoutID, payee.String()); err != nil {
			return err
		}
		if err := noneUnderWay(ctx, tx, p, h); err != nil { // under the payout's lock none is written down
			return err
		}
		a := attempt{id: id, RailAttempt: sqlgen.RailAttempt{Wallet: r.wallet.String(), Amount: int64(p.NetAmount)}}
		if err := book(ctx, tx, a, true, receipt, at); err != nil {
			return err
		}
		match := sqlgen.MatchOutflowParams{TxID: id[:], BlockNo: receipt.Block, At: at, MatchedBy: by.Actor, Note: "paid " + payoutID}
		if err := sqlgen.New(tx).MatchOutflow(ctx, match); err != nil {
			return fmt.Errorf("match transaction %s: %w", id, err)
		}
		_, err := payout.Settle(ctx, tx, by, payoutID, id.String(), at)
		return err
	})
}

// noneUnderWay refuses while a transaction of a payout can still be included.
func noneUnderWay(ctx context.Context, tx db.Tx, p payout.Payout, h heads) error {
	until, err := sqlgen.New(tx).LiveUntil(ctx, p.No)
	if err != nil {
		return fmt.Errorf("look for a transaction of %s: %w", p.ID, err)
	}
	if !h[0].Time.After(until) || !h[1].Time.After(until) {
		return fault.New(fault.StateNotAllowed, "a transaction of %s is under way until %s: wait until it cannot be included any more", p.ID, until.UTC().Format(time.DateTime))
	}
	return nil
}

// outflow is a final transaction that no attempt explains, and to whom it
// moved the token.
func (r *Runner) outflow(ctx context.Context, id tron.ID) (*chain.Receipt, tron.Address, error) {
	var payee tron.Address
	known, err := sqlgen.New(r.cfg.Pool).KnownTransactions(ctx, [][]byte{id[:]})
	if err != nil {
		return nil, payee, fmt.Errorf("look up transaction %s: %w", id, err)
	}
	if len(known) > 0 {
		return nil, payee, fault.New(fault.StateNotAllowed, "transaction %s is known: it is followed by itself", id)
	}
	var told [2]chain.Receipt
	for i, node := range r.cfg.Solid {
		receipt, found, err := node.Receipt(ctx, id)
		if err == nil && !found {
			err = fault.New(fault.OtherNotFound, "%s knows no final transaction %s", node.Host(), id)
		}
		if err != nil {
			return nil, payee, err
		}
		told[i] = receipt
	}
	if told[0].Block != told[1].Block || told[0].Result != told[1].Result || !told[0].Succeeded() {
		return nil, payee, fault.New(fault.StateNotAllowed, "transaction %s ended as %s in block %d and as %s in block %d: not alike, or without success",
			id, told[0].Result, told[0].Block, told[1].Result, told[1].Block)
	}
	for _, l := range told[0].Logs {
		if contract, from, to, _, ok := l.Transfer(); ok && contract == r.cfg.Contract && from == r.wallet {
			payee = to
		}
	}
	return &told[0], payee, nil
}

// Explain records what an outflow was that paid no payout. It books nothing:
// Accept does, for all that left in such ways.
func (r *Runner) Explain(ctx context.Context, by audit.By, id tron.ID, note string) error {
	if note == "" {
		return fault.New(fault.Validation, "say what transaction %s was", id)
	}
	at := r.cfg.Now()
	return db.InTx(ctx, r.cfg.Pool, func(tx db.Tx) error {
		match := sqlgen.MatchOutflowParams{TxID: id[:], At: at, MatchedBy: by.Actor, Note: note}
		if err := sqlgen.New(tx).MatchOutflow(ctx, match); err != nil {
			return fmt.Errorf("explain transaction %s: %w", id, err)
		}
		return audit.Write(ctx, tx, by.Record("rail.explain", id.String(), nil, map[string]string{"note": note}).AtTime(at))
	})
}

// Accept books what is missing in the wallet as spent, for a reason that is
// kept, and lifts the halt. It is refused while transactions are under way.
func (r *Runner) Accept(ctx context.Context, by audit.By, reason string) (tokens, sun ledger.Amount, err error) {
	if reason == "" {
		return 0, 0, fault.New(fault.Validation, "say why the wallet holds less")
	}
	h, err := r.heads(ctx)
	if err != nil {
		return 0, 0, err
	}
	held, heldSun, agreed, err := r.balances(ctx, h)
	if err == nil && !agreed {
		err = errors.New("the nodes do not agree on what the wallet holds: try again")
	}
	if err != nil {
		return 0, 0, err
	}
	at, wallet := r.cfg.Now(), r.wallet.String()
	err = db.InTx(ctx, r.cfg.Pool, func(tx db.Tx) error {
		if err := ledger.Lock(ctx, tx); err != nil {
			return err
		}
		open, err := sqlgen.New(tx).Open(ctx, wallet)
		if err != nil {
			return fmt.Errorf("sum up what is under way: %w", err)
		}
		if open.Live > 0 {
			return fault.New(fault.StateNotAllowed, "%d transactions are under way: wait until they are decided", open.Live)
		}
		booked, err := ledger.Balances(ctx, tx, wallet)
		if err != nil {
			return err
		}
		tokens, sun = max(0, booked[ledger.KindWallet]-held), max(0, booked[ledger.KindTRXWallet]-heldSun)
		if err := spend(ctx, tx, fmt.Sprintf("accepted/%s/%d", wallet, at.UnixMicro()), at, wallet, tokens, sun); err != nil {
			return err
		}
		what := map[string]string{"reason": reason, "usdt": tokens.String(), "trx": sun.String()}
		return audit.Write(ctx, tx, by.Record("rail.accept", wallet, nil, what).AtTime(at))
	})
	if err != nil {
		return 0, 0, err
	}
	return tokens, sun, r.lift(ctx, haltShort)
}

// spend books what left a wallet and was no payout.
func spend(ctx context.Context, tx db.Tx, ref string, at time.Time, wallet string, tokens, sun ledger.Amount) error {
	if tokens > 0 {
		if _, err := ledger.Post(ctx, tx, ledger.Transfer(ref, at, wallet, tokens)); err != nil {
			return err
		}
	}
	if sun > 0 {
		if _, err := ledger.Post(ctx, tx, ledger.NetworkFee(ref, at, wallet, sun)); err != nil {
			return err
		}
	}
	return nil
}
