package payout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lucid.internal/coordinator/internal/audit"
	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/payout/sqlgen"
)

// HaltRestored halts payouts when the database has forgotten what it once knew:
// what is pending in it may have been paid. While it is not lifted, a pending
// payout can be recorded as paid.
const HaltRestored = "the database is older than what was known beside it: a backup was restored, or a standby took over late; docs/payouts.md says what to do"

// Memory is what a program keeps of the database in a file beside it: where the
// chains of ledger and audit log ended. Every step of a payout moves one of them.
type Memory struct {
	store *Store
	file  string
}

// NewMemory makes one that keeps its file there.
func NewMemory(store *Store, file string) *Memory { return &Memory{store, file} }

// known is the content of the file. Whoever restores a backup of the database
// must not restore this file with it.
type known struct {
	EntryNo int64  `json:"ledger_entry_no"` // 0: there was none yet
	Entry   []byte `json:"ledger_hash"`
	AuditNo int64  `json:"audit_entry_no"`
	Audit   []byte `json:"audit_hash"`
}

// RunOnce halts payouts when the database lacks what the file says, and then
// keeps where its chains end now.
func (m *Memory) RunOnce(ctx context.Context) error {
	last, err := m.read()
	if err != nil {
		return err
	}
	var now known
	err = db.InTx(ctx, m.store.cfg.Pool, func(tx db.Tx) error {
		q := sqlgen.New(tx)
		has, err := q.HasChains(ctx, sqlgen.HasChainsParams{EntryNo: last.EntryNo, Entry: last.Entry, AuditNo: last.AuditNo, Audit: last.Audit})
		if err == nil && !has {
			err = Halt(ctx, tx, audit.By{Actor: audit.System}, HaltRestored, m.store.cfg.Now())
		}
		if err != nil {
			return fmt.Errorf("look for what was known of the database: %w", err)
		}
		row, err := q.ChainEnds(ctx)
		now = known{row.EntryNo, row.Entry, row.AuditNo, row.Audit}
		return err
	})
	if err != nil || now.EntryNo == last.EntryNo && now.AuditNo == last.AuditNo && string(now.Audit) == string(last.Audit) {
		return err
	}
	return m.write(now)
}

func (m *Memory) read() (k known, err error) {
	text, err := os.ReadFile(m.file)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	if err != nil {
		return k, fmt.Errorf("read what was known of the database: %w", err)
	}
	return k, nil
}

// write replaces the file, which is whole after a power cut.
func (m *Memory) write(k known) error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(m.file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(m.file+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keep what is known of the database: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("keep what is known of the database: %w", err)
	}
	return os.Rename(m.file+".new", m.file)
}

// takeForgotten makes a pending payout processing that was paid before the
// database forgot it. The caller holds the ledger's lock.
func (s *Store) takeForgotten(ctx context.Context, tx db.Tx, by audit.By, payoutID string) error {
	list, err := stoppages(ctx, tx)
	if err != nil {
		return err
	}
	for _, h := range list {
		if h.Reason != HaltRestored {
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
