package payout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/payout/sqlgen"
)

// What halts payouts since the database may have forgotten what it once knew:
// what is pending in it may have been paid. While it is not lifted, a pending
// payout can be recorded as paid.
const (
	HaltRestored = "the database is older than what was known beside it: a backup was restored, or a standby took over late; docs/payouts.md says what to do"
	HaltUnknown  = "it is not known whether the database is older than it was: known-head.json of a coordinator's data folder could not be read, and is " +
		"written anew; was a backup restored, or did a standby take over, do as docs/payouts.md says; if not, lift this"
)

// MaybePaid are the reasons to halt under which a pending payout may have been paid.
func MaybePaid() []string { return []string{HaltRestored, HaltUnknown} }

// Remember halts payouts when the database lacks what Config.KnownHead says of
// it, and then keeps there where its chains end now. Every step of a payout
// moves one of them.
//
// Whoever hands out what is to be paid, and the rail that signs, remembers before,
// so that a halt is seen, and after the commit: a standby that takes over without
// that commit would hand it out again, unless its halt is certain.
//
// When the file cannot be kept it is fault.DatabaseDown; what the database does
// not answer is no fault.
func (s *Store) Remember(ctx context.Context) error {
	return s.RememberThat(ctx, "", func(context.Context, db.Tx) (bool, error) { return true, nil })
}

// RememberThat is Remember after the commit of what is handed out, named what.
// stands asks the database that answers now whether it holds it. One that does
// not took over late, and its chains may still hold all that was known before:
// payouts are halted then too, and it is fault.StateNotAllowed.
func (s *Store) RememberThat(ctx context.Context, what string, stands func(context.Context, db.Tx) (bool, error)) error {
	if s.cfg.KnownHead == "" {
		return nil
	}
	return lockedFolder(ctx, filepath.Dir(s.cfg.KnownHead), func(ctx context.Context) error { return s.remember(ctx, what, stands) })
}

// Forgot reports whether payouts are halted because the database may have forgotten
// what was paid. Who asks has remembered just before.
func (s *Store) Forgot(ctx context.Context) (bool, error) { return forgot(ctx, s.cfg.Pool) }

// mayBePaid reports whether what is pending may have been paid by the database that
// answers within the caller's transaction: payouts are halted for that, or it lacks
// what is known of it, and will be halted as soon as somebody remembers. No halt is
// written here: it takes the audit log, which comes after every payout.
func (s *Store) mayBePaid(ctx context.Context, tx db.Tx) (bool, error) {
	if may, err := forgot(ctx, tx); err != nil || may {
		return true, err
	}
	last, known := s.known()
	if !known {
		return false, nil
	}
	sound, err := last.standsIn(ctx, tx)
	return !sound, err
}

func forgot(ctx context.Context, on sqlgen.DBTX) (bool, error) {
	list, err := stoppages(ctx, on)
	return slices.ContainsFunc(list, func(h Stoppage) bool { return slices.Contains(MaybePaid(), h.Reason) }), err
}

// remember is Remember in the only program that does so with this file: an
// older head is not written over a newer one.
func (s *Store) remember(ctx context.Context, what string, stands func(context.Context, db.Tx) (bool, error)) error {
	var last, now head
	var unknown error
	var stood bool
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) (err error) {
		if last, unknown, err = s.recall(ctx, tx); err != nil {
			return err
		}
		if stood, err = stands(ctx, tx); err == nil && !stood {
			err = s.haltRestored(ctx, tx)
		}
		if err != nil {
			return err
		}
		now, err = headOf(ctx, tx)
		return err
	})
	if err != nil {
		return errors.Join(unknown, fmt.Errorf("ask the database what it holds: %w", err))
	}
	if unknown != nil || !now.same(last) {
		err = s.keep(now, unknown) // after the commit: a halt that is not certain must be found again
	}
	if !stood {
		return errors.Join(forgotten(what), err)
	}
	return err
}

func (s *Store) keep(now head, unknown error) error {
	if err := now.write(s.cfg.KnownHead); err != nil {
		return unkept(errors.Join(unknown, err))
	}
	if unknown != nil && !firstStart(unknown, now) {
		s.cfg.Logger.Error("payouts are halted: what was known of the database could not be read, and is written anew", "error", unknown)
	}
	return nil
}

// unkept is what is told when the data folder fails, not the database.
func unkept(err error) error {
	return fault.Wrap(fault.DatabaseDown, err, "what is known of the database cannot be kept in the coordinator's data folder")
}

func forgotten(what string) error {
	return fault.New(fault.StateNotAllowed, "the database forgot %s: do not pay it; payouts are halted, and docs/payouts.md says what to do", what)
}

// haltRestored halts payouts within the caller's transaction, and tells the log,
// once. A halt that is not committed is found and told again.
func (s *Store) haltRestored(ctx context.Context, tx db.Tx) error {
	halted, err := halt(ctx, tx, audit.By{Actor: audit.System}, HaltRestored, s.cfg.Now())
	if halted && err == nil {
		s.cfg.Logger.Error("payouts are halted: " + HaltRestored + "; what halts them: lucidctl payouts halts")
	}
	return err
}

// firstStart tells a file that is not there yet, while there is nothing to pay,
// from one that was lost, or a data folder that is new.
func firstStart(unknown error, now head) bool {
	return errors.Is(unknown, fs.ErrNotExist) && now.EntryNo == 0
}

// recall halts payouts within the caller's transaction when the database lacks
// what is known of it, or that is not known. unknown says why it is not.
func (s *Store) recall(ctx context.Context, tx db.Tx) (last head, unknown, err error) {
	if last, unknown = readHead(s.cfg.KnownHead); unknown == nil {
		return last, nil, s.compare(ctx, tx, last)
	}
	now, err := headOf(ctx, tx)
	if err == nil && !firstStart(unknown, now) {
		err = Halt(ctx, tx, audit.By{Actor: audit.System}, HaltUnknown, s.cfg.Now())
	}
	return last, unknown, err
}

// compare halts payouts within the caller's transaction when the database lacks
// what is known of it.
func (s *Store) compare(ctx context.Context, tx db.Tx, last head) error {
	sound, err := last.standsIn(ctx, tx)
	if err == nil && !sound {
		err = s.haltRestored(ctx, tx)
	}
	return err
}

// standsIn reports whether the database holds what was known of it.
func (h head) standsIn(ctx context.Context, tx db.Tx) (bool, error) {
	return sqlgen.New(tx).HasChains(ctx, sqlgen.HasChainsParams{EntryNo: h.EntryNo, Entry: h.Entry, AuditNo: h.AuditNo, Audit: h.Audit})
}

// known is what the file beside the database says of it. A program that knows
// nothing, as a command with a data folder of its own, judges by halts alone: the
// coordinator whose folder it is finds the same, and halts.
func (s *Store) known() (last head, known bool) {
	if s.cfg.KnownHead == "" {
		return head{}, false
	}
	last, unknown := readHead(s.cfg.KnownHead)
	return last, unknown == nil
}

// look halts payouts when the database certainly lacks what is known of it. It
// keeps nothing, so it needs no lock of the folder. It is a transaction of its own:
// a halt takes the audit log, which comes after every payout.
func (s *Store) look(ctx context.Context) error {
	last, known := s.known()
	if !known {
		return nil
	}
	return db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error { return s.compare(ctx, tx, last) })
}

// headOf is where the chains of the database end now.
func headOf(ctx context.Context, tx db.Tx) (head, error) {
	row, err := sqlgen.New(tx).ChainEnds(ctx)
	if err != nil {
		return head{}, fmt.Errorf("read where the chains end: %w", err)
	}
	return head{Version: 1, EntryNo: row.EntryNo, Entry: row.Entry, AuditNo: row.AuditNo, Audit: row.Audit}, nil
}

// takeForgotten makes a pending payout processing that may have been paid
// before the database forgot it. The caller holds the ledger's lock.
func (s *Store) takeForgotten(ctx context.Context, tx db.Tx, by audit.By, payoutID string) error {
	if may, err := s.mayBePaid(ctx, tx); err != nil || !may {
		return err
	}
	row, err := sqlgen.New(tx).Payout(ctx, payoutID)
	if err != nil {
		return notFound(payoutID, err)
	}
	if Status(row.Payout.Status) == Pending {
		_, err = s.TakePaid(ctx, tx, by, Manual, payoutID, row.Payout.WalletAddress)
	}
	return err
}
