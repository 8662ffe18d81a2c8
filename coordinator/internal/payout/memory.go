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
func (s *Store) Remember(ctx context.Context) error {
	if s.cfg.KnownHead == "" {
		return nil
	}
	err := lockedFolder(filepath.Dir(s.cfg.KnownHead), func() error { return s.remember(ctx) })
	if err != nil {
		return fmt.Errorf("keep what is known of the database: %w", err)
	}
	return nil
}

// Forgot remembers, and reports whether payouts are halted because the database
// may have forgotten what was paid.
func (s *Store) Forgot(ctx context.Context) (bool, error) {
	if err := s.Remember(ctx); err != nil {
		return true, err
	}
	return forgot(ctx, s.cfg.Pool)
}

func forgot(ctx context.Context, on sqlgen.DBTX) (bool, error) {
	list, err := stoppages(ctx, on)
	return slices.ContainsFunc(list, func(h Stoppage) bool { return slices.Contains(MaybePaid(), h.Reason) }), err
}

// remember is Remember in the only program that does so with this file: an
// older head is not written over a newer one.
func (s *Store) remember(ctx context.Context) error {
	var last, now head
	var unknown error
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) (err error) {
		if last, unknown, err = s.recall(ctx, tx); err != nil {
			return err
		}
		now, err = headOf(ctx, tx)
		return err
	})
	if err != nil || unknown == nil && now.same(last) {
		return errors.Join(unknown, err)
	}
	if err := now.write(s.cfg.KnownHead); err != nil { // after the commit: a halt that is not certain must be found again
		return errors.Join(unknown, err)
	}
	if unknown != nil && !firstStart(unknown, now) {
		s.cfg.Logger.Error("payouts are halted: what was known of the database could not be read, and is written anew", "error", unknown)
	}
	return nil
}

// firstStart tells a file that is not there yet, while there is nothing to pay,
// from one that was lost, or a data folder that is new.
func firstStart(unknown error, now head) bool {
	return errors.Is(unknown, fs.ErrNotExist) && now.EntryNo == 0
}

// recall halts payouts within the caller's transaction when the database lacks
// what is known of it, or that is not known. unknown says why it is not.
func (s *Store) recall(ctx context.Context, tx db.Tx) (last head, unknown, err error) {
	last, unknown = readHead(s.cfg.KnownHead)
	reason, sound := HaltUnknown, false
	if unknown == nil {
		reason = HaltRestored
		sound, err = sqlgen.New(tx).HasChains(ctx, sqlgen.HasChainsParams{EntryNo: last.EntryNo, Entry: last.Entry, AuditNo: last.AuditNo, Audit: last.Audit})
	} else {
		var now head
		now, err = headOf(ctx, tx)
		sound = firstStart(unknown, now)
	}
	if err != nil || sound {
		return last, unknown, err
	}
	return last, unknown, Halt(ctx, tx, audit.By{Actor: audit.System}, reason, s.cfg.Now())
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
// before the database forgot it. Whether it did is asked within the transaction
// that records the payment. The caller holds the ledger's lock.
func (s *Store) takeForgotten(ctx context.Context, tx db.Tx, by audit.By, payoutID string) error {
	if s.cfg.KnownHead != "" {
		if _, _, err := s.recall(ctx, tx); err != nil {
			return err
		}
	}
	if may, err := forgot(ctx, tx); err != nil || !may {
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
