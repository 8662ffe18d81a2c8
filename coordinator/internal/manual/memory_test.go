package manual_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lucid.internal/coordinator/internal/db"
	"lucid.internal/coordinator/internal/db/dbtest"
	"lucid.internal/coordinator/internal/fault"
	"lucid.internal/coordinator/internal/manual"
	"lucid.internal/coordinator/internal/payout"
)

// remembering gives the world stores that keep what is known of the database in
// the file; meanwhile runs while an export is being made.
func (w *world) remembering(file string, meanwhile func()) {
	w.Helper()
	payouts, err := payout.NewStore(payout.Config{Pool: w.pool, KnownHead: file, Held: func(context.Context, db.Tx, []int32) (map[int32]bool, error) {
		meanwhile()
		return nil, nil
	}})
	if err != nil {
		w.Fatal(err)
	}
	if _, err := os.Stat(file); os.IsNotExist(err) { // the coordinator started before there was anything to pay
		if err := os.WriteFile(file, []byte(`{"version":1}`), 0o600); err != nil {
			w.Fatal(err)
		}
	}
	w.payouts, w.Store = payouts, manual.NewStore(manual.Config{Pool: w.pool, Payouts: payouts})
}

// A standby that takes over without the last seconds must not hand out again
// what somebody is paying.
func TestExportIsRememberedBeforeItIsHandedOut(t *testing.T) {
	w, file := newWorld(t), filepath.Join(t.TempDir(), "known-head.json")
	w.pending("node_a", address, 10)
	w.remembering(file, func() {})
	w.export("k")
	text, err := os.ReadFile(file)
	var last int
	if err == nil {
		err = w.pool.QueryRow(t.Context(), `SELECT max(entry_no) FROM audit_entry`).Scan(&last)
	}
	if err != nil || !strings.Contains(string(text), fmt.Sprintf(`"audit_entry_no":%d,`, last)) {
		t.Errorf("%s, %v; want entry %d", text, err, last)
	}
}

func TestExportOfAForgetfulDatabaseIsRefused(t *testing.T) {
	w, file := newWorld(t), filepath.Join(t.TempDir(), "known-head.json")
	id := w.pending("node_a", address, 10)
	w.remembering(file, func() {})
	if err := os.WriteFile(file, []byte(`{"audit_entry_no":1000,"audit_hash":"AAAA"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Export(t.Context(), ada.By, "k", 1000); !fault.Has(err, fault.StateNotAllowed) {
		t.Errorf("exported: %v", err)
	}
	if p := w.get(id); p.Status != payout.Pending {
		t.Errorf("%+v", p)
	}
}

// forgetExport takes away what making the only export left in the database.
const forgetExport = `DELETE FROM payout_export_line; DELETE FROM payout_export; DELETE FROM payout_request WHERE made LIKE 'export_%';
	UPDATE payout SET status = 'pending', rail = NULL, processed_at = NULL; DELETE FROM audit_entry WHERE action = 'payout.processing'`

// A standby may hold all that was known before an export, and not the export: it
// would hand the payouts out again.
func TestExportThatTheDatabaseForgotIsNotHandedOut(t *testing.T) {
	for name, look := range map[string]int32{"when it is made": 2, "when it is read again": 3} {
		t.Run(name, func(t *testing.T) {
			w, file := newWorld(t), filepath.Join(t.TempDir(), "known-head.json")
			id := w.pending("node_a", address, 10)
			w.pool = dbtest.Forgetting(t, w.pool, "name: HasChains", look, forgetExport)
			w.remembering(file, func() {})
			e, told := w.Export(t.Context(), ada.By, "k", 1000)
			if look == 3 {
				if told != nil || len(e.Lines) != 1 {
					t.Fatalf("%+v, %v", e, told)
				}
				e, told = w.Read(t.Context(), e.ID)
			}
			if !fault.Has(told, fault.StateNotAllowed) || !strings.Contains(fault.As(told).Message, "do not pay it") || len(e.Lines) != 0 {
				t.Errorf("%+v, %v", e, told)
			}
			w.wantHalted(payout.HaltRestored)
			for _, key := range []string{"k", "another"} {
				if e, err := w.Export(t.Context(), ada.By, key, 1000); !fault.Has(err, fault.StateNotAllowed) || w.get(id).Status != payout.Pending {
					t.Errorf("handed out again: %+v, %v", e, err)
				}
			}
		})
	}
}

func TestExportByAMistypedIDHaltsNothing(t *testing.T) {
	w := newWorld(t)
	w.pending("node_a", address, 10)
	w.remembering(filepath.Join(t.TempDir(), "known-head.json"), func() {})
	w.export("k")
	if _, err := w.Read(t.Context(), "export_mistyped"); !fault.Has(err, fault.OtherNotFound) {
		t.Error(err)
	}
	w.wantHalted()
}

// A database that does not answer is not told as a folder that is full.
func TestExportTellsWhichMemoryFails(t *testing.T) {
	w, file := newWorld(t), filepath.Join(t.TempDir(), "known-head.json")
	w.pending("node_a", address, 10)
	w.pool = dbtest.Forgetting(t, w.pool, "name: HasChains", 2, `ALTER TABLE entry RENAME TO gone`)
	w.remembering(file, func() {})
	_, err := w.Export(t.Context(), ada.By, "k", 1000)
	if message := fault.As(err).Message; !fault.Has(err, fault.DatabaseDown) || !strings.Contains(message, "could not be asked") || strings.Contains(message, "folder") {
		t.Error(err)
	}
}

func (w *world) wantHalted(reasons ...string) {
	w.Helper()
	list, err := w.payouts.Stoppages(w.Context())
	var got []string
	for _, h := range list {
		got = append(got, h.Reason)
	}
	if err != nil || !slices.Equal(got, reasons) {
		w.Errorf("halted by %q, %v; want %q", got, err, reasons)
	}
}

// An export that was made and cannot be remembered is kept back, by its id too,
// until it can be.
func TestExportThatIsNotRememberedIsKeptBack(t *testing.T) {
	w, file := newWorld(t), filepath.Join(t.TempDir(), "known-head.json")
	id := w.pending("node_a", address, 10)
	spoil := func() {
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(file, 0o700); err != nil { // a folder cannot be replaced by a file
			t.Fatal(err)
		}
	}
	w.remembering(file, spoil)
	e, told := w.Export(t.Context(), ada.By, "k", 1000)
	if !fault.Has(told, fault.DatabaseDown) || len(e.Lines) != 0 || w.get(id).Status != payout.Processing {
		t.Fatalf("%+v, %v", e, told)
	}
	var exportID string
	if err := w.pool.QueryRow(t.Context(), `SELECT export_id FROM payout_export`).Scan(&exportID); err != nil || !strings.Contains(fault.As(told).Message, exportID) {
		t.Errorf("%s, %v; want that %v names it", exportID, err, told)
	}
	if e, err := w.Read(t.Context(), exportID); !fault.Has(err, fault.DatabaseDown) || len(e.Lines) != 0 {
		t.Errorf("%+v, %v", e, err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if e, err := w.Read(t.Context(), exportID); err != nil || len(e.Lines) != 1 || e.Lines[0].PayoutID != id {
		t.Errorf("%+v, %v", e, err)
	}
}
