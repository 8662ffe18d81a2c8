package payout

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"lucid.internal/coordinator/internal/atomicfile"
)

// head is what a program keeps of the database in a file beside it: where the
// chains of ledger and audit log ended. Whoever restores a backup of the
// database must not restore this file with it.
type head struct {
	Version int    `json:"version"`         // 1; 0 in files of before, which were not written at the beginning
	EntryNo int64  `json:"ledger_entry_no"` // 0: there was none yet
	Entry   []byte `json:"ledger_hash"`
	AuditNo int64  `json:"audit_entry_no"`
	Audit   []byte `json:"audit_hash"`
}

func (h head) same(other head) bool {
	return h.EntryNo == other.EntryNo && h.AuditNo == other.AuditNo && bytes.Equal(h.Entry, other.Entry) && bytes.Equal(h.Audit, other.Audit)
}

// readHead reads the file. One that is not there, cannot be read or holds no head
// says nothing of the database.
func readHead(file string) (h head, unknown error) {
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &h)
	}
	if err == nil && (h.Version == 0 && h.same(head{}) || (h.EntryNo == 0) != (len(h.Entry) == 0) || (h.AuditNo == 0) != (len(h.Audit) == 0)) {
		err = errors.New("the end of a chain is missing")
	}
	if err != nil {
		return head{}, fmt.Errorf("%s: %w", file, err)
	}
	return h, nil
}

// write replaces the file. Who calls it holds the folder's lock, so what lies there
// of another write was left by a program that was killed.
func (h head) write(file string) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := atomicfile.RemoveUnfinished(file); err != nil {
		return err
	}
	return atomicfile.Replace(file, append(text, '\n'), func(f *os.File) error { return ownAs(f, filepath.Dir(file)) })
}

// ownAs gives what root's command wrote to who owns the folder: the coordinator
// has to read it.
func ownAs(f *os.File, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}

const (
	// mostLocked bounds waiting for the lock and what is done under it together: a
	// database that hangs must not keep the others on this machine for ever.
	mostLocked = 20 * time.Second
	lockEvery  = 10 * time.Millisecond
)

// lockedFolder runs do while nobody else does with this folder, which it makes.
// The lock ends with the program that holds it.
func lockedFolder(ctx context.Context, dir string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, mostLocked)
	defer cancel()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unkept(err)
	}
	folder, err := os.Open(dir)
	if err != nil {
		return unkept(err)
	}
	defer folder.Close() // read only: nothing is lost by it, and it unlocks
	if err := lock(ctx, folder); err != nil {
		return unkept(fmt.Errorf("lock %s: %w", dir, err))
	}
	return do(ctx)
}

// lock asks again and again: a call that waits for the lock could not be ended.
func lock(ctx context.Context, folder *os.File) error {
	again := time.NewTicker(lockEvery)
	defer again.Stop()
	for {
		err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("another program holds it: %w", ctx.Err())
		case <-again.C:
		}
	}
}
