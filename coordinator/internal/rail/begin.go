package rail

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/ledger"
	"lucid.internal/coordinator/internal/payout"
	"lucid.internal/coordinator/internal/rail/sqlgen"
	"lucid.internal/coordinator/internal/tron"
	"lucid.internal/coordinator/internal/tron/chain"
)

const (
	// lifetime of a transaction, from the newest block on.
	lifetime = 15 * time.Minute
	// maxDrift is how far a full node's newest block may be from our clock.
	maxDrift = 2 * time.Minute
	// putOff is how long a payout waits that is not worth its cost now.
	putOff = time.Hour
	// callBytes is what a signed transfer takes of bandwidth, rounded up.
	callBytes = 350
)

// payment is a payout on its way to a transaction.
type payment struct {
	payoutNo int64
	payoutID string
	payee    string
	net      ledger.Amount
	quote    ledger.Amount // sun that sending is expected to cost
	feeLimit int64         // sun that its energy may burn: with its bandwidth, twice the quote
}

// begin signs and sends transactions for payouts: first for those that were
// taken before and have none, because the program ended or theirs is dead, then
// for the next of the queue. What must not be paid any more gets none.
func (r *Runner) begin(ctx context.Context, h heads, f funds) error {
	halted, err := r.cfg.Payouts.Stoppages(ctx)
	if err != nil || len(halted) > 0 {
		return err
	}
	if err := r.safeStandbys(ctx); err != nil {
		return err
	}
	q := sqlgen.New(r.cfg.Pool)
	begun, err := q.Begun(ctx, int32(f.room))
	if err != nil {
		return fmt.Errorf("list payouts without transaction: %w", err)
	}
	next, err := q.Next(ctx, sqlgen.NextParams{At: r.cfg.Now(), Most: int32(f.room - len(begun))})
	if err != nil {
		return fmt.Errorf("read the queue: %w", err)
	}
	if len(begun)+len(next) == 0 {
		return nil
	}
	if _, err := r.newest(ctx); err != nil { // before an address is fixed that may not count yet
		return err
	}
	prices, err := r.cfg.Full[0].Prices(ctx)
	if err != nil {
		return err
	}
	var errs []error // one payee that cannot be paid holds up no other
	for _, b := range begun {
		if err := r.goOn(ctx, h, prices, &f, b); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", b.PayoutID, err))
		}
	}
	for _, n := range next {
		if err := r.beginOne(ctx, h, prices, &f, n); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", n.PayoutID, err))
			break // what comes first in the queue is paid first
		}
	}
	return errors.Join(errs...)
}

// goOn signs for a payout that was taken before, unless it must not be paid now.
func (r *Runner) goOn(ctx context.Context, h heads, prices chain.Prices, f *funds, b sqlgen.BegunRow) error {
	p := payment{payoutNo: b.PayoutNo, payoutID: b.PayoutID, payee: b.WalletAddress, net: ledger.Amount(b.NetAmount)}
	failed, err := r.failWithheld(ctx, p)
	if err != nil || failed {
		return err
	}
	if err := r.quote(ctx, prices, &p); err != nil {
		return err
	}
	return r.pay(ctx, h, f, p)
}

// failWithheld fails a payout that must not be paid any more. Its lock, which
// FailWithheld takes, keeps another runner from writing a transaction down for it;
// one that stands already forbids to fail it.
func (r *Runner) failWithheld(ctx context.Context, p payment) (failed bool, err error) {
	err = db.InTx(ctx, r.cfg.Pool, func(tx db.Tx) error {
		if failed, err = r.cfg.Payouts.FailWithheld(ctx, tx, By(), p.payoutID); err != nil || !failed {
			return err
		}
		sent, err := sqlgen.New(tx).HasTransaction(ctx, p.payoutNo)
		if err == nil && sent {
			err = errors.New("it is withheld, and another runner has signed for it meanwhile")
		}
		return err
	})
	return failed, err
}

// safeStandbys refuses to sign while a standby may take over without knowing it.
func (r *Runner) safeStandbys(ctx context.Context) error {
	var async int
	err := r.cfg.Pool.QueryRow(ctx, `SELECT CASE WHEN current_setting('synchronous_standby_names') = '' THEN count(*) ELSE 0 END FROM pg_stat_replication`).Scan(&async)
	if err != nil {
		return fmt.Errorf("ask for standbys: %w", err)
	}
	if async > 0 {
		return fmt.Errorf("%d standbys of the database follow asynchronously: one that takes over could pay again; set synchronous_standby_names", async)
	}
	return nil
}

// beginOne takes a payout if it is worth sending.
func (r *Runner) beginOne(ctx context.Context, h heads, prices chain.Prices, f *funds, n sqlgen.NextRow) error {
	p := payment{payoutNo: n.PayoutNo, payoutID: n.PayoutID, payee: n.Address, net: ledger.Amount(n.NetAmount)}
	if err := r.quote(ctx, prices, &p); err != nil {
		return r.putOff(ctx, p, "what sending costs is not known: "+err.Error())
	}
	if reason := r.cfg.Cost.Refusal(p.net, ledger.Amount(n.Fee), p.quote, r.cfg.Now()); reason != "" {
		return r.putOff(ctx, p, reason)
	}
	if err := f.cover(p); err != nil {
		return err
	}
	taken, err := r.take(ctx, p.payoutID)
	if _, told := errors.AsType[*fault.Error](err); told { // it is held, has no address, or is not pending any more
		return r.putOff(ctx, p, err.Error())
	} else if err != nil {
		return err
	}
	p.payee = taken.WalletAddress
	return r.pay(ctx, h, f, p)
}

func (r *Runner) take(ctx context.Context, payoutID string) (taken payout.Payout, err error) {
	err = db.InTx(ctx, r.cfg.Pool, func(tx db.Tx) error {
		taken, err = r.cfg.Payouts.TakeOne(ctx, tx, By(), payout.TRON, payoutID)
		return err
	})
	return taken, err
}

func (r *Runner) putOff(ctx context.Context, p payment, reason string) error {
	r.cfg.Logger.Info("a payout waits", "payout_id", p.payoutID, "reason", reason)
	err := sqlgen.New(r.cfg.Pool).PutOff(ctx, sqlgen.PutOffParams{PayoutNo: p.payoutNo, Reason: reason, Until: r.cfg.Now().Add(putOff)})
	if err != nil {
		return fmt.Errorf("put it off: %w", err)
	}
	return nil
}

// quote finds what a transfer would burn now, with nothing staked: the first
// full node runs it. The network counts bandwidth beside a fee limit.
func (r *Runner) quote(ctx context.Context, prices chain.Prices, p *payment) error {
	to, err := tron.ParseAddress(p.payee)
	if err != nil {
		return err
	}
	energy, err := r.cfg.Full[0].Energy(ctx, r.wallet, r.cfg.Contract, tron.TransferCall(to, int64(p.net)))
	if err != nil {
		return err
	}
	if err := checkPrices(r.cfg.Full[0], energy, prices); err != nil {
		return err
	}
	p.quote = burnt(energy, prices)
	p.feeLimit = 2*int64(p.quote) - int64(burnt(0, prices))
	return nil
}

func checkPrices(node *chain.Node, energy int64, prices chain.Prices) error {
	const most = 1_000_000_000_000 // a million TRX: nobody means that
	if energy > most/prices.EnergySun || prices.BandwidthSun > most/callBytes {
		return fmt.Errorf("%s names %d energy at %d sun and bandwidth at %d sun, which makes no sense", node.Host(), energy, prices.EnergySun, prices.BandwidthSun)
	}
	return nil
}

// pay signs a transaction, commits it, and only then sends it.
func (r *Runner) pay(ctx context.Context, h heads, f *funds, p payment) error {
	if err := f.cover(p); err != nil {
		return err
	}
	head, err := r.newest(ctx)
	if err != nil {
		return err
	}
	now := r.cfg.Now()
	// The count keeps two transfers of one run from having the same bytes.
	a, err := r.sign(ctx, p, h.lower(), head, now.Add(time.Duration(f.begun)*time.Millisecond))
	if err != nil {
		return err
	}
	if err := r.commit(ctx, &a, now); err != nil || a.AttemptNo == 0 {
		return err
	}
	f.spend(p)
	return r.send(ctx, a)
}

// newest is the newest block of a full node. By it our clock is judged: what
// counts when, a changed address too, counts by the chain's time as well.
func (r *Runner) newest(ctx context.Context) (chain.Block, error) {
	head, err := r.cfg.Full[0].Now(ctx)
	if err != nil {
		return head, err
	}
	if drift := head.Time.Sub(r.cfg.Now()).Abs(); drift > maxDrift {
		return head, fmt.Errorf("the newest block of %s is of %s, %s from our clock: nothing is taken or signed", r.cfg.Full[0].Host(), head.Time.Format(time.DateTime), drift)
	}
	return head, nil
}

// sign makes the bytes. They refer to a final block, which cannot leave the
// chain and take the transaction with it.
func (r *Runner) sign(ctx context.Context, p payment, ref, head chain.Block, now time.Time) (attempt, error) {
	to, err := tron.ParseAddress(p.payee)
	if err != nil {
		return attempt{}, err
	}
	expires := head.Time.Add(lifetime)
	t := tron.Transaction{
		Expiration: expires.UnixMilli(), Timestamp: now.UnixMilli(), FeeLimit: p.feeLimit,
		Owner: r.wallet, Contract: r.cfg.Contract, Data: tron.TransferCall(to, int64(p.net)),
	}
	t.RefersTo(ref.ID)
	raw := t.Raw()
	id := tron.IDOf(raw)
	signature, err := r.cfg.Signer.Sign(ctx, raw)
	if err != nil {
		return attempt{}, fmt.Errorf("sign: %w", err)
	}
	if by, err := signature.Recover(id); err != nil || by != r.wallet {
		return attempt{}, fmt.Errorf("the signer signed as %s instead of %s", by, r.wallet)
	}
	return attempt{payoutID: p.payoutID, id: id, RailAttempt: sqlgen.RailAttempt{
		PayoutNo: p.payoutNo, TxID: id[:], Raw: raw, Signature: signature[:], RefBlock: ref.ID[:],
		Wallet: r.wallet.String(), Contract: r.cfg.Contract.String(), Payee: p.payee, Amount: int64(p.net),
		ExpiresAt: time.UnixMilli(t.Expiration).UTC(), EstimateSun: int64(p.quote),
	}}, nil
}

// commit writes the attempt, so that it is known whatever happens. It stays
// without number when another runner was first. What must not be paid any more
// is refused, also when that began after the payout was taken.
func (r *Runner) commit(ctx context.Context, a *attempt, now time.Time) error {
	return db.InTx(ctx, r.cfg.Pool, func(tx db.Tx) error {
		a.AttemptNo = 0
		q := sqlgen.New(tx)
		if err := q.SyncCommit(ctx); err != nil {
			return fmt.Errorf("commit synchronously: %w", err)
		}
		if err := payout.PassGate(ctx, tx); err != nil {
			return err
		}
		if err := r.cfg.Payouts.MayPay(ctx, tx, a.payoutID); err != nil {
			return err
		}
		no, err := q.InsertAttempt(ctx, sqlgen.InsertAttemptParams{
			PayoutNo: a.PayoutNo, TxID: a.TxID, Raw: a.Raw, Signature: a.Signature, RefBlock: a.RefBlock, Wallet: a.Wallet,
			Contract: a.Contract, Payee: a.Payee, Amount: a.Amount, ExpiresAt: a.ExpiresAt, EstimateSun: a.EstimateSun, CreatedAt: now,
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		} else if err != nil {
			return fmt.Errorf("write the transaction down: %w", err)
		}
		a.AttemptNo = no
		// What is signed moves the chain of the audit log, by which a database that
		// forgot it is known.
		what := map[string]string{"payout_id": a.payoutID, "payee": a.Payee, "usdt": ledger.Amount(a.Amount).String(), "expires_at": a.ExpiresAt.Format(time.RFC3339)}
		return audit.Write(ctx, tx, By().Record("rail.sign", a.id.String(), nil, what).AtTime(now))
	})
}
