package rail

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/rail/sqlgen"
)

// Reasons for which the rail halts all payouts. They stay the same, so that
// the same trouble halts once; what exactly is wrong is logged.
const (
	haltShort    = "the TRON wallet holds less than the ledger says: see lucid-coordinator rail status"
	haltMismatch = "a transaction of the TRON wallet moved something else than its payout: see the log"
	haltRestore  = "the database was restored or changed its timeline: outflows of the TRON wallet are being looked for"
)

// certain is how many runs must see the same difference before it counts: a
// node behind a shared name may answer one question later than it is.
const certain = 3

// funds are what the wallet can still spend.
type funds struct {
	tokens, sun ledger.Amount
	room        int // transactions that may begin
	begun       int
}

// errFunds says that somebody has to put money into the wallet.
var errFunds = errors.New("the wallet holds too little")

func (f *funds) cover(p payment) error {
	switch {
	case f.tokens < p.net:
		return fmt.Errorf("%w: %s USDT are free, %s are needed", errFunds, f.tokens, p.net)
	case f.sun < 2*p.quote:
		return fmt.Errorf("%w: %s TRX are free, up to %s may be burnt", errFunds, f.sun, 2*p.quote)
	}
	return nil
}

func (f *funds) spend(p payment) {
	f.tokens -= p.net
	f.sun -= 2 * p.quote
	f.begun++
}

// difference is what the last runs found between wallet and ledger.
type difference struct {
	tokens, sun holding
	runs        int
}

// reconcile compares the wallet with the ledger. ok is false while they are not
// known to agree; then nothing begins. A shortage halts all payouts; a surplus
// is booked as received.
func (r *Runner) reconcile(ctx context.Context, h heads) (f funds, ok bool, err error) {
	tokens, sun, agreed, err := r.balances(ctx, h)
	if err != nil || !agreed {
		return f, false, err
	}
	q, wallet := sqlgen.New(r.cfg.Pool), r.wallet.String()
	open, err := q.Open(ctx, wallet)
	if err != nil {
		return f, false, fmt.Errorf("sum up what is under way: %w", err)
	}
	booked, err := ledger.Balances(ctx, r.cfg.Pool, wallet)
	if err != nil {
		return f, false, err
	}
	found := difference{
		tokens: holding{tokens, booked[ledger.KindWallet], ledger.Amount(open.Amount)},
		sun:    holding{sun, booked[ledger.KindTRXWallet], ledger.Amount(open.Sun)},
		runs:   1,
	}
	if found.tokens == r.last.tokens && found.sun == r.last.sun {
		found.runs = min(r.last.runs+1, certain)
	}
	r.last = found
	if ok, err := r.resolve(ctx, found); !ok {
		return f, false, err
	}
	return funds{
		tokens: tokens - ledger.Amount(open.Amount), sun: sun - ledger.Amount(open.Sun), room: max(0, r.cfg.MaxLive-int(open.Live)),
	}, true, nil
}

// resolve does what a difference asks for. ok says that there is none.
func (r *Runner) resolve(ctx context.Context, d difference) (ok bool, err error) {
	short := d.tokens.short() > 0 || d.sun.short() > 0
	surplus := d.tokens.surplus() > 0 || d.sun.surplus() > 0
	switch {
	case !short && !surplus:
		return true, nil
	case d.runs < certain:
		return false, nil
	case short:
		return false, r.halt(ctx, haltShort, fmt.Errorf("the wallet is short of %s USDT and %s TRX", d.tokens.short(), d.sun.short()))
	}
	return false, r.receive(ctx, d)
}

// receive books a surplus. The reference holds what the ledger said before, so
// that two runners cannot both book it.
func (r *Runner) receive(ctx context.Context, d difference) error {
	at, wallet := r.cfg.Now(), r.wallet.String()
	err := db.InTx(ctx, r.cfg.Pool, func(tx db.Tx) error {
		if err := ledger.Lock(ctx, tx); err != nil {
			return err
		}
		booked, err := ledger.Balances(ctx, tx, wallet)
		if err != nil || booked[ledger.KindWallet] != d.tokens.booked || booked[ledger.KindTRXWallet] != d.sun.booked {
			return err // something moved meanwhile: the next run looks again
		}
		ref := fmt.Sprintf("%s/%s/%s/%d", wallet, d.tokens.actual, d.sun.actual, at.UnixMicro())
		_, err = ledger.Post(ctx, tx, ledger.Receipt(ref, at, wallet, d.tokens.surplus(), d.sun.surplus()))
		return err
	})
	if err != nil {
		return fmt.Errorf("book what the wallet received: %w", err)
	}
	r.cfg.Logger.Info("the wallet received", "usdt", d.tokens.surplus(), "trx", d.sun.surplus())
	return nil
}

// balances asks both nodes. agreed is false when they differ, which they do for
// moments while transactions become final, or lag behind what is decided.
func (r *Runner) balances(ctx context.Context, h heads) (tokens, sun ledger.Amount, agreed bool, err error) {
	decided, err := sqlgen.New(r.cfg.Pool).LastBlock(ctx)
	if err != nil {
		return 0, 0, false, fmt.Errorf("read the newest block that holds a payment: %w", err)
	}
	var told [2][2]int64
	for i, node := range r.cfg.Solid {
		if h[i].ID.Number() < decided {
			return 0, 0, false, nil
		}
		if told[i][0], err = node.TokenBalance(ctx, r.cfg.Contract, r.wallet); err != nil {
			return 0, 0, false, err
		}
		if told[i][1], err = node.Sun(ctx, r.wallet); err != nil {
			return 0, 0, false, err
		}
	}
	if told[0] != told[1] {
		if r.disagreed++; r.disagreed > patience {
			return 0, 0, false, fmt.Errorf("%s and %s disagree for %d runs on what the wallet holds: nothing is paid",
				r.cfg.Solid[0].Host(), r.cfg.Solid[1].Host(), r.disagreed)
		}
		return 0, 0, false, nil
	}
	r.disagreed = 0
	return ledger.Amount(told[0][0]), ledger.Amount(told[0][1]), true, nil
}

// patience is how many runs the nodes may differ before that is told.
const patience = 20

// halt stops all payouts, and gives back what is to be told.
func (r *Runner) halt(ctx context.Context, reason string, why error) error {
	err := db.InTx(ctx, r.cfg.Pool, func(tx db.Tx) error { return payout.Halt(ctx, tx, By(), reason, r.cfg.Now()) })
	return errors.Join(fmt.Errorf("payouts are halted: %w", why), err)
}

// lift ends one of the rail's own halts.
func (r *Runner) lift(ctx context.Context, reason string) error {
	list, err := r.cfg.Payouts.Stoppages(ctx)
	for _, s := range list {
		if strings.EqualFold(s.Reason, reason) {
			err = r.cfg.Payouts.Lift(ctx, By(), s.No)
		}
	}
	if fault.Has(err, fault.OtherNotFound) {
		return nil
	}
	return err
}
