package payout

import (
	"context"
	"errors"
	"fmt"
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
// Whoever hands out what is to be paid by hand remembers before, so that a halt
// is seen, and after the commit: a standby that takes over without that commit
// would hand it out again, unless its halt is certain.
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

// remember is Remember in the only program that does so with this file: an
// older head is not written over a newer one.
func (s *Store) remember(ctx context.Context) error {
	last, unknown := readHead(s.cfg.KnownHead)
	var now head
	err := db.InTx(ctx, s.cfg.Pool, func(tx db.Tx) error {
		if err := s.haltIfForgotten(ctx, tx, last, unknown != nil); err != nil {
			return err
		}
		row, err := sqlgen.New(tx).ChainEnds(ctx)
		now = head{row.EntryNo, row.Entry, row.AuditNo, row.Audit}
		return err
	})
	if err != nil || unknown == nil && now.same(last) {
		return errors.Join(unknown, err)
	}
	if err := now.write(s.cfg.KnownHead); err != nil { // after the commit: a halt that is not certain must be found again
		return errors.Join(unknown, err)
	}
	if unknown != nil {
		s.cfg.Logger.Error("payouts are halted: what was known of the database could not be read, and is written anew", "error", unknown)
	}
	return nil
}

func (s *Store) haltIfForgotten(ctx context.Context, tx db.Tx, last head, unknown bool) error {
	reason := HaltUnknown
	if !unknown {
		has, err := sqlgen.New(tx).HasChains(ctx, sqlgen.HasChainsParams{EntryNo: last.EntryNo, Entry: last.Entry, AuditNo: last.AuditNo, Audit: last.Audit})
		if err != nil || has {
			return err
		}
		reason = HaltRestored
	}
	return Halt(ctx, tx, audit.By{Actor: audit.System}, reason, s.cfg.Now())
}

// takeForgotten makes a pending payout processing that may have been paid
// before the database forgot it. The caller holds the ledger's lock.
func (s *Store) takeForgotten(ctx context.Context, tx db.Tx, by audit.By, payoutID string) error {
	list, err := stoppages(ctx, tx)
	if err != nil {
		return err
	}
	for _, h := range list {
		if !slices.Contains(MaybePaid(), h.Reason) {
			continue
		}
		p, err := s.Get(ctx, payoutID)
		if err == nil && p.Status == Pending {
			_, err = s.TakePaid(ctx, tx, by, Manual, payoutID, p.WalletAddress)
		}
		return err
	}
	return nil
}
