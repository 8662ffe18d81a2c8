package payout_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/payout"
)

// While another program holds the data folder, who waits for it can be ended,
// and what was paid is recorded nonetheless.
func TestHeldFolderStopsNobodyForEver(t *testing.T) {
	w, file := newWorld(t), filepath.Join(t.TempDir(), "known-head.json")
	w.remember(file)
	id := w.only(w.waiting("node_a")).ID
	must(t)(w.store(knownIn(file)).Start(t.Context(), byTest, id))
	folder, err := os.Open(filepath.Dir(file))
	if err == nil {
		err = syscall.Flock(int(folder.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := w.store(knownIn(file)).Remember(ended); !errors.Is(err, context.Canceled) || !fault.Has(err, fault.DatabaseDown) {
		t.Errorf("%v", err)
	}
	if p := must(t)(w.store(knownIn(file)).Complete(t.Context(), byTest, id, "ticket-1")); p.Status != payout.Completed {
		t.Errorf("%+v", p)
	}
	if err := folder.Close(); err != nil {
		t.Fatal(err)
	}
	w.remember(file)
}

// What a program that was killed left of its write goes with the next one.
func TestUnfinishedHeadsAreRemoved(t *testing.T) {
	w, file := newWorld(t), filepath.Join(t.TempDir(), "known-head.json")
	for _, name := range []string{".known-head.json.123", ".known-head.json.456"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(file), name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.remember(file)
	if files, err := os.ReadDir(filepath.Dir(file)); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}

// A head that cannot be kept is an error each time, and nothing begins.
func TestHeadThatCannotBeKeptIsTold(t *testing.T) {
	w := newWorld(t)
	id, file := w.only(w.waiting("node_a")).ID, t.TempDir() // a folder cannot be replaced by a file
	for range 2 {
		if err := w.store(knownIn(file)).Remember(t.Context()); err == nil {
			t.Error("nobody is told")
		}
	}
	if _, err := w.store(knownIn(file)).Start(t.Context(), byTest, id); err == nil || w.listed(1, payout.Filter{})[0].Status != payout.Pending {
		t.Errorf("paid without memory: %v", err)
	}
}

// Coordinators that share a data folder keep the newest head: nobody's is
// replaced by an older one.
func TestHeadIsKeptByManyAtOnce(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "known-head.json")
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 10 {
				err := w.store().Halt(t.Context(), byTest, fmt.Sprint("a test ", n, i))
				last := query[int64](w, `SELECT max(entry_no) FROM audit_entry`)
				if err == nil {
					err = w.store(knownIn(file)).Remember(t.Context())
				}
				if kept, readErr := kept(file); err != nil || readErr != nil || kept < last {
					t.Errorf("entry %d is kept after entry %d; %v, %v", kept, last, err, readErr)
				}
			}
		})
	}
	all.Wait()
	if files, err := os.ReadDir(filepath.Dir(file)); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}

// kept is the entry of the audit log that the file ends with.
func kept(file string) (auditNo int64, err error) {
	var h struct {
		AuditNo int64 `json:"audit_entry_no"`
	}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &h)
	}
	return h.AuditNo, err
}
