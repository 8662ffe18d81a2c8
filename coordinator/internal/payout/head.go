package payout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
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

// write replaces the file as a whole: after a power cut there is the old one
// or the new one, never a part.
func (h head) write(file string) (err error) {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, "."+filepath.Base(file)+".*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, ownAs(f, dir), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), file); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
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

// lockedFolder runs do while nobody else does with this folder, which it makes.
// The lock ends with the program that holds it.
func lockedFolder(dir string, do func() error) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	for {
		err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX)
		if err == nil {
			return do()
		}
		if !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("lock %s: %w", dir, err)
		}
	}
}
